"""The listener lives on whatever the database says to one update."""

from unittest.mock import Mock

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError

from orchestrator_project.management.commands import listen_trade_updates


@pytest.mark.parametrize(
    ("failure", "closes"),
    [
        (IntegrityError("more filled than ordered"), False),
        (DataError("no such number"), False),
        (OperationalError("the server went away"), True),
        (InterfaceError("connection already closed"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_update_that_cannot_be_recorded_ends_no_listening(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, closes: bool
) -> None:
    """One row's trouble is that row's alone; a database that is away is met with a new session."""
    session = Mock()
    monkeypatch.setattr(listen_trade_updates, "connection", session)
    monkeypatch.setattr(listen_trade_updates, "take_update", Mock(side_effect=failure))

    listen_trade_updates._take(Mock())

    assert session.close.called is closes


@pytest.mark.parametrize("failure", [OperationalError("gone"), InterfaceError("gone")], ids=type)
def test_sign_of_life_that_cannot_be_stored_ends_no_listening(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    session, note = Mock(), Mock(side_effect=failure)
    monkeypatch.setattr(listen_trade_updates, "connection", session)
    monkeypatch.setattr(listen_trade_updates.broker_stream, "note_alive", note)
    alive = listen_trade_updates._Alive()

    alive()
    alive()

    assert note.call_count == 1, "not before ALIVE_SECONDS are over"
    assert session.close.called
