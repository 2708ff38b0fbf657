"""A connection that is kept is as good as a new one, and what is not as good is not kept."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import TransactionTestCase

from tests import kept_connection

pytestmark = pytest.mark.django_db(transaction=True)
SHOWN = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "TimeZone",
    "search_path",
    "synchronous_commit",
    "application_name",
)


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Let each of these tests begin and end with a connection that nobody had."""
    connection.close()
    yield
    connection.close()


def asked(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def session() -> list[Any]:
    return [asked(f"SHOW {name}") for name in SHOWN]


def test_session_is_the_same_and_has_nothing_left() -> None:
    before, pid = session(), asked("SELECT pg_backend_pid()")
    with connection.cursor() as cursor:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SET {name} = '1h'")
        cursor.execute("SET TIME ZONE 'Asia/Tokyo'")
        cursor.execute("SET search_path = pg_catalog")
        cursor.execute("SET application_name = 'another'")
        cursor.execute("SELECT pg_advisory_lock(4711)")
        cursor.execute("LISTEN something")
    assert session() != before

    assert kept_connection.renewed(connection)

    assert session() == before
    assert asked("SELECT pg_backend_pid()") == pid
    assert asked("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()") == [
        (0,)
    ]
    assert asked("SELECT count(*) FROM pg_listening_channels()") == [(0,)]


def test_session_knows_no_temporary_table_of_before() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE before AS SELECT 1")

    assert kept_connection.renewed(connection)

    with pytest.raises(DatabaseError, match="before"):
        asked("SELECT * FROM before")


def test_closed_connection_is_not_kept() -> None:
    assert not kept_connection.renewed(connection)


def test_connection_within_a_transaction_is_not_kept() -> None:
    with transaction.atomic():
        assert not kept_connection.renewed(connection)


def test_connection_on_which_a_statement_was_ended_is_not_kept() -> None:
    with pytest.raises(DatabaseError, match="cancel"):
        asked("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)")

    assert not kept_connection.renewed(connection)


def test_connection_whose_process_is_gone_is_not_kept() -> None:
    ((pid,),) = asked("SELECT pg_backend_pid()")
    with closing(connection.copy()) as another, another.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 60000)", [pid])
        assert cursor.fetchone() == (True,)

    assert not kept_connection.renewed(connection)


def test_connection_with_other_settings_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    options = connection.settings_dict["OPTIONS"]
    asked("SELECT 1")
    assert kept_connection.renewed(connection)

    monkeypatch.setitem(options, "options", options["options"] + " -c statement_timeout=7s")

    assert not kept_connection.renewed(connection)


def test_connection_of_an_event_loop_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

    async def kept() -> bool:
        with closing(connection):
            assert asked("SELECT 1") == [(1,)]
            return kept_connection.renewed(connection)

    assert not asyncio.run(kept())


def test_every_transactional_test_keeps_its_connection() -> None:
    reload = TransactionTestCase._should_reload_connections  # type: ignore[attr-defined]
    assert reload is kept_connection._renew_all
