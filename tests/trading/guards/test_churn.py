"""A model that sells what it holds and buys it again, a minute apart: with the guards it orders far less."""

from collections import Counter

from tests.factories import make_strategy, switch_guards_off
from tests.trading.guards.scenes import market_ago
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, all_advanced_to_their_end, open_cycle, wish
from trading.execution.decision_execution import execute_batch
from trading.models import AIDecision, Cycle, Order, Position, Strategy, Trade

SYMBOLS = (STOCK, OTHER_STOCK)
MINUTES = 20


def flipped(account: Outside, strategy: Strategy) -> int:
    """Sell what is held, else buy it, a minute of market time apart; return how many orders were made of it.

    From a session's begin: over a close the minutes between two cycles are a night.
    """
    account.venue.clock(to="open")
    for _ in range(MINUTES):
        cycle = open_cycle(symbols=list(SYMBOLS))
        held = set(Position.objects.values_list("symbol", flat=True))
        wanted = {symbol: "sell" if symbol in held else "buy" for symbol in SYMBOLS}
        decisions = [
            wish(symbol, action, cycle=cycle, strategy=strategy) for symbol, action in wanted.items()
        ]
        execute_batch([decision.pk for decision in decisions])
        all_advanced_to_their_end()
        Cycle.objects.open().update(status="completed", stage="ended", ended_at=ago(seconds=0))
        account.venue.clock(advance=60)
    return Order.objects.exclude(purpose="external").count()


def test_guards_turn_a_flip_a_minute_into_one_round_trip(account: Outside) -> None:
    """Held for 15 minutes, then sold, then not bought for 30: one round trip in 20 minutes instead of ten."""
    orders = flipped(account, make_strategy(size_percent=2))

    assert orders == 2 * len(SYMBOLS)
    denied = Counter(AIDecision.objects.filter(status="denied").values_list("reason", flat=True))
    assert set(denied) == {"minimum_hold", "cooldown_period"}
    assert denied.total() == (MINUTES - 2) * len(SYMBOLS)
    assert denied["minimum_hold"] >= 14 * len(SYMBOLS)
    for symbol in SYMBOLS:
        entry, exit_ = Trade.objects.filter(symbol=symbol).order_by("traded_at")
        assert (exit_.traded_at - entry.traded_at).total_seconds() >= 900
        assert exit_.traded_at < market_ago(seconds=0)


def test_without_guards_every_flip_is_an_order(account: Outside) -> None:
    switch_guards_off()

    assert flipped(account, make_strategy(size_percent=2)) == MINUTES * len(SYMBOLS)
