"""Sums over trades, some of which are a round trip alone, and some several that have to be grouped."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import make_activity, make_decision, make_equity, make_strategy
from tests.trading.performance.booked import OPENED, traded
from trading.models import RoundTrip, Trade
from trading.performance.comparison import begin_comparison
from trading.performance.report import GROUPS, performance
from trading.performance.sums import Limits, cash_between, total_of, trade_sums
from trading.performance.sums import traded as sum_of_traded
from trading.performance.together import Together

D = Decimal
pytestmark = pytest.mark.django_db
NOON = OPENED + timedelta(hours=3)
EVER, FROM_NOON = Limits(None, None, []), Limits(NOON, None, [OPENED])


@pytest.fixture
def trades() -> None:
    """Two strategies; executions of one exit also a day apart, gains and losses, a short one and long ones."""
    for number, name in enumerate(("first", "second")):
        decision = make_decision(strategy=make_strategy(name=name), action="buy", price=D("99.37"))
        symbol = f"AA{number}"
        traded("buy", "9", "100", symbol=symbol, pieces=3, at=OPENED, decision=decision)
        traded("sell", "2", "101.13", symbol=symbol, at=OPENED + timedelta(hours=2, seconds=7))
        traded(
            "sell", "4", "93.7", symbol=symbol, pieces=2, at=OPENED + timedelta(hours=5), decision=decision
        )
        traded("sell", "3", "112", symbol=symbol, at=OPENED + timedelta(days=6))


@pytest.mark.usefixtures("trades")
@pytest.mark.parametrize("by", [None, *GROUPS])
@pytest.mark.parametrize("limits", [EVER, FROM_NOON], ids=["ever", "from noon"])
def test_trades_alone_come_to_the_same_as_if_they_were_grouped(by: str | None, limits: Limits) -> None:
    """To the last digit: that a round trip is a trade alone saves time, and changes no figure."""
    assert set(RoundTrip.objects.values_list("is_alone", flat=True)) == {True, False}
    found = [Together().of(one) for one in (trade_sums(by, limits), total_of(by, limits))]
    RoundTrip.objects.update(is_alone=False)

    assert [Together().of(one) for one in (trade_sums(by, limits), total_of(by, limits))] == found
    assert found[1].total.trades > 0


@pytest.mark.usefixtures("trades")
@pytest.mark.parametrize("limits", [EVER, FROM_NOON], ids=["ever", "from noon"])
def test_the_whole_is_the_same_by_whatever_it_is_grouped(limits: Limits) -> None:
    """By holding time the two executions of an exit are in two groups: a trade in each, and one of the whole."""
    traded("buy", "2", "100", symbol="APART", at=NOON)
    traded("sell", "2", "103", symbol="APART", pieces=2, at=NOON + timedelta(minutes=59, seconds=59.999))
    whole = Together().of(total_of(None, limits))

    for by in GROUPS:
        found = Together().of(total_of(by, limits))
        assert (found.total, found.bins) == (whole.total, whole.bins), by
    by_holding = Together().of(trade_sums("holding", limits)).groups.values()
    assert sum(group.trades for group in by_holding) == whole.total.trades + 1
    assert sum(group.realised for group in by_holding) == whole.total.realised


@pytest.mark.usefixtures("trades")
def test_slippage_is_what_orders_were_filled_worse_than_their_decisions_saw() -> None:
    """Worked by hand, for each strategy: 9 bought and 4 sold where 99.37 was seen, 2 and 3 sold where 100 was."""
    found = Together().of(sum_of_traded(EVER))
    Trade.objects.update(decision_price=None)

    assert Together().of(sum_of_traded(EVER)) == found
    worse = 2 * (9 * D("0.63") + 4 * D("5.67") - 2 * D("1.13") - 3 * 12)
    seen = 2 * (13 * D("99.37") + 5 * 100)
    assert (found.trades, found.decided, found.slippage_bps) == (8, 8, float(worse / seen * 10_000))


def test_cash_is_the_same_between_some_moments_and_among_more() -> None:
    for hour, (kind, amount) in enumerate([("dividend", "2.5"), ("transfer", "100"), ("fee", "-0.25")] * 3):
        make_activity(kind=kind, amount=D(amount), happened_at=OPENED + timedelta(hours=hour))
    moments = [OPENED + timedelta(minutes=minutes) for minutes in (-30, 0, 60, 100, 240, 330, 900)]

    for bounds in (moments, moments[2:3], moments[1:5:2], moments[-1:], []):
        asked = [cash_between(bounds), cash_between(bounds, moments)]
        assert Together().of(asked[1]) == Together().of(asked[0]), bounds
    assert Together().of(cash_between(moments[4:5], moments)) == {
        0: (D("4.75"), D(100)),
        1: (D(2), D(200)),
    }


@pytest.mark.usefixtures("trades")
@pytest.mark.parametrize("by", ["strategy", "day"])
def test_a_report_reads_cash_and_what_calls_cost_once(by: str) -> None:
    make_equity(market_time=OPENED - timedelta(minutes=20))
    begin_comparison()
    make_equity(market_time=OPENED + timedelta(days=6, hours=1))

    with CaptureQueriesContext(connection) as asked:
        performance(by=by)

    (statement,) = [query["sql"] for query in asked if "AS part" in query["sql"]]
    assert statement.count("kind = 'transfer'") == 1
    assert statement.count("FROM model_calls") == 1
