"""Trades counted by what they earned of their cost."""

import pytest

from tests.trading.performance.booked import traded
from trading.performance.distribution import EDGES, distribution
from trading.performance.sums import Limits

pytestmark = pytest.mark.django_db
EVER = Limits(None, None, [])


def test_trades_are_counted_in_the_bin_of_their_percentage() -> None:
    for number, sold_at in enumerate(("85", "99.5", "101.5", "101.9", "150")):
        traded("buy", "2", "100", symbol=f"AA{number}")
        traded("sell", "2", sold_at, symbol=f"AA{number}")

    found = {each.label: (each.trades, each.share) for each in distribution(EVER) if each.trades}

    assert found == {
        "below -10 %": (1, 0.5),
        "-1 to 0 %": (1, 0.5),
        "1 to 2 %": (2, 1.0),
        "10 % and more": (1, 0.5),
    }
    assert len(distribution(EVER)) == len(EDGES) + 1


def test_what_was_opened_once_and_closed_once_is_one_trade_however_many_executions() -> None:
    traded("buy", "6", "100", pieces=3)
    traded("sell", "6", "103", pieces=2)

    assert [each.trades for each in distribution(EVER) if each.trades] == [1]


def test_nothing_closed_is_no_bin() -> None:
    assert distribution(EVER) == []
