"""Bring resting stops to the position's price: one that follows the market upwards, in steps, or a person's."""

from decimal import ROUND_DOWN, Decimal

import structlog

from connectors.base import BrokerOrder, OrderType
from connectors.errors import RejectedError
from trading.core.providers import current_providers
from trading.domain.order_ids import Purpose, client_order_id
from trading.domain.performance.exit_reasons import ExitReason
from trading.domain.protection.plans import COIN_TICK, raised_stop, tick_at
from trading.domain.symbols import is_coin
from trading.models import Order, Position
from trading.orders.execution_reports import record_broker_order, record_reported
from trading.orders.legs import take_legs
from trading.protection.coverage import Coverage

log = structlog.get_logger(__name__)
STEP_PERCENT = Decimal("0.5")  # so that not every tick is a request
COIN_LIMIT_SHARE = Decimal("0.98")  # of the stop: a coin's stop needs a limit, which a fall may not jump over


def follow_price(position: Position) -> Position:
    """Raise the price at which a position with a trailing stop is sold, where it has earned it; return it."""
    if position.trailing_percent is None or position.highest_price is None:
        return position
    tick = tick_at(position.highest_price, is_coin=is_coin(position.symbol))
    raised = raised_stop(
        position.stop_price,
        highest_price=position.highest_price,
        trailing_percent=position.trailing_percent,
        step_percent=STEP_PERCENT,
        tick=tick,
    )
    if raised is not None:
        Position.objects.filter(pk=position.pk, stop_price=position.stop_price).update(stop_price=raised)
        position.refresh_from_db()
    return position


def move_stops(position: Position, coverage: Coverage, *, price: Decimal) -> bool:
    """Give one stop that is not where the position's belongs another price; return False where it was not taken.

    One that follows the price is only raised; where a person has moved the position's, all stand at that. Otherwise
    each stays where its entry put it. Where the price is past it already the broker takes none: it is sold
    (``watching``).

    Args:
        price: of a unit as it was last read, USD.

    Raises:
        ConnectorError: the broker did not take it; the next round looks at what became of it.
    """
    wanted = position.stop_price
    if (
        wanted is None
        or price <= wanted
        or (position.trailing_percent is None and not position.stop_moved_by)
    ):
        return True
    for order in coverage.stops:
        if order.stop_price is None or order.stop_price == wanted:
            continue
        if order.stop_price < wanted or position.stop_moved_by:
            return _replace(order, wanted)
    return True


def _replace(order: Order, stop_price: Decimal) -> bool:
    assert order.broker_order_id is not None  # noqa: S101 - a stop that rests has one
    limit = limit_of(stop_price) if order.order_type == OrderType.STOP_LIMIT else None
    number = Order.objects.filter(client_order_id__startswith=f"{order.pk}-").count()
    broker, is_taken = current_providers().broker, False
    try:
        placed = broker.replace_order(
            order.broker_order_id,
            client_order_id=client_order_id(order.pk, Purpose.STOP_LOSS, number),
            stop_price=stop_price,
            limit_price=limit,
        )
    except RejectedError as error:  # it has ended meanwhile, or the price is past it
        log.info("stop_not_moved", symbol=order.symbol, error=str(error))
    else:
        is_taken = True
        take_successor(order, placed)
        log.info("stop_moved", symbol=order.symbol, before=str(order.stop_price), after=str(stop_price))
    reported = broker.order(order.broker_order_id)
    if reported is not None:
        record_broker_order(order, reported)
    return is_taken


def take_successor(order: Order, placed: BrokerOrder) -> None:
    """Take the order that takes another's place into the book; one that bears a name of ours is a stop we moved."""
    follows = Position.objects.filter(pk=order.symbol, trailing_percent__isnull=False)
    for row, said in take_legs(order.parent_order or order, [placed]):
        record_reported(row, said, [])
        if placed.client_order_id.startswith(f"{order.pk}-") and follows.exists():
            Order.objects.filter(pk=row.pk, exit_reason="").update(exit_reason=ExitReason.TRAILING_STOP)


def limit_of(stop_price: Decimal) -> Decimal:
    """Return the limit of a coin's stop, in USD."""
    return (stop_price * COIN_LIMIT_SHARE).quantize(COIN_TICK, ROUND_DOWN)
