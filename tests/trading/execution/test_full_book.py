"""140 simultaneous buy decisions: the book ends within every limit, and full.

Prices stand still, so that the final book can be held against the very prices the gate saw.
"""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from risk.domain.gate import judge
from risk.domain.reasons import DenyReason
from risk.models import RiskCheck, RiskLimits, RiskReservation
from tests.factories import make_limits
from tests.trading.execution.crowd import crowd, execute_at_once, reasons, running_cycle, settle
from tests.trading.outside import Outside
from tests.waiting import wait_until
from trading.domain.order_ids import PROTECTIVE
from trading.execution import gate_inputs
from trading.execution.portfolio import sync_portfolio
from trading.market.assets import refresh_assets
from trading.models import AIDecision, EquitySnapshot, MarketSnapshot, Order, Position, Saga

ROOM_REASONS = {"max_positions_reached", "position_too_large", "exposure_limit_exceeded"}
SPREAD = Decimal("0.002")  # what entering costs at most, of the equity: the limits are of the equity before
LAST_DIGIT = Decimal("0.0001")  # a stored value is rounded to it


@dataclass(frozen=True, slots=True)
class Case:
    """Limits of which one binds; percents of equity.

    Without coins where exposure binds: their fee is taken in coins, so a coin that was bought leaves a few
    dollars of the room its order was given.
    """

    binding: DenyReason
    size: Decimal
    position: Decimal
    exposure: Decimal
    count: int
    coins: int = 20


CASES = [
    Case(DenyReason.MAX_POSITIONS, Decimal(3), Decimal(10), Decimal(50), 15),
    Case(DenyReason.EXPOSURE_EXCEEDED, Decimal(7), Decimal(10), Decimal(50), 15, coins=0),
    Case(DenyReason.POSITION_TOO_LARGE, Decimal(3), Decimal(2), Decimal(50), 12),
]


def begin(case: Case) -> RiskLimits:
    running_cycle()
    sync_portfolio(None)
    refresh_assets()
    return make_limits(
        max_position_percent=case.position, max_exposure_percent=case.exposure, max_positions=case.count
    )


def come_to_rest() -> None:
    def rested() -> bool:
        settle()
        return not Saga.objects.open().exists()

    wait_until(rested, what="all sagas have ended")
    sync_portfolio(None)


def assert_within(limits: RiskLimits, market: Outside) -> None:
    equity = max(EquitySnapshot.objects.values_list("equity", flat=True))
    values = dict(Position.objects.values_list("symbol", "market_value"))
    assert dict(Position.objects.values_list("symbol", "quantity")) == market.positions()
    assert len(values) <= limits.max_positions
    largest, total = max(values.values()), sum(values.values()) - LAST_DIGIT * len(values)
    assert (largest - LAST_DIGIT) * 100 <= equity * limits.max_position_percent
    assert total * 100 <= equity * limits.max_exposure_percent
    now = EquitySnapshot.objects.latest("created_at").equity
    assert now >= equity * (1 - SPREAD)


def fitting(decisions: list[AIDecision], limits: RiskLimits) -> list[str]:
    """The monitor: which of the decisions the pure gate would let into the final book."""
    found = []
    for decision in decisions:
        snapshot = MarketSnapshot.objects.filter(symbol=decision.symbol).latest("quoted_at")
        intent = gate_inputs.order_intent(decision, snapshot)
        verdict = judge(intent, gate_inputs.risk_book_for(decision.symbol), limits.to_limits())
        assert verdict.allowed or verdict.reason in ROOM_REASONS, verdict
        found += [f"{decision.symbol} for {verdict.notional}"] if verdict.allowed else []
    return found


@pytest.mark.parametrize(
    ("case", "processes"),
    [(CASES[0], 8), (CASES[0], 1), (CASES[1], 8), (CASES[1], 1), (CASES[2], 8)],
    ids=lambda value: value.binding.value if isinstance(value, Case) else f"{value} processes",
)
def test_book_ends_within_every_limit_and_full(threaded_account: Outside, case: Case, processes: int) -> None:
    limits = begin(case)
    decisions = crowd(case.size, coins=case.coins)
    execute_at_once(decisions, processes=processes)
    come_to_rest()
    if case.binding is DenyReason.POSITION_TOO_LARGE:  # a second strategy wants more of what is held
        running_cycle()
        decisions = crowd(case.size, coins=case.coins)
        execute_at_once(decisions, processes=processes)
        come_to_rest()

    denied = list(AIDecision.objects.filter(pk__in=decisions, reason__in=ROOM_REASONS))
    counts = reasons(decisions)
    assert len(decisions) == sum(counts.values()) == 140
    assert case.binding in counts
    assert set(counts) <= {"", *ROOM_REASONS}
    assert_within(limits, threaded_account)
    assert fitting(denied, limits) == []
    judged = Order.objects.exclude(purpose__in=PROTECTIVE)  # what an entry brings along is part of it
    assert judged.count() == RiskCheck.objects.filter(allowed=True).count() > 0
    assert not RiskReservation.objects.counting().exists()
