"""The decisions that earned most: found by the database, they are the first of all, in the same order."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import make_cash_line, make_decision, make_equity, make_position
from tests.trading.performance.booked import OPENED, traded
from trading.models import AIDecision
from trading.performance.comparison import begin_comparison
from trading.performance.report import performance
from trading.performance.rows import Row

D = Decimal
DAY = OPENED.date()
pytestmark = pytest.mark.django_db


def decided(symbol: str) -> AIDecision:
    return make_decision(symbol=symbol, action="buy", price=D(100))


def closed(symbol: str, *exits: str) -> AIDecision:
    """A decision of a unit for each price at which it was sold; bought at 100."""
    decision = decided(symbol)
    traded("buy", str(len(exits)), "100", symbol=symbol, decision=decision, at=OPENED)
    for place, price in enumerate(exits, start=1):
        traded("sell", "1", price, symbol=symbol, at=OPENED + timedelta(hours=place))
    return decision


@pytest.fixture
def decisions() -> None:
    """Gains, losses and ties; some hold, one what has no known value; one was only paid, and some nobody decided."""
    make_equity(market_time=OPENED - timedelta(minutes=20))
    begin_comparison()
    prices = ("120", "80", "110", "110", "110", "100.000001")
    of_one = [closed(f"A{number}", price) for number, price in enumerate(prices)]
    closed("PARTS", "113", "90", "112.5")
    for symbol, mark in (("UP", "130.5"), ("DOWN", "40"), ("DARK", None), ("SAME", "110")):
        held = decided(symbol)
        traded("buy", "3", "100", symbol=symbol, decision=held, at=OPENED)
        traded("sell", "2", "105", symbol=symbol, at=OPENED + timedelta(hours=1))
        if mark is not None:
            make_position(symbol, market_value=D(mark))
    make_cash_line(decision=of_one[1], amount=D("31.25"), happened_at=OPENED)
    make_cash_line(decision=decided("PAID"), amount=D("10"), happened_at=OPENED)
    make_cash_line(decision=None, amount=D("12"), happened_at=OPENED)
    traded("buy", "1", "100", symbol="HAND", purpose="external", at=OPENED)
    traded("sell", "1", "97", symbol="HAND", purpose="external", at=OPENED + timedelta(hours=1))
    make_equity(market_time=OPENED + timedelta(hours=5))


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.earned, reverse=True)


@pytest.mark.usefixtures("decisions")
@pytest.mark.parametrize("first", [None, DAY], ids=["whole", "a day"])
def test_they_are_the_first_of_all_to_the_last_digit(first: date | None) -> None:
    everything = performance(by="decision", first=first)
    assert everything.groups == len(everything.rows) == 13
    assert len({row.earned for row in everything.rows}) < 12, "some earned the same"

    for most in (1, 2, 3, 5, 8, 12, 13, 100):
        some = performance(by="decision", first=first, most=most)

        assert in_order(some.rows)[:most] == in_order(everything.rows)[:most], most
        assert len(some.rows) <= most + 1
        assert (some.groups, some.widest) == (everything.groups, everything.widest)
        assert (some.trades, some.equity, some.bins) == (
            everything.trades,
            everything.equity,
            everything.bins,
        )


@pytest.mark.usefixtures("decisions")
def test_what_has_no_known_profit_is_ordered_by_what_was_realised() -> None:
    rows = in_order(performance(by="decision", most=4).rows)

    assert [(row.label, row.profit.value, row.earned) for row in rows[:4]] == [
        ("buy UP", D("40.5"), D("40.5")),
        ("buy A0", D(20), D(20)),
        ("buy SAME", D(20), D(20)),
        ("buy PARTS", D("15.5"), D("15.5")),
    ]
    dark = next(row for row in performance(by="decision").rows if row.label == "buy DARK")
    assert (dark.profit.value, dark.earned) == (None, D(10))


@pytest.mark.usefixtures("decisions")
def test_they_take_no_statement_more_than_all() -> None:
    taken = []
    for most in (None, 3):
        with CaptureQueriesContext(connection) as asked:
            performance(by="decision", most=most)
        taken.append(len(asked))

    assert taken[1] <= taken[0]


@pytest.mark.parametrize("first", [None, DAY])
def test_of_nothing_there_are_none(first: date | None) -> None:
    report = performance(by="decision", first=first, most=5)

    assert (report.rows, report.groups, report.widest) == ([], 0, D(0))


@pytest.mark.usefixtures("decisions")
@pytest.mark.parametrize("by", ["symbol", "day", "confidence"])
def test_other_groups_are_all_there(by: str) -> None:
    everything, some = performance(by=by), performance(by=by, most=1)

    assert (some.rows, some.groups) == (everything.rows, len(everything.rows))
    assert some.widest == max(abs(row.earned) for row in everything.rows)
