"""Two months of trading before the demo's own cycles: round trips of each session, and the account at its close.

Market time of the demo's prices is years ago; what is wall time is as long before now as the market's is.
"""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

SESSIONS, A_SESSION = 60, 3
AT_THE_END = Decimal(100_000)  # what the venue's account begins with
SYMBOLS = {"AAPL": 226, "MSFT": 431, "NVDA": 128, "AMZN": 189, "JPM": 214, "XOM": 117, "KO": 63, "COST": 884}
REASONS = {
    "take_profit": (0.8, 4.5),
    "signal": (-0.9, 1.6),
    "stop_loss": (-3.2, -0.8),
    "time_stop": (-0.6, 0.9),
}
CENT = Decimal("0.01")
MODEL = "builtin/technical-v1"
WHY = (
    "It trades above both averages, momentum is rising and volume confirms it; the last headlines are kind. A close"
    " below the short average would end the case."
)


def trade_the_past(now: datetime) -> None:
    """Write it, ended before ``now`` (market time)."""
    from django.utils import timezone

    from tests import factories as make
    from trading.market.exchange_calendar import session_closes
    from trading.models import BookCheck
    from trading.performance.lots import rebuild

    since = timezone.now() - now
    chance = random.Random(15)
    closes = session_closes((now - timedelta(days=2 * SESSIONS)).date(), now.date())
    ends = [closes_at for _, closes_at in closes if closes_at < now][-SESSIONS:]
    earned = [_session(ends, place, since, chance) for place in range(len(ends))]
    equity = AT_THE_END - sum(earned)
    BookCheck.objects.update(
        opened_at=ends[0] - timedelta(days=7), opening_equity=equity, opening_cash=equity
    )
    rebuild(SYMBOLS)
    for closes_at, profit in zip(ends, earned, strict=True):
        before, equity = equity, equity + profit
        make.make_equity(
            equity=equity,
            session_start_equity=before,
            cash=equity * Decimal("0.6"),
            buying_power=equity * Decimal("1.2"),
            market_time=closes_at,
            created_at=closes_at + since,
            sync_sequence=None,
        )


def _session(ends: list[datetime], place: int, since: timedelta, chance: random.Random) -> Decimal:
    """Trade a session's round trips, which opened up to five sessions before; return what they earned, USD."""
    from tests import factories as make

    opened = ends[max(0, place - chance.randint(0, 5))] - timedelta(hours=chance.randint(1, 5), minutes=7)
    symbols = chance.sample(list(SYMBOLS), chance.randint(1, A_SESSION))
    cycle = make.make_cycle(
        started_at=opened + since,
        stage_at=opened + since,
        deadline_at=opened + since,
        market_time=opened,
        trigger="schedule",
        symbols=list(SYMBOLS),
        metrics={"decisions_count": len(SYMBOLS), "trades_count": len(symbols), "error_count": 0},
    )
    return sum((_trip(cycle, symbol, ends[place], since, chance) for symbol in symbols), Decimal(0))


def _trip(cycle: Any, symbol: str, closes_at: datetime, since: timedelta, chance: random.Random) -> Decimal:
    from tests import factories as make
    from trading.models import Strategy

    strategy = Strategy.objects.trading().get()
    price = Decimal(f"{SYMBOLS[symbol] * chance.uniform(0.93, 1.05):.2f}")
    decision = make.make_decision(
        cycle=cycle,
        strategy=strategy,
        strategy_version=1,
        symbol=symbol,
        confidence=Decimal(f"{chance.choice((0.62, 0.68, 0.74, 0.81, 0.88)):.2f}"),
        price=price,
        model=MODEL,
        status="executed",
        stages="ccccccc",
        reasoning=WHY,
        as_of=cycle.market_time,
        created_at=cycle.started_at,
        settled_at=cycle.started_at,
    )
    reason = chance.choices(list(REASONS), weights=(30, 40, 20, 10))[0]
    moved = Decimal(f"{chance.uniform(*REASONS[reason]) / 100:.5f}")
    quantity = Decimal(int(3000 / price) or 1)
    left = (price * (1 + moved)).quantize(CENT)
    sold_at = closes_at - timedelta(minutes=chance.randint(1, 45))
    _filled(decision, "buy", "entry", quantity, price, cycle.market_time, since)
    _filled(decision, "sell", "exit", quantity, left, sold_at, since, exit_reason=reason)
    return (left - price) * quantity


def _filled(
    decision: Any,
    side: str,
    purpose: str,
    quantity: Decimal,
    price: Decimal,
    at: datetime,
    since: timedelta,
    **more: Any,
) -> None:
    """Write an order that filled whole, with its execution and its trade, which is not in the lots yet."""
    from tests import factories as make
    from trading.models import Order

    order = make.make_order(
        decision=decision,
        side=side,
        purpose=purpose,
        symbol=decision.symbol,
        quantity=quantity,
        reference_price=price,
        status="filled",
        filled_quantity=quantity,
        booked_quantity=quantity,
        average_price=price,
        submitted_at=at + since,
        ended_at=at + since,
        **more,
    )
    Order.objects.filter(pk=order.pk).update(
        created_at=at + since
    )  # the column fills itself in at the insert
    make.make_fill(order=order, executed_at=at)
    earned = (price - decision.price) * quantity if side == "sell" else None
    moments = {"traded_at": at, "booked_at": at + since}
    make.make_trade(order=order, strategy=decision.strategy, realised_pnl=earned, **moments, **more)
