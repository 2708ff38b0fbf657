"""Two stepped runs on one seed are the same run: what was seen and decided, and what filled, at which price and when.

Market time stands still and is moved between cycles; each step of a cycle is done here, one after the other, in the
order in which it is stated: exits first, then the surest, then by symbol.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from orchestrator_project.runtime.prepare import seed
from tests import emptying
from tests.conftest import forget_throttles
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.core.work import WorkKind
from trading.cycle.cycles import start_cycle
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.market import clock_watch
from trading.market.assets import refresh_assets
from trading.models import AgentStatus, AIDecision, Asset, Cycle, DecisionRecord, Fill, Mode, Saga, Trade
from trading.tasks import HERE

CYCLES = 20
STEP_SECONDS = 7800  # three a session: histories are brought up to date over a week
STOCKS, COINS = 24, 4

# Forty cycles, each order followed to its end: minutes on a busy machine.
pytestmark = [pytest.mark.system, pytest.mark.timeout(1200), pytest.mark.django_db(transaction=True)]


class Run(NamedTuple):
    """What a run leaves, without ids and wall times."""

    seen: list[str]
    decisions: list[tuple[Any, ...]]
    fills: list[tuple[Any, ...]]
    trades: list[tuple[Any, ...]]


@contextmanager
def fresh_world(number: int) -> Iterator[VenueProcess]:
    """A venue of its own with its clock held, and an empty database that a first start has seeded."""
    address = Path(settings.ENVIRONMENT.orchestrator_home) / "venue.json"
    emptying.empty(connection)
    forget_throttles()
    clock_watch.forget()
    # What a stop sells when the clock is moved fills at once: by wall time it would be before the next look, or after.
    with VenueProcess(
        is_forked=True, seed=number, partial_rate=0.3, slippage_bps=10, fill_latency=0
    ) as venue:
        venue.clock(paused=True, to="2020-10-15T14:00:00Z")
        address.write_text(json.dumps({"url": venue.url, "pid": venue.pid, "world": "synthetic"}))
        seed()
        AgentStatus.objects.update(mode=Mode.AUTONOMOUS)
        for name in ("confidence_threshold", "exit_confidence_threshold"):
            set_runtime_setting(name=name, value="0.3", actor="test")
        # A limit by the minute is the world's time: it would leave out what another run, on a quicker machine, sees.
        for name in ("limit_finnhub", "limit_coingecko"):
            set_runtime_setting(name=name, value="10000", actor="test")
        sync_portfolio(None)
        refresh_assets()
        yield venue
        address.unlink()


def run(number: int, cycles: int = CYCLES) -> Run:
    with fresh_world(number) as venue:
        coins = Asset.objects.filter(asset_class="crypto").order_by("symbol")[:COINS]
        stocks = Asset.objects.filter(asset_class="stock").order_by("symbol")[:STOCKS]
        symbols = [asset.symbol for asset in (*stocks, *coins)]
        for _ in range(cycles):
            sync_portfolio(None)  # market time is read before anything is asked
            step_through(start_cycle(trigger="test", symbols=symbols))
            venue.clock(advance=STEP_SECONDS)
            wait_until(lambda: not half_filled(venue), what="what rested and was reached is filled")
            reconcile()  # nobody listens here: what a stop has sold would be learnt by wall time
        return what_was_left()


def half_filled(venue: VenueProcess) -> list[str]:
    """Return the open orders of which a part has filled: the rest follows at the venue's next ticks."""
    resting = venue.get("/v2/orders?status=open&limit=500&nested=false")
    return [order["id"] for order in resting if float(order["filled_qty"])]


def step_through(cycle: Cycle) -> None:
    """Take a cycle to its end, each piece of work in turn."""
    pk = str(cycle.pk)
    HERE[WorkKind.FETCH](pk)
    HERE[WorkKind.ANALYSE](pk)
    for decision in in_order(cycle.pk):
        HERE[WorkKind.EXECUTE](str(decision.pk))
        for saga in Saga.objects.filter(decision=decision):
            wait_until(lambda saga=saga: has_ended(saga), what="the saga ends")
    HERE[WorkKind.FINISH](pk)
    cycle.refresh_from_db()
    assert (cycle.status, cycle.reason) == ("completed", "")


def has_ended(saga: Saga) -> bool:
    HERE[WorkKind.ADVANCE](str(saga.pk))
    saga.refresh_from_db()
    return saga.ended_at is not None


def in_order(cycle_id: UUID) -> list[AIDecision]:
    pending = AIDecision.objects.filter(cycle=cycle_id, status="pending")
    return sorted(pending, key=lambda one: (one.action != "sell", -one.confidence, one.symbol))


def what_was_left() -> Run:
    order = ("cycle__ordinal", "strategy__name", "symbol")
    decisions = AIDecision.objects.order_by(*order)
    records = DecisionRecord.objects.filter(decisions__isnull=False)
    seen = records.order_by("decisions__cycle__ordinal", "decisions__strategy__name", "decisions__symbol")
    return Run(
        seen=list(seen.values_list("seen_sha256", flat=True)),
        decisions=list(decisions.values_list(*order, "action", "confidence", "price", "status", "reason")),
        fills=list(
            Fill.objects.order_by("executed_at").values_list(
                "symbol", "side", "quantity", "price", "executed_at"
            )
        ),
        trades=list(
            Trade.objects.order_by("traded_at").values_list("symbol", "quantity", "realised_pnl", "traded_at")
        ),
    )


def test_two_stepped_runs_on_one_seed_are_equal_and_another_seed_is_not() -> None:
    first, second = run(7), run(7)

    assert first.seen == second.seen
    assert first.decisions == second.decisions
    assert first.fills == second.fills
    assert first.trades == second.trades
    assert len(set(first.seen)) >= CYCLES, "each cycle saw a moment of its own"
    assert len(first.fills) >= 15
    assert {side for _, side, *_ in first.fills} == {"buy", "sell"}
    assert not set(first.seen) & set(run(8, cycles=1).seen)
