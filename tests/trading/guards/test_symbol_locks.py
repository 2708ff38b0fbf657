"""Locks on symbols: one in force for each, replaced, ended, never for a symbol or a time that is none."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.utils import timezone

from tests.factories import make_agent, make_symbol_lock
from trading.errors import GuardError
from trading.guards.symbol_locks import lock_symbol, unlock_symbol
from trading.models import Event, SymbolLock

pytestmark = pytest.mark.django_db
NOW = datetime(2020, 10, 15, 18, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def agent() -> None:
    """Market time stands still."""
    make_agent(market_time=NOW, market_time_read_at=timezone.now(), market_rate=0)


def in_force() -> list[str]:
    return list(SymbolLock.objects.in_force(NOW).order_by("symbol").values_list("symbol", flat=True))


def test_lock_is_replaced_and_the_same_again_changes_nothing() -> None:
    first = lock_symbol(symbol="BTC/USD", actor="ada", reason="too wild")
    same = lock_symbol(symbol="BTC/USD", actor="bob", reason="too wild")
    until = NOW + timedelta(hours=1)
    other = lock_symbol(symbol="BTC/USD", actor="bob", reason="for an hour", until=until)

    assert same == first
    assert in_force() == ["BTC/USD"]
    assert (other.author, other.until) == ("bob", until)
    first.refresh_from_db()
    assert first.ended_by == "bob"
    assert [event.payload["until"] for event in Event.objects.order_by("sequence")] == [
        None,
        until.isoformat(),
    ]


def test_unlock_ends_it_once() -> None:
    lock_symbol(symbol="AAPL", actor="ada", reason="earnings")

    assert unlock_symbol(symbol="AAPL", actor="bob")
    assert not unlock_symbol(symbol="AAPL", actor="bob")

    assert in_force() == []
    assert list(Event.objects.order_by("sequence").values_list("type", flat=True)) == [
        "symbol_lock.locked",
        "symbol_lock.unlocked",
    ]


def test_lock_ends_at_its_time() -> None:
    make_symbol_lock("AAPL", until=NOW)
    make_symbol_lock("KO", until=NOW + timedelta(seconds=1))

    assert in_force() == ["KO"]
    assert SymbolLock.objects.in_force(None).count() == 2


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"symbol": "aapl"}, "symbol: was 'aapl', expected a stock"),
        ({"reason": " "}, "reason: was empty"),
        ({"until": NOW}, "until: was .*, expected a time after now"),
        ({"until": NOW.replace(tzinfo=None)}, "until: was .*, expected a time with its zone"),
    ],
)
def test_what_cannot_be_locked_is_refused_by_name(asked: dict[str, object], problem: str) -> None:
    with pytest.raises(GuardError, match=problem):
        lock_symbol(**({"symbol": "AAPL", "actor": "ada", "reason": "why"} | asked))  # type: ignore[arg-type]  # of each kind

    assert not SymbolLock.objects.exists()


def test_database_refuses_a_second_lock_in_force() -> None:
    make_symbol_lock("AAPL")

    with pytest.raises(IntegrityError, match="one_lock_per_symbol"):
        make_symbol_lock("AAPL")


def test_commands_lock_and_unlock() -> None:
    out = io.StringIO()
    call_command("lock", "AAPL", "--until", "2020-10-15T19:00", "--reason", "earnings", "--json", stdout=out)

    assert json.loads(out.getvalue())["until"] == "2020-10-15T19:00:00+00:00"
    assert in_force() == ["AAPL"]
    with pytest.raises(CommandError, match="symbol: was"):
        call_command("lock", "nothing!", "--reason", "x")
    call_command("unlock", "AAPL", stdout=out)
    assert in_force() == []
