"""An order, its life, and how Alpaca writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from connectors.venue.wire import number, optional_number, stamp_micros
from connectors.venue.world.model import Instrument, stable_id

OPEN_STATUSES = frozenset({"accepted", "pending_new", "new", "partially_filled", "held", "pending_replace"})
UNCONFIRMED_STATUSES = frozenset({"accepted", "pending_new"})
ENTRY, TAKE_PROFIT, STOP_LOSS = "entry", "take_profit", "stop_loss"
STOP_TYPES = frozenset({"stop", "stop_limit", "trailing_stop"})
_NINE = Decimal("0.000000001")


@dataclass(slots=True)
class Order:
    """An order; times in epoch microseconds of market time, ``gross`` the filled value in USD.

    Exactly one of ``quantity`` (base units) and ``notional`` (USD) is set. ``reserve_price`` is what its
    hold on buying power is reckoned with. ``ordinal`` counts the orders of its symbol and side in the market second
    in which it was taken, from 0.

    Orders of a bracket, OCO or OTO share a ``group_id``, the id of the first of them; ``role`` is ``entry``,
    ``take_profit`` or ``stop_loss``, empty for a simple order. ``is_live``: a limit or a stop is looked for on the
    prices from ``active_from`` on (epoch seconds). ``is_triggered``: its stop was reached. ``high_water`` is the best
    price that a trailing stop has seen. ``filled_before``: what the order that it replaces had filled when it was sent.
    """

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal | None
    notional: Decimal | None
    time_in_force: str
    status: str
    submitted_at: int
    updated_at: int
    reserve_price: Decimal
    filled_quantity: Decimal = Decimal(0)
    gross: Decimal = Decimal(0)
    filled_at: int | None = None
    canceled_at: int | None = None
    expired_at: int | None = None
    failed_at: int | None = None
    ordinal: int = 0
    order_type: str = "market"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    high_water: Decimal | None = None
    order_class: str = ""
    group_id: str | None = None
    role: str = ""
    is_live: bool = False
    is_triggered: bool = False
    active_from: float = 0.0
    filled_before: Decimal = Decimal(0)
    replaces: str | None = None
    replaced_by: str | None = None
    replaced_at: int | None = None

    @property
    def chance(self) -> tuple[str, str, int, int]:
        """Return what its chance hangs on besides the seed: no id, which is another one in every run."""
        return self.symbol, self.side, second_of(self.submitted_at), self.ordinal

    @property
    def is_open(self) -> bool:
        """Tell whether it may still fill."""
        return self.status in OPEN_STATUSES

    @property
    def is_resting(self) -> bool:
        """Tell whether it waits for a price."""
        return self.is_live and self.is_open and self.order_type != "market"

    @property
    def waits_for_stop(self) -> bool:
        """Tell whether its stop has yet to be reached."""
        return self.order_type in STOP_TYPES and not self.is_triggered

    @property
    def is_replacement_under_way(self) -> bool:
        """Tell whether it will replace another order and has not yet."""
        return self.status == "pending_new" and self.replaces is not None

    @property
    def average_price(self) -> Decimal | None:
        """Return the average fill price in USD, None until something filled."""
        if not self.filled_quantity:
            return None
        return (self.gross / self.filled_quantity).quantize(_NINE)

    @property
    def leaves(self) -> Decimal:
        """Return the quantity still to fill, at the reserve price where the order is by value."""
        if self.quantity is not None:
            return self.quantity - self.filled_quantity
        return (self.leaves_value / self.reserve_price).quantize(_NINE)

    @property
    def leaves_value(self) -> Decimal:
        """Return the USD still to be spent, at the reserve price."""
        if self.notional is not None:
            return max(self.notional - self.gross, Decimal(0))
        return self.leaves * self.reserve_price

    def close(self, status: str, at: int) -> None:
        """End the order as ``canceled``, ``expired``, ``rejected`` or ``replaced``."""
        self.status, self.updated_at, self.is_live = status, at, False
        if status == "canceled":
            self.canceled_at = at
        elif status == "expired":
            self.expired_at = at
        elif status == "replaced":
            self.replaced_at = at
        else:
            self.failed_at = at


def second_of(stamp: int) -> int:
    """Return the market second of a stamp in microseconds."""
    return stamp // 1_000_000


def order_json(order: Order, instrument: Instrument, legs: Sequence[Order] = ()) -> dict[str, object]:
    """Write an order as Alpaca does: numbers as strings, ``order_class`` empty where simple, no ``qty`` by notional.

    Args:
        legs: those to nest in it; without any the field is null.
    """
    side = order.side
    return {
        "id": order.order_id,
        "client_order_id": order.client_order_id,
        "created_at": stamp_micros(order.submitted_at),
        "updated_at": stamp_micros(order.updated_at),
        "submitted_at": stamp_micros(order.submitted_at),
        "filled_at": stamp_micros(order.filled_at),
        "expired_at": stamp_micros(order.expired_at),
        "canceled_at": stamp_micros(order.canceled_at),
        "failed_at": stamp_micros(order.failed_at),
        "replaced_at": stamp_micros(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(instrument),
        "symbol": order.symbol,
        "asset_class": instrument.asset_class,
        "notional": optional_number(order.notional),
        "qty": optional_number(order.quantity),
        "filled_qty": number(order.filled_quantity),
        "filled_avg_price": optional_number(order.average_price),
        "order_class": order.order_class,
        "order_type": order.order_type,
        "type": order.order_type,
        "side": side,
        "position_intent": f"{side}_to_{'open' if side == 'buy' else 'close'}",
        "time_in_force": order.time_in_force,
        "limit_price": optional_number(order.limit_price),
        "stop_price": optional_number(order.stop_price),
        "status": order.status,
        "extended_hours": False,
        "legs": [order_json(leg, instrument) for leg in legs] or None,
        "trail_percent": optional_number(order.trail_percent),
        "trail_price": optional_number(order.trail_price),
        "hwm": optional_number(order.high_water),
        "subtag": None,
        "source": None,
        "expires_at": None,
    }


def asset_id(instrument: Instrument) -> str:
    """Return the asset id that orders and assets carry."""
    return stable_id("asset", instrument.symbol)


def position_asset_id(instrument: Instrument) -> str:
    """Return the asset id that positions carry: for coins another one, as on the paper account."""
    return stable_id("position", instrument.symbol) if instrument.is_crypto else asset_id(instrument)
