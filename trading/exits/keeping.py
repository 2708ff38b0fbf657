"""Keep what is held protected at the broker: a stop, and a target where there is one, for exactly what is held.

An entry brings its own protection with it. What this adds is what no entry can: after a part fill, a sale of a part, a
split, an order that somebody cancelled, and for what was bought elsewhere. One process at a time does a round; each
step is a row first and a request then, so a round that was cut off is gone on with by the next.
"""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from functools import partial
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from connectors.base import OrderClass, OrderType
from connectors.errors import ConnectorError
from trading.core import transitions
from trading.core.process_lock import only_one
from trading.core.providers import current_providers
from trading.domain.ages import is_fresh
from trading.domain.order_ids import PROTECTIVE, Purpose, client_order_id, protection_base
from trading.domain.statuses import OrderStatus
from trading.domain.symbols import is_coin
from trading.errors import TradingError
from trading.exits import raising
from trading.exits.held import Held, read_held
from trading.exits.planning import settle_plan
from trading.models import AgentStatus, Order, Position
from trading.orders import resting
from trading.orders.execution_reports import learn_of_legs, record_broker_order
from trading.orders.submission import UNSENT, submit_order
from trading.protection.coverage import Coverage, left_of

log = structlog.get_logger(__name__)
ROUND = "protection"
PAUSE_AFTER_REFUSAL = timedelta(seconds=30)
REPLACED_LATELY = timedelta(minutes=10)
SETTLES_WITHIN = timedelta(seconds=20)  # after its order's end a position is in the stored ones
NINE_DIGITS = Decimal("1e-9")
PAUSE_SECONDS = 5.0


class Keeper:
    """What a process keeps between its rounds: of which positions nothing can be done for a moment."""

    def __init__(self) -> None:
        self._paused_until: dict[str, float] = {}  # steady seconds

    def keep(self) -> None:
        """Do one round: bring what rests at the broker to what is held, a step for each position.

        Nothing is posted while the kill switch is engaged. What fails for one position takes no other with it.
        """
        with only_one(ROUND) as is_mine:
            if not is_mine:
                return
            held = read_held()
            if held.are_legs_unknown:
                _try("all", lambda: learn_of_legs(current_providers().broker))
                held = read_held()
            for symbol in self._due(held):
                theirs = held.coverage.get(symbol, Coverage())
                _try(symbol, partial(self._keep, symbol, held.positions.get(symbol), theirs))

    def has_work(self, held: Held) -> bool:
        """Return whether a round may have anything to do, by what has just been read."""
        return held.are_legs_unknown or bool(self._due(held))

    def _due(self, held: Held) -> list[str]:
        """Return the symbols to see to; none while the kill switch is engaged."""
        if held.is_switch_engaged:
            return []
        now = time.monotonic()
        known = (held.positions.keys() | held.coverage.keys()) - held.busy
        return sorted(symbol for symbol in known if now >= self._paused_until.get(symbol, now))

    def _keep(self, symbol: str, position: Position | None, coverage: Coverage) -> None:
        is_at_rest = True
        if position is None:
            is_at_rest = _end_orphans(symbol, coverage)
        elif _can_be_kept(position):
            is_at_rest = _keep_position(position, coverage)
        if not is_at_rest:
            self._paused_until[symbol] = time.monotonic() + PAUSE_SECONDS


def _try(symbol: str, act: Callable[[], object]) -> None:
    try:
        act()
    except (ConnectorError, TradingError) as error:
        log.warning("protection_waits", symbol=symbol, error_type=type(error).__name__, error=str(error))
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        log.exception("protection_failed", symbol=symbol)


def _can_be_kept(position: Position) -> bool:
    return position.quantity > 0 and position.market_value is not None and position.market_value > 0


def _keep_position(position: Position, coverage: Coverage) -> bool:
    """Make one step; return False where none can be made now, so that nobody is asked again each second."""
    assert position.market_value is not None  # noqa: S101 - see _can_be_kept
    price = position.market_value / position.quantity
    try:
        position = raising.follow_price(settle_plan(position, price=price))
    except Position.DoesNotExist:  # sold since this round has read it
        return True
    if _is_of_before_a_split(position, coverage, price):
        log.info("protection_renewed", symbol=position.symbol, held=str(position.quantity), price=str(price))
        return not resting.take_away([position.symbol], broker=current_providers().broker)
    wanted, stopped = protectable(position), coverage.stopped()
    pending = next((order for order in coverage.orders if order.status in UNSENT), None)
    if stopped == wanted and pending is None:
        return raising.move_stops(position, coverage, price=price)
    if _was_refused_just_now(position):
        return False
    if _look_anew(position.symbol, coverage):
        return True  # the next round decides by what the broker has just said
    if stopped > wanted:
        log.info("protection_renewed", symbol=position.symbol, held=str(position.quantity))
        return not resting.take_away([position.symbol], broker=current_providers().broker)
    order = pending or _new_order(position, wanted - stopped, price)
    if order is None:
        return False
    submit_order(order.pk)
    return True


def _is_of_before_a_split(position: Position, coverage: Coverage, price: Decimal) -> bool:
    """Return whether an order rests since before the position's last split, on the wrong side of the price.

    The broker leaves the parts of brackets as they are, and books a split before the open, at which they would sell.
    """
    split_at = position.split_at
    if split_at is None:
        return False
    return any(_would_sell(order, price) for order in coverage.at_the_broker if order.created_at < split_at)


def _would_sell(order: Order, price: Decimal) -> bool:
    if order.purpose == Purpose.STOP_LOSS:
        return order.stop_price is not None and price <= order.stop_price
    return order.limit_price is not None and price >= order.limit_price


def protectable(position: Position) -> Decimal:
    """Return how much of a position an order that rests at the broker can sell: of stocks whole shares."""
    if is_coin(position.symbol):
        return position.quantity.quantize(NINE_DIGITS, ROUND_DOWN)
    return position.quantity.to_integral_value(ROUND_DOWN)


def _look_anew(symbol: str, coverage: Coverage) -> bool:
    """Ask how the orders stand that seem not to fit; return whether one had changed, or one was met anew."""
    broker, has_changed = current_providers().broker, False
    for order in (*coverage.at_the_broker, *_lately_replaced(symbol)):
        assert order.broker_order_id is not None  # noqa: S101 - both have one
        reported = broker.order(order.broker_order_id)
        if reported is None:
            continue
        now = record_broker_order(order, reported)
        has_changed |= (now.status, left_of(now)) != (order.status, left_of(order))
        successor = reported.replaced_by
        if successor and not Order.objects.filter(broker_order_id=successor, purpose__in=PROTECTIVE).exists():
            placed = broker.order(successor)
            if placed is not None:
                raising.take_successor(order, placed)
                has_changed = True
    return has_changed


def _lately_replaced(symbol: str) -> list[Order]:
    """Return those whose successor may not be known: whoever replaced them was cut off."""
    since = timezone.now() - REPLACED_LATELY
    gone = Order.objects.filter(
        symbol=symbol, purpose__in=PROTECTIVE, status=OrderStatus.REPLACED, ended_at__gt=since
    )
    return list(gone.exclude(broker_order_id=None))


def _was_refused_just_now(position: Position) -> bool:
    """Return whether the last order that was to protect it never rested: the broker refused it, or had nothing free."""
    theirs = Order.objects.filter(client_order_id__startswith=str(_base(position)))
    last = theirs.order_by("-created_at").first()
    if last is None or last.is_open:
        return False
    never_rested = last.status in (OrderStatus.REJECTED, OrderStatus.FAILED) or last.acknowledged_at is None
    return never_rested and is_fresh(last.ended_at, timezone.now(), PAUSE_AFTER_REFUSAL)


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
        transitions.record_created(
            order, quantity=str(quantity), price=str(order.limit_price if has_target else stop)
        )
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
    return {"order_type": OrderType.STOP_LIMIT, "stop_price": stop, "limit_price": raising.limit_of(stop)}


def _base(position: Position) -> UUID:
    return protection_base(position.symbol, position.opened_at)


def _end_orphans(symbol: str, coverage: Coverage) -> bool:
    """See to what rests for a position that is gone; return False where nothing can be done now.

    How it stands is asked at once, for it may be what has sold; so is what became of one on its way. It is taken away
    once it is sure that the position is not about to be there.
    """
    for order in [order for order in coverage.orders if order.status in UNSENT]:
        submit_order(order.pk)  # looked up, and ended where nothing is available
    if _look_anew(symbol, coverage):
        return True
    as_of = AgentStatus.objects.values_list("positions_as_of", flat=True).get(pk=1)
    newest = max((order.created_at for order in coverage.orders), default=timezone.now())
    if as_of is None or as_of - newest < SETTLES_WITHIN:
        return False
    return not resting.take_away([symbol], broker=current_providers().broker)
