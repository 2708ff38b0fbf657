"""Deterministic client order ids: the same decision and purpose always give the same id."""

import enum
from datetime import datetime
from uuid import UUID, uuid5

PROTECTION = UUID("5b0c1f4e-7d1a-4c0e-9b0e-3f9f0d1c2a71")  # a namespace of our own


class Purpose(enum.StrEnum):
    """What an order is for; part of its identity."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    FLATTEN = "flatten"
    EXTERNAL = "external"


# Orders that rest until the price makes them: they stand in no other order's way, and never open a position.
PROTECTIVE = frozenset({Purpose.STOP_LOSS, Purpose.TAKE_PROFIT})


def client_order_id(decision_id: UUID, purpose: Purpose, number: int = 0) -> str:
    """Return the id of the ``number``-th order of this purpose (at most 128 characters)."""
    if number < 0:
        raise ValueError(f"number must not be negative, was {number}")
    return f"{decision_id}-{purpose}-{number}"


def protection_base(symbol: str, opened_at: datetime) -> UUID:
    """Return what the ids of the orders that protect a position are derived from."""
    return uuid5(PROTECTION, f"{symbol} {opened_at.isoformat()}")


def flatten_base(engagement_id: UUID, symbol: str) -> UUID:
    """Return what the ids of an engagement's orders to flatten a symbol are derived from."""
    return uuid5(engagement_id, symbol)


def is_of_engagement(order_id: str, engagement_id: UUID, symbol: str) -> bool:
    """Return whether a client_order_id is that of an order to flatten ``symbol`` under this engagement."""
    return order_id.startswith(f"{flatten_base(engagement_id, symbol)}-{Purpose.FLATTEN}-")
