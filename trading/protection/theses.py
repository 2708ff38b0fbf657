"""Theses: frozen where an entry's trade is booked, ended where its position is gone."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from risk.domain.numbers import HUNDRED
from trading.core.statements.new_rows import new
from trading.core.statements.written_rows import insert_rows
from trading.domain.ages import is_fresh
from trading.domain.order_ids import Purpose
from trading.domain.performance.exit_reasons import ExitReason, exit_reason
from trading.domain.performance.splits import split_price
from trading.domain.protection.horizons import is_against_thesis, sessions_held
from trading.domain.protection.plans import ExitPlan, tick_at
from trading.domain.symbols import is_coin
from trading.models import AccountActivity, Fill, Order, Thesis, Trade
from trading.protection.wanted import plan_for

# A broker's positions may be behind what was just bought (execution/portfolio_truth.py).
JUST_BOUGHT = timedelta(seconds=10)
_PLACES = Decimal("0.0001")
_FIRST_FILLS = """
SELECT DISTINCT ON (order_id) order_id, price, executed_at FROM fills WHERE order_id = ANY(%s)
ORDER BY order_id, executed_at, recorded_at
"""


def open_theses(trades: Iterable[Trade]) -> None:
    """Freeze what the booked entries are for, once each; call in the transaction that books them.

    When and at what price a position was entered is its first execution's: how many parts had been told when it was
    booked is chance.

    Args:
        trades: with their orders, and those with their decisions and strategies; what is no entry is passed over.
    """
    entries = [trade for trade in trades if trade.order.purpose == Purpose.ENTRY and trade.decision]
    if entries:
        with connection.cursor() as cursor:
            cursor.execute(_FIRST_FILLS, [[trade.order_id for trade in entries]])
            first = {order_id: began for order_id, *began in cursor.fetchall()}
        insert_rows(
            [
                _thesis_of(trade, *first.get(trade.order.pk, (trade.price, trade.traded_at)))
                for trade in entries
            ],
            ignore_conflicts=True,
        )


def _thesis_of(trade: Trade, entry: Decimal, opened_at: datetime) -> Thesis:
    decision = trade.decision
    assert decision is not None  # noqa: S101 - an entry's trade has one
    plan = plan_for(decision, entry)
    stop, target = _levels(trade.order, plan, entry)
    return new(
        Thesis,
        decision_id=decision.pk,
        order_id=trade.order_id,
        strategy_id=decision.strategy_id,
        strategy_version=decision.strategy_version,
        symbol=trade.symbol,
        reasoning=decision.reasoning,
        invalidation=decision.invalidation,
        horizon_sessions=plan.last_session_count if plan is not None else decision.horizon_sessions,
        entry_price=entry,
        stop_percent=_percent(entry, stop),
        target_percent=_percent(entry, target),
        stop_price=stop,
        target_price=target,
        opened_at=opened_at,
    )


def _levels(order: Order, plan: ExitPlan | None, entry: Decimal) -> tuple[Decimal | None, Decimal | None]:
    """Return stop and target: those the order brought, as far as it was filled between them, else the plan's."""
    stop, target = order.stop_loss_price, order.take_profit_price
    if stop is None and plan is not None:
        stop, target = plan.stop_price, plan.target_price
    return (
        stop if stop is not None and stop < entry else None,
        target if target is not None and target > entry else None,
    )


def _percent(entry: Decimal, price: Decimal | None) -> Decimal | None:
    """Return how far a price is from the entry, in percent of that."""
    return None if price is None else (abs(price - entry) / entry * HUNDRED).quantize(_PLACES)


def open_theses_of(symbols: Collection[str]) -> dict[str, list[Thesis]]:
    """Return the open theses of these symbols by symbol, the newest first, with their strategies."""
    found: dict[str, list[Thesis]] = {}
    if symbols:
        for thesis in Thesis.objects.open().filter(symbol__in=symbols).select_related("strategy"):
            found.setdefault(thesis.symbol, []).append(thesis)
    return {symbol: in_units_of_now(theses) for symbol, theses in found.items()}


def in_units_of_now(theses: Sequence[Thesis]) -> list[Thesis]:
    """Return theses of one symbol with their prices as splits since have made them; what is frozen stays as it is."""
    if not theses:
        return []
    splits = AccountActivity.objects.filter(kind=AccountActivity.Kind.SPLIT, symbol=theses[0].symbol)
    for happened_at, ratio in splits.values_list("happened_at", "price"):
        for thesis in theses:
            if thesis.opened_at < happened_at:
                _split(thesis, ratio)
    return list(theses)


def _split(thesis: Thesis, ratio: Decimal) -> None:
    stop, target = thesis.stop_price, thesis.target_price
    thesis.entry_price = entry = thesis.entry_price / ratio
    tick = tick_at(entry, is_coin=False)
    thesis.stop_price = None if stop is None else split_price(stop, ratio, tick=tick)
    thesis.target_price = None if target is None else split_price(target, ratio, tick=tick, up=True)


def goes_against(thesis: Thesis, *, price: Decimal | None, now: datetime) -> bool:
    """Return whether a sale at ``price`` goes against the thesis at market time ``now``."""
    return is_against_thesis(
        price=price,
        stop_price=thesis.stop_price,
        target_price=thesis.target_price,
        horizon_sessions=thesis.horizon_sessions,
        held=sessions_held(thesis.opened_at, now, is_coin=is_coin(thesis.symbol)),
    )


def close_theses(*, symbol: str, reason: str, at: datetime, sale: Order | None = None) -> int:
    """End the open theses of a symbol whose position is gone; return how many.

    Args:
        reason: one word, such as ``stop_loss`` or ``signal``.
        at: market time.
        sale: the order that sold the last of it, None where nobody knows.
    """
    return _end(list(Thesis.objects.open().filter(symbol=symbol)), reason=reason, at=at, sale=sale)


def of_the_gone(held: Collection[str], *, sequence: int) -> QuerySet[Thesis]:
    """Return the open theses whose position a sync may no longer show: see ``close_gone``."""
    return Thesis.objects.open().filter(order__ended_sequence__lt=sequence).exclude(symbol__in=held)


def close_gone(held: Collection[str], *, sequence: int, at: datetime) -> int:
    """End the theses whose position a sync no longer shows; return how many. Call where it is stored.

    One whose entry had not ended when the sync was asked for is left to the next, and so is what was just bought.

    Args:
        held: the symbols of which some is held, or of which nobody could read it.
        sequence: the sync's place in the order of syncs; ``at`` its market time.
    """
    ended, now = of_the_gone(held, sequence=sequence), timezone.now()
    gone: dict[str, list[Thesis]] = {}
    for thesis in ended.select_related("order"):
        if not is_fresh(thesis.order.ended_at, now, JUST_BOUGHT) or _has_sold(thesis):
            gone.setdefault(thesis.symbol, []).append(thesis)
    closed = 0
    for symbol, theses in gone.items():
        sale = _last_sale(symbol, since=min(thesis.order.created_at for thesis in theses))
        reason = ExitReason.UNKNOWN
        if sale is not None:
            reason = ExitReason(exit_reason(side=sale.side, purpose=sale.purpose, said=sale.exit_reason))
        closed += _end(theses, reason=reason, at=at, sale=sale)
    return closed


def _has_sold(thesis: Thesis) -> bool:
    return _last_sale(thesis.symbol, since=thesis.order.created_at) is not None


def _last_sale(symbol: str, *, since: datetime) -> Order | None:
    """Return the order whose execution was the last to sell of the symbol since then (wall time)."""
    sold = Fill.objects.filter(order__symbol=symbol, order__side="sell", recorded_at__gte=since)
    last = sold.select_related("order__decision").order_by("-recorded_at").first()
    return last.order if last is not None else None


def _end(theses: Sequence[Thesis], *, reason: str, at: datetime, sale: Order | None) -> int:
    """End each; a model's sale says of each whether it went against it, at the price it was made for."""
    ended = 0
    for thesis in in_units_of_now(theses):
        is_models = reason == ExitReason.SIGNAL and sale is not None and sale.decision is not None
        price = sale.average_price if is_models and sale is not None else None
        against = is_models and goes_against(thesis, price=price, now=at)
        mine = Thesis.objects.filter(pk=thesis.pk, closed_at__isnull=True)
        ended += mine.update(closed_at=at, exit_reason=reason, against_thesis=against)
    return ended
