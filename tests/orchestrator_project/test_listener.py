"""The listener lives on whatever the database says to one update."""

from unittest.mock import Mock

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError

from orchestrator_project.management.commands import listen_trade_updates
from trading.events.order_hints import Rests


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
    alive = listen_trade_updates._Alive(Rests())

    alive()
    alive()

    assert note.call_count == 1, "not before ALIVE_SECONDS are over"
    assert session.close.called


@pytest.mark.parametrize("failure", [OperationalError("gone"), InterfaceError("gone")], ids=type)
def test_updates_that_waited_end_no_listening_when_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    session, rests = Mock(), Mock()
    rests.due.side_effect = failure
    monkeypatch.setattr(listen_trade_updates, "connection", session)
    monkeypatch.setattr(listen_trade_updates.broker_stream, "note_alive", Mock())

    listen_trade_updates._Alive(rests)()

    assert session.close.called


def test_update_that_only_says_that_an_order_rests_is_taken_later(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, rests, rested, filled = Mock(return_value=[]), Mock(), Mock(), Mock()
    rests.keep.side_effect = lambda update: update is rested
    rests.due.return_value = [rested]
    monkeypatch.setattr(listen_trade_updates, "take_update", taken)
    monkeypatch.setattr(listen_trade_updates.broker_stream, "note_alive", Mock())

    listen_trade_updates._hear(rests, rested)
    listen_trade_updates._hear(rests, filled)
    listen_trade_updates._Alive(rests)()

    assert [call.args[0] for call in taken.call_args_list] == [filled, rested]
