"""The answer to an order's first request, in one message with all that follows from it.

The message gives back the switch's lock before it waits for anything, records the answer, its legs and what the caller
wants noted with it, and ends the work on the order.
"""

from dataclasses import dataclass
from typing import Any

from connectors.base import BrokerOrder
from risk.services.locks import Held
from trading.core.statements.moved_rows import Beside, Statement
from trading.models import Order
from trading.orders.execution_reports import ACKNOWLEDGED_NOW, record_accepted


@dataclass(slots=True)
class NotedWith:
    """What a caller wants noted with the answer, where that says what it nearly always does.

    Args:
        statement: writes only where ``ACKNOWLEDGED_NOW`` finds the order.
        asks: a scalar that is read with it; ``told`` is what was found, once it ``is_noted``.
    """

    statement: Statement
    asks: str
    is_noted: bool = False
    told: Any = None


def record_answer(
    order: Order, reported: BrokerOrder, *, sends: Held, alone: Held, noted: NotedWith | None
) -> Order | None:
    """Record an answer; return the row as it stands, None where it is to be recorded by ``record_reported``.

    Args:
        sends: the switch's lock, ``alone`` the one on the attempt: each says whether it was given back.
    """
    asks = noted.asks if noted else "NULL"
    give = f"SELECT {alone.give}, {asks} FROM orders WHERE {ACKNOWLEDGED_NOW}"  # noqa: S608 - ours
    last = Statement(give, {**alone.values, **sends.values})
    beside = Beside(first=f"SELECT {sends.give}", then=[noted.statement, last] if noted else [last])
    row = record_accepted(order, reported, beside)
    sends.is_given = beside.is_said
    if row is not None and beside.found is not None:
        alone.is_given = True
        if noted is not None:
            noted.is_noted, noted.told = True, beside.found[1]
    return row
