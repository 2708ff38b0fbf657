"""Keep what is held protected at the broker: a stop, and a target where there is one, for exactly what is held.

An entry brings its own protection with it. What this adds is what no entry can: after a part fill, a sale of a part, a
split, an order that somebody cancelled, and for what was bought elsewhere. One process at a time does a round; each
step is a row first and a request then, so a round that was cut off is gone on with by the next.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal

import structlog
from django.db import transaction
from django.utils import timezone

from connectors.base import OrderClass, OrderType
from connectors.errors import ConnectorError, RejectedError
from risk.domain.numbers import ZERO
from risk.services import switch
from trading.core import transitions
from trading.core.process_lock import only_one
from trading.core.providers import current_providers
from trading.domain.ages import is_fresh
from trading.domain.order_ids import Purpose, client_order_id, protection_base
from trading.domain.protection.plans import tick_at
from trading.domain.statuses import OrderStatus
from trading.domain.symbols import is_coin
from trading.errors import TradingError
from trading.exits.planning import settle_plan
from trading.models import AgentStatus, Order, Position
from trading.orders import resting
from trading.orders.execution_reports import record_broker_order
from trading.orders.submission import UNSENT, submit_order
from trading.protection.coverage import Coverage, left_of, read_coverage

log = structlog.get_logger(__name__)
ROUND = "protection"
PAUSE_AFTER_REFUSAL = timedelta(seconds=30)
SETTLES_WITHIN = timedelta(seconds=20)  # after its order's end a position is in the stored ones
COIN_LIMIT_SHARE = Decimal("0.98")  # of the stop: a coin's stop needs a limit, which a fall may not jump over
NINE_DIGITS = Decimal("1e-9")


def keep_protected() -> None:
    """Do one round: bring what rests at the broker to what is held, a step for each position.

    Nothing is posted while the kill switch is engaged. What fails for one position takes no other with it.
    """
    with only_one(ROUND) as is_mine:
        if not is_mine:
            return
        coverage = read_coverage()
        positions = {position.symbol: position for position in Position.objects.all()}
        if not switch.is_engaged():
            busy = _busy_symbols()
            for symbol in sorted(positions.keys() | coverage.keys()):
                if symbol not in busy:
                    _keep(symbol, positions.get(symbol), coverage.get(symbol, Coverage()))


def _keep(symbol: str, position: Position | None, coverage: Coverage) -> None:
    try:
        if position is None:
            _end_orphans(coverage)
        elif _can_be_kept(position):
            _keep_position(position, coverage)
    except (ConnectorError, TradingError) as error:
        log.warning("protection_waits", symbol=symbol, error_type=type(error).__name__, error=str(error))
    except Exception:
        log.exception("protection_failed", symbol=symbol)


def _busy_symbols() -> frozenset[str]:
    """Return the symbols whose position is about to change by an order of ours that has not ended."""
    under_way = Order.objects.open().filter(purpose__in=[Purpose.ENTRY, Purpose.EXIT, Purpose.FLATTEN])
    return frozenset(under_way.values_list("symbol", flat=True))


def _can_be_kept(position: Position) -> bool:
    return position.quantity > 0 and position.market_value is not None and position.market_value > 0


def _keep_position(position: Position, coverage: Coverage) -> None:
    assert position.market_value is not None  # noqa: S101 - see _can_be_kept
    price = position.market_value / position.quantity
    position = settle_plan(position, price=price)
    wanted, stopped = protectable(position), coverage.stopped()
    if stopped == wanted and not any(order.status in UNSENT for order in coverage.orders):
        return
    if _look_anew(coverage):
        return  # the next round decides by what the broker has just said
    if stopped > wanted:
        left = resting.take_away([position.symbol], broker=current_providers().broker)
        log.info("protection_renewed", symbol=position.symbol, held=str(position.quantity), still_open=len(left))
        return
    pending = next((order for order in coverage.orders if order.status in UNSENT), None)
    if pending is None and (wanted <= stopped or _was_refused_just_now(position)):
        return
    order = pending or _new_order(position, wanted - stopped, price)
    if order is not None:
        submit_order(order.pk)


def protectable(position: Position) -> Decimal:
    """Return how much of a position an order that rests at the broker can sell: of stocks whole shares."""
    if is_coin(position.symbol):
        return position.quantity.quantize(NINE_DIGITS, ROUND_DOWN)
    return position.quantity.to_integral_value(ROUND_DOWN)


def _look_anew(coverage: Coverage) -> bool:
    """Ask how the orders stand that seem not to fit; return whether one had changed."""
    broker, has_changed = current_providers().broker, False
    for order in coverage.at_the_broker:
        assert order.broker_order_id is not None  # noqa: S101 - see at_the_broker
        reported = broker.order(order.broker_order_id)
        if reported is not None:
            now = record_broker_order(order, reported)
            has_changed |= (now.status, left_of(now)) != (order.status, left_of(order))
    return has_changed


def _was_refused_just_now(position: Position) -> bool:
    theirs = Order.objects.filter(client_order_id__startswith=str(_base(position)))
    last = theirs.order_by("-created_at").first()
    is_refusal = last is not None and last.status in (OrderStatus.REJECTED, OrderStatus.FAILED)
    return is_refusal and is_fresh(last.ended_at, timezone.now(), PAUSE_AFTER_REFUSAL)  # type: ignore[union-attr]


def _new_order(position: Position, quantity: Decimal, price: Decimal) -> Order | None:
    """Write down the order that protects ``quantity`` more; None where the price is past its stop or target already.

    Both at once for a stock: two orders that cancel each other. A coin has a stop alone, with a limit.
    """
    stop, target = position.stop_price, position.target_price
    if stop is None or price <= stop or (target is not None and price >= target):
        return None  # not for an order that rests: it is sold at once (``watching``)
    coin = is_coin(position.symbol)
    has_target = target is not None and not coin
    purpose = Purpose.TAKE_PROFIT if has_target else Purpose.STOP_LOSS
    base = _base(position)
    number = Order.objects.filter(client_order_id__startswith=f"{base}-{purpose}-").count()
    with transaction.atomic():
        order = Order.objects.create(
            client_order_id=client_order_id(base, purpose, number),
            symbol=position.symbol,
            side="sell",
            purpose=purpose,
            quantity=quantity,
            reference_price=price,
            time_in_force="gtc",
            **_kind(stop, target if has_target else None, coin=coin),
        )
        transitions.record_created(order, symbol=order.symbol, side="sell", quantity=str(quantity))
    return order


def _kind(stop: Decimal, target: Decimal | None, *, coin: bool) -> Mapping[str, object]:
    if target is not None:
        return {
            "order_type": OrderType.LIMIT,
            "limit_price": target,
            "order_class": OrderClass.ONE_CANCELS_OTHER,
            "take_profit_price": target,
            "stop_loss_price": stop,
        }
    if not coin:
        return {"order_type": OrderType.STOP, "stop_price": stop}
    tick = tick_at(stop, is_coin=True)
    limit = (stop * COIN_LIMIT_SHARE).quantize(tick, ROUND_DOWN)
    return {"order_type": OrderType.STOP_LIMIT, "stop_price": stop, "limit_price": limit}


def _base(position: Position) -> object:
    return protection_base(position.symbol, position.opened_at)


def _end_orphans(coverage: Coverage) -> None:
    """Take away what rests for a position that is gone, once it is sure that it is not about to be there."""
    as_of = AgentStatus.objects.values_list("positions_as_of", flat=True).get(pk=1)
    newest = max((order.created_at for order in coverage.orders), default=timezone.now())
    if as_of is None or as_of - newest < SETTLES_WITHIN or _look_anew(coverage):
        return
    for symbol in {order.symbol for order in coverage.orders}:
        try:
            resting.take_away([symbol], broker=current_providers().broker)
        except RejectedError as error:
            log.warning("orphan_stays", symbol=symbol, error=str(error))
