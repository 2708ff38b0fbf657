"""What ``PATCH /v2/orders/{id}`` may change of an order (docs.alpaca.markets, "Replace an Order")."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from connectors.venue.errors import bad_parameter
from connectors.venue.paper.book import OrderBook
from connectors.venue.paper.classes import Levels, check_levels, check_stop
from connectors.venue.paper.entry import TIMES_IN_FORCE, read_client_order_id
from connectors.venue.paper.fields import PRICES_OF, read_amount, read_percent, read_price
from connectors.venue.paper.funds import reserve_at
from connectors.venue.paper.matching import trailing_stop
from connectors.venue.paper.orders import ENTRY, STOP_LOSS, TAKE_PROFIT, Order
from connectors.venue.world.model import Instrument

REPLACEABLE_STATUSES = frozenset({"new", "partially_filled", "held"})
_STOPS = frozenset({"stop", "stop_limit"})


@dataclass(frozen=True, slots=True)
class Change:
    """What an order is to become; None leaves a field as it is. ``trail`` in the unit it was given in at first."""

    client_order_id: str
    quantity: Decimal | None
    time_in_force: str | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail: Decimal | None


def read_change(body: Mapping[str, object], order: Order, instrument: Instrument) -> Change:
    """Read a replacement of ``order``.

    Raises:
        ApiError: 422, for what makes no sense or may not be changed of it.
    """
    if order.status == "replaced":
        raise bad_parameter("order already replaced")
    if order.status not in REPLACEABLE_STATUSES:
        raise bad_parameter(f"cannot replace order in {order.status} status")
    if order.notional is not None:
        raise bad_parameter("notional orders cannot be replaced")
    is_crypto = instrument.is_crypto
    by_percent = order.trail_percent is not None
    change = Change(
        read_client_order_id(body),
        read_amount(body, "qty"),
        _time_in_force(body, instrument),
        read_price(body, "limit_price", is_crypto=is_crypto),
        read_price(body, "stop_price", is_crypto=is_crypto),
        read_percent(body, "trail") if by_percent else read_price(body, "trail", is_crypto=is_crypto),
    )
    _check_names(change, order)
    _check_quantity(change, order, instrument)
    return change


def make_replacement(change: Change, order: Order, price: Decimal, at: int, ordinal: int) -> Order:
    """Return the order that is to take the place of ``order``; its quantity is what is left of the new one.

    Args:
        price: the market's, in USD.

    Raises:
        ApiError: 422, nothing is changed.
    """
    made = replace(
        order,
        order_id=str(uuid.uuid4()),
        client_order_id=change.client_order_id,
        quantity=(change.quantity or order.quantity or Decimal(0)) - order.filled_quantity,
        time_in_force=change.time_in_force or order.time_in_force,
        limit_price=change.limit_price or order.limit_price,
        stop_price=change.stop_price or order.stop_price,
        status="pending_new",
        submitted_at=at,
        updated_at=at,
        ordinal=ordinal,
        filled_quantity=Decimal(0),
        gross=Decimal(0),
        filled_before=order.filled_quantity,
        is_live=False,
        replaces=order.order_id,
    )
    if change.trail is not None and order.trail_percent is not None:
        made.trail_percent = change.trail
    elif change.trail is not None:
        made.trail_price = change.trail
    if made.order_type == "trailing_stop":
        made.stop_price = trailing_stop(made)
    if _terms(made, (made.quantity or Decimal(0)) + order.filled_quantity) == _terms(order, order.quantity):
        raise bad_parameter("order parameters are not changed")
    made.reserve_price = reserve_at(made.side, made.quantity, made.limit_price, made.stop_price, price)
    return made


def check_replacement(made: Order, old: Order, book: OrderBook, price: Decimal) -> None:
    """Refuse prices that an order of this kind could not have been entered with.

    Raises:
        ApiError: 422.
    """
    if old.group_id is None:
        if made.order_type in _STOPS and made.stop_price is not None and made.waits_for_stop:
            check_stop(made.side, made.stop_price, price)
        return
    members = {one.role: one for one in book.group(old) if one.is_open} | {made.role: made}
    target, stop = members.get(TAKE_PROFIT), members.get(STOP_LOSS)
    levels = Levels(
        None if target is None else target.limit_price,
        None if stop is None else stop.stop_price,
        None if stop is None else stop.limit_price,
    )
    entry = members.get(ENTRY)
    if entry is not None:  # what the entry is to cost says where the exits may stand
        check_levels(entry.order_class, levels, entry.limit_price or price, price)
    else:  # the position is there: only the stop must not have been reached
        base = price if levels.target is None else levels.target
        check_levels("oco", levels, base, price)


def _time_in_force(body: Mapping[str, object], instrument: Instrument) -> str | None:
    given = body.get("time_in_force")
    if given is None or given == "":
        return None
    if given not in TIMES_IN_FORCE[instrument.is_crypto] or given == "ioc":
        raise bad_parameter("invalid time_in_force")
    return str(given)


def _check_names(change: Change, order: Order) -> None:
    known = PRICES_OF[order.order_type]
    for name in ("limit_price", "stop_price"):
        if getattr(change, name) is not None and name not in known:
            raise bad_parameter(f"{order.order_type} orders require no {name}")
    if change.trail is not None and order.order_type != "trailing_stop":
        raise bad_parameter(f"{order.order_type} orders require no trail")


def _check_quantity(change: Change, order: Order, instrument: Instrument) -> None:
    asked, present = change.quantity, order.quantity or Decimal(0)
    if change.time_in_force not in (None, order.time_in_force) and order.group_id is not None:
        raise bad_parameter("time_in_force cannot be changed for advanced orders")
    if asked is None or asked == present:
        return
    if order.group_id is not None:
        raise bad_parameter("qty cannot be changed for advanced orders")
    is_whole = asked == asked.to_integral_value() and present == present.to_integral_value()
    if not instrument.is_crypto and not is_whole:
        raise bad_parameter("qty of fractional orders cannot be changed")
    if asked <= order.filled_quantity:
        raise bad_parameter("qty must be > filled_qty")


def _terms(order: Order, quantity: Decimal | None) -> tuple[object, ...]:
    stop = order.stop_price if order.order_type != "trailing_stop" else None
    prices = order.limit_price, stop, order.trail_price, order.trail_percent
    return (quantity, order.time_in_force, *prices)
