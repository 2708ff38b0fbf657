"""How a failure is logged, everywhere the same: which cycle, what, where, on which symbol, in which state."""

from typing import Any

import structlog


def log_failure(
    event: str,
    *,
    error: BaseException,
    operation: str,
    state: str,
    cycle_id: object,
    symbol: str = "",
    **facts: Any,
) -> None:
    """Write one warning with the fields every failure has.

    Args:
        state: where what failed stands, e.g. the order's status or the cycle's status and stage.
    """
    structlog.get_logger(__name__).warning(
        event,
        error_type=type(error).__name__,
        error=str(error),
        operation=operation,
        state=state,
        cycle_id=str(cycle_id) if cycle_id else None,
        symbol=symbol,
        **facts,
    )
