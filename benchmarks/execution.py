"""What the gate and a saga cost, beside a bare ``SELECT … FOR UPDATE`` round trip in the same run.

Limits are ratios of that round trip: machines differ, ratios less. The durable gate is measured with the
end of its reservation, or the book would fill up; its yardstick is one transaction, it takes two.
"""

import multiprocessing
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

from benchmarks.measure import Figure, time_per_call

Call = Callable[[], object]
CONNECTIONS = 8
CALLS_EACH = 150


def figures() -> tuple[Figure, list[Figure]]:
    """Return the yardstick and everything measured against it."""
    yardstick = Figure("SELECT ... FOR UPDATE, 1 connection", time_per_call(bare_lock, rounds=7, calls=200))
    return yardstick, [
        Figure("the pure gate", time_per_call(pure_gate(), rounds=7, calls=2000), limit_ratio=0.5),
        Figure(
            "the durable gate, 1 connection",
            time_per_call(durable_gate(), rounds=5, calls=100),
            limit_ratio=15,
        ),
        Figure(f"SELECT ... FOR UPDATE, {CONNECTIONS} connections", together(bare_lock_of)),
        Figure(f"the durable gate, {CONNECTIONS} connections", together(durable_gate), limit_ratio=15),
        Figure(
            "a whole saga, zero-latency venue",
            time_per_call(whole_saga(), rounds=5, calls=8),
            limit_ratio=200,
        ),
    ]


def bare_lock() -> None:
    """Lock the agent's row and commit: what any serial gate pays at least."""
    from django.db import transaction

    from trading.models import AgentStatus

    with transaction.atomic():
        AgentStatus.objects.select_for_update().get(pk=1)


def bare_lock_of(_number: int) -> Call:
    """Return the bare lock, for a process of its own."""
    return bare_lock


def pure_gate() -> Call:
    """Return one judgement of an entry against a book of 14 positions."""
    from risk.domain.gate import judge
    from risk.domain.types import (
        AssetRules,
        LimitValues,
        OrderIntent,
        PriceBand,
        PriceFacts,
        Reference,
        RiskBook,
        TradingState,
    )

    rules = AssetRules(True, True, Decimal("0.000000001"), Decimal(0), Decimal(1))
    intent = OrderIntent(
        symbol="NEW",
        reducing=False,
        confidence=Decimal("0.8"),
        min_confidence=Decimal("0.7"),
        size_percent=Decimal(3),
        price=Decimal("123.45"),
        price_age_seconds=1.0,
        max_price_age_seconds=90.0,
        market_open=True,
        rules=rules,
        price_facts=PriceFacts(
            band=PriceBand(Decimal("0.2"), Decimal(8), Decimal("0.02"), Decimal("0.1")),
            recent=tuple(Reference(Decimal("123.4"), "alpaca") for _ in range(5)),
            close=Reference(Decimal("121.9"), "daily bar"),
            daily_volatility=Decimal("0.02"),
        ),
    )
    book = RiskBook(
        switch_engaged=False,
        trading_state=TradingState.ACTIVE,
        equity=Decimal(100_000),
        session_start_equity=Decimal(100_000),
        buying_power=Decimal(60_000),
        exposures={f"P{n}": Decimal(2_800) for n in range(14)},
    )
    limits = LimitValues(1, Decimal(10), Decimal(50), 15, Decimal(5))
    return lambda: judge(intent, book, limits)


def durable_gate(number: int = 0) -> Call:
    """Return: lock the book, read it, check, reserve, commit; then end the reservation.

    ``number`` picks the coin: a symbol can be reserved once at a time.
    """
    from django.db import transaction

    from risk.services import book as risk_book
    from risk.services import locks
    from trading.execution import gate_inputs
    from trading.models import Asset

    decision, snapshot = _decision(Asset.objects.filter(asset_class="crypto")[number], "buy", running=False)

    def once() -> None:
        with transaction.atomic():
            locks.lock_book()
            judgement = risk_book.check_and_reserve(
                intent=gate_inputs.order_intent(decision, snapshot),
                book=gate_inputs.risk_book_for(decision.symbol),
                decision_id=uuid4(),
                cycle_id=decision.cycle_id,
            )
        assert judgement.reservation is not None, judgement.verdict
        risk_book.release(judgement.reservation.pk, reason="benchmark")

    return once


def whole_saga() -> Call:
    """Return: claim, judge, post, confirm, sync; a buy and then the sale of the same coin."""
    from trading.execution import decision_execution, sagas
    from trading.models import Asset

    coin = Asset.objects.filter(asset_class="crypto").order_by("-dollar_volume").first()
    actions = ["buy", "sell"]

    def once() -> None:
        action = actions[0]
        actions.reverse()
        decision, _ = _decision(coin, action, running=True)
        saga_id = decision_execution.execute_decision(decision.pk)
        assert saga_id is not None, type(decision).objects.get(pk=decision.pk).reason
        while sagas.advance_saga(saga_id).ended_at is None:
            pass

    return once


def _decision(asset: Any, action: str, *, running: bool) -> tuple[Any, Any]:
    """Return a decision that may trade, with its price, in a cycle of its own."""
    from django.utils import timezone

    from trading.core.providers import current_providers
    from trading.market.market_time import market_now
    from trading.models import AgentStatus, AIDecision, Cycle, MarketSnapshot, Strategy

    AgentStatus.objects.update(mode="autonomous")
    symbol = asset.pk
    quote = current_providers().coin_quotes[0].quotes([symbol])[symbol]
    now = timezone.now()
    if running:
        Cycle.objects.filter(status="running").update(status="completed", ended_at=now)
    cycle = Cycle.objects.create(
        trigger="benchmark",
        mode="autonomous",
        status="running" if running else "completed",
        ended_at=None if running else now,
        started_at=now,
        stage_at=now,
        deadline_at=now + timezone.timedelta(minutes=10),
    )
    snapshot = MarketSnapshot.objects.create(
        cycle=cycle,
        symbol=symbol,
        price=quote.price,
        previous_close=quote.previous_close,
        source=quote.source,
        quoted_at=max(quote.quoted_at, market_now() or quote.quoted_at),
        fetched_at=now,
    )
    decision = AIDecision.objects.create(
        cycle=cycle,
        strategy=Strategy.objects.first(),
        symbol=symbol,
        action=action,
        confidence=Decimal("0.9"),
    )
    return decision, snapshot


def together(make: Callable[[int], Call]) -> float:
    """Return the seconds per call when several processes, a connection each, call at once."""
    context = multiprocessing.get_context("spawn")
    barrier, took = context.Barrier(CONNECTIONS), context.Queue()
    workers = [
        context.Process(target=_take_part, args=(make, number, barrier, took))
        for number in range(CONNECTIONS)
    ]
    for worker in workers:
        worker.start()
    spans = [took.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    return (max(end for _, end in spans) - min(begin for begin, _ in spans)) / (CONNECTIONS * CALLS_EACH)


def _take_part(make: Callable[[int], Call], number: int, barrier: Any, took: Any) -> None:
    import django

    django.setup()
    call = make(number)
    call()
    barrier.wait()
    began = time.time()
    for _ in range(CALLS_EACH):
        call()
    took.put((began, time.time()))
