"""The gate's inputs from our rows: what is missing stays missing, and nothing is counted neither way."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from risk.domain.types import AssetRules, TradingState
from risk.services import book as risk_book
from tests.factories import (
    make_agent,
    make_asset,
    make_decision,
    make_engagement,
    make_equity,
    make_order,
    make_position,
    make_reservation,
    make_snapshot,
    make_strategy,
)
from tests.trading.scenes import ago
from trading.core.settings import set_runtime_setting
from trading.execution import gate_inputs

NANO = Decimal("0.000000001")


def clock_read(**overrides: Any) -> None:
    now = timezone.now()
    make_agent(**({"market_time": now, "market_time_read_at": now, "market_open": True} | overrides))


@pytest.mark.django_db
def test_wish_to_buy_becomes_an_intent() -> None:
    clock_read()
    make_asset("AAPL")
    decision = make_decision(strategy=make_strategy(size_percent=Decimal(2)))
    snapshot = make_snapshot(price=Decimal("123.45"), quoted_at=ago(seconds=7))

    intent = gate_inputs.order_intent(decision, snapshot)

    assert (intent.symbol, intent.reducing, intent.confidence) == ("AAPL", False, Decimal("0.8"))
    assert (intent.min_confidence, intent.size_percent) == (Decimal("0.7"), 2)
    assert (intent.price, intent.max_price_age_seconds, intent.market_open) == (Decimal("123.45"), 90.0, True)
    assert intent.price_age_seconds == pytest.approx(7, abs=1)
    assert intent.rules == AssetRules(True, True, NANO, Decimal(0), Decimal(1))


@pytest.mark.django_db
def test_approval_lifts_the_threshold_and_a_sale_reduces() -> None:
    clock_read()
    decision = make_decision(action="sell", approved=True, confidence=Decimal("0.1"))

    intent = gate_inputs.order_intent(decision, None)

    assert (intent.reducing, intent.min_confidence) == (True, 0)


@pytest.mark.django_db
def test_sale_has_a_threshold_of_its_own() -> None:
    clock_read()
    set_runtime_setting(name="confidence_threshold", value="0.3", actor="test")

    assert gate_inputs.order_intent(make_decision(action="sell"), None).min_confidence == Decimal("0.7")
    set_runtime_setting(name="exit_confidence_threshold", value="0.5", actor="test")
    assert gate_inputs.order_intent(make_decision(action="sell"), None).min_confidence == Decimal("0.5")
    assert gate_inputs.order_intent(make_decision(action="buy"), None).min_confidence == Decimal("0.3")


@pytest.mark.django_db
def test_what_is_not_known_is_missing() -> None:
    """docs/lessons.md#lesson-18, #lesson-29: no price is None, not 0; an unread clock gives no age."""
    make_agent()
    decision = make_decision()

    without = gate_inputs.order_intent(decision, None)
    unaged = gate_inputs.order_intent(decision, make_snapshot())

    assert (without.price, without.price_age_seconds, without.rules) == (None, None, None)
    assert (unaged.price, unaged.price_age_seconds, unaged.market_open) == (100, None, False)


@pytest.mark.django_db
def test_coins_trade_while_the_stock_market_is_closed() -> None:
    clock_read(market_open=False)

    assert gate_inputs.order_intent(make_decision(symbol="BTC/USD"), None).market_open
    assert not gate_inputs.order_intent(make_decision(symbol="AAPL"), None).market_open


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symbol", "asset", "rules"),
    [
        (
            "BTC/USD",
            {"min_order_size": Decimal("0.001"), "min_trade_increment": NANO, "fractionable": False},
            AssetRules(True, True, NANO, Decimal("0.001"), Decimal(10)),
        ),
        ("AAPL", {"fractionable": False}, AssetRules(True, False, NANO, Decimal(0), Decimal(1))),
        ("AAPL", {"tradable": False}, AssetRules(False, True, NANO, Decimal(0), Decimal(1))),
    ],
)
def test_sizes_come_from_the_asset_master(symbol: str, asset: dict[str, Any], rules: AssetRules) -> None:
    clock_read()
    make_asset(symbol, **asset)

    assert gate_inputs.order_intent(make_decision(symbol=symbol), None).rules == rules


@pytest.mark.django_db
def test_book_counts_positions_reservations_and_open_orders() -> None:
    """docs/lessons.md#lesson-9, #lesson-35: every path starts from what is held and what is on its way."""
    clock_read()
    make_equity(equity=Decimal(90_000), session_start_equity=Decimal(95_000), buying_power=Decimal(40_000))
    make_position("AAPL", quantity=Decimal(5), quantity_available=Decimal(3), market_value=Decimal(500))
    make_position("MSFT", quantity=Decimal(-2), market_value=Decimal(-200))
    make_reservation(symbol="NVDA", notional=Decimal(700))
    make_reservation(symbol="TSLA", notional=Decimal(50), side="sell")
    make_order(symbol="EXT", purpose="external", status="accepted")
    make_order(symbol="DONE", status="filled")

    book = gate_inputs.risk_book_for("AAPL")

    assert (book.equity, book.session_start_equity, book.buying_power) == (90_000, 95_000, 40_000)
    assert book.exposures == {"AAPL": 500, "MSFT": 200}
    assert book.reserved == {"NVDA": 700}
    assert book.held_quantity == 3
    assert (book.pending_symbols, book.foreign_pending_symbols) == ({"NVDA", "TSLA"}, {"EXT"})
    assert not book.switch_engaged


@pytest.mark.django_db
def test_equity_older_than_five_minutes_is_unknown() -> None:
    clock_read()
    make_equity(created_at=ago(minutes=5, seconds=1))

    book = gate_inputs.risk_book_for("AAPL")

    assert (book.equity, book.session_start_equity, book.buying_power) == (None, None, 0)


@pytest.mark.django_db
def test_switch_and_state_are_read_as_committed() -> None:
    make_agent(trading_state="reducing")
    make_engagement()

    book = gate_inputs.risk_book_for("AAPL")

    assert book.switch_engaged
    assert book.trading_state is TradingState.REDUCING


@pytest.mark.django_db
@pytest.mark.parametrize("committed", range(3))
def test_order_that_fills_while_the_book_is_read_is_counted(committed: int) -> None:
    """Invariant 2: the reservation ends when the sync includes its fills; a reader sees one or both.

    The book is read at one moment, so it is enough that it is right after each commit.
    """
    clock_read()
    make_equity(buying_power=Decimal(1000))
    reservation = make_reservation(symbol="AAPL", notional=Decimal(600))

    def hold() -> None:
        make_position("AAPL", market_value=Decimal(600))
        make_equity(buying_power=Decimal(400))

    def let_go() -> None:
        risk_book.release(reservation.pk, reason="position_synced")

    for step in (hold, let_go)[:committed]:
        step()
    with CaptureQueriesContext(connection) as read:
        book = gate_inputs.risk_book_for("AAPL")

    assert len(read) == 1
    assert book.exposures.get("AAPL", 0) + book.reserved.get("AAPL", 0) >= 600
    assert book.buying_power - book.reserved.get("AAPL", 0) <= 400


@pytest.mark.django_db
def test_snapshot_of_no_price_cannot_be_stored() -> None:
    """docs/lessons.md#lesson-18: the database refuses 0 as a price."""
    with pytest.raises(IntegrityError, match="snapshot_price_positive"), transaction.atomic():
        make_snapshot(price=Decimal(0))
