"""How a failure is logged, everywhere the same: which cycle, what, where, on which symbol, in which state."""

from typing import Any

import structlog

from trading.models import Order


def log_failure(
    event: str,
    *,
    error: BaseException,
    operation: str,
    state: str,
    cycle_id: object,
    symbol: str = "",
    is_final: bool = False,
    **facts: Any,
) -> None:
    """Write one line with the fields every failure has: a warning, or an error where it failed for good.

    Args:
        state: where what failed stands, e.g. the order's status or the cycle's status and stage.
        is_final: whether nobody tries again.
    """
    log = structlog.get_logger(__name__)
    write = log.error if is_final else log.warning
    write(
        event,
        error_type=type(error).__name__,
        error=str(error),
        operation=operation,
        state=state,
        cycle_id=str(cycle_id) if cycle_id else None,
        symbol=symbol,
        **facts,
    )


def log_order_failure(
    event: str, *, order: Order, error: BaseException, operation: str, is_final: bool = False
) -> None:
    """Write a failure's line with what it was an order of."""
    log_failure(
        event,
        error=error,
        operation=operation,
        state=order.status,
        cycle_id=order.cycle_id,
        symbol=order.symbol,
        is_final=is_final,
        side=order.side,
        quantity=str(order.quantity),
        client_order_id=order.client_order_id,
    )
