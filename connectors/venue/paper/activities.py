"""What the account's activities say about fills, fees, splits and dividends."""

import uuid
from decimal import Decimal

from connectors.venue.paper.orders import Order
from connectors.venue.wire import number, stamp_micros, utc
from connectors.venue.world.model import Action, Instrument, day_date


def activity_bound(at: int) -> str:
    """Return the least id an activity at ``at`` (epoch microseconds) can have; ids sort by time."""
    return f"{utc(at // 1_000_000):%Y%m%d%H%M%S}{at % 1_000_000:06d}"


def fill_activity(
    order: Order, quantity: Decimal, price: Decimal, at: int, execution_id: str
) -> dict[str, object]:
    """Write one execution: gross ``quantity`` in base units at ``price`` USD."""
    return {
        "id": f"{activity_bound(at)}::{execution_id}",
        "activity_type": "FILL",
        "transaction_time": stamp_micros(at),
        "type": "fill" if order.status == "filled" else "partial_fill",
        "price": number(price),
        "qty": number(quantity),
        "side": order.side,
        "symbol": order.symbol,
        "leaves_qty": "0" if order.status == "filled" else number(order.leaves),
        "order_id": order.order_id,
        "cum_qty": number(order.filled_quantity),
        "order_status": order.status,
    }


def fee_activity(
    order: Order, instrument: Instrument, fee: Decimal, price: Decimal, at: int
) -> dict[str, object]:
    """Write what a coin's fee took: some of the coin bought, or USD from one sold."""
    is_buy = order.side == "buy"
    return {
        "id": f"{activity_bound(at)}::{uuid.uuid4()}",
        "activity_type": "CFEE",
        "created_at": stamp_micros(at),
        "date": f"{utc(at // 1_000_000):%Y-%m-%d}",
        "net_amount": "0" if is_buy else number(-fee),
        "description": "Coin Pair Transaction Fee (Non USD)" if is_buy else "Coin Pair Transaction Fee",
        "symbol": instrument.position_symbol,
        "qty": number(-fee) if is_buy else "0",
        "price": number(price),
        "status": "executed",
    }


def dividend_activity(action: Action, quantity: Decimal, amount: Decimal, at: int) -> dict[str, object]:
    """Write a dividend on ``quantity`` shares: ``amount`` USD of cash."""
    per_share = action.value
    return {
        "id": f"{activity_bound(at)}::{uuid.uuid4()}",
        "activity_type": "DIV",
        "created_at": stamp_micros(at),
        "date": day_date(action.ex_day).isoformat(),
        "net_amount": number(amount),
        "description": f"Cash DIV @ {number(per_share)}, Pos QTY: {number(quantity)}",
        "symbol": action.symbol,
        "qty": number(quantity),
        "per_share_amount": number(per_share),
        "status": "executed",
    }


def split_activities(
    action: Action, old: Decimal, new: Decimal, price: Decimal, at: int
) -> list[dict[str, object]]:
    """Write a split: the ``old`` shares are taken away and the ``new`` ones given, no cash moves.

    Args:
        price: of an old share, USD.
    """
    words = f"From QTY:{number(old)}, To QTY:{number(new)}, Position Value:{number(old * price)}"
    rows = (("REMOVE", -old, price), ("ADD", new, (old * price / new).quantize(Decimal("0.0001"))))
    return [
        {
            "id": f"{activity_bound(at + place)}::{uuid.uuid4()}",
            "activity_type": "SPLIT",
            "created_at": stamp_micros(at + place),
            "date": day_date(action.ex_day).isoformat(),
            "net_amount": "0",
            "description": f"{word}, {words}",
            "symbol": action.symbol,
            "qty": number(quantity),
            "price": number(each),
            "status": "executed",
        }
        for place, (word, quantity, each) in enumerate(rows)
    ]
