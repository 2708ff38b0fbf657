"""Why a position was reduced, in one stable word."""

import enum
from collections.abc import Mapping
from types import MappingProxyType

from trading.domain.order_ids import Purpose


class ExitReason(enum.StrEnum):
    """The word on a reducing trade; ``signal`` is a model's own sell, ``external`` was done at the broker by hand."""

    SIGNAL = "signal"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    TIME_STOP = "time_stop"
    DRAWDOWN = "drawdown"
    FLATTEN = "flatten"
    OPERATOR = "operator"
    EXTERNAL = "external"
    UNKNOWN = "unknown"


_OF_PURPOSE: Mapping[str, ExitReason] = MappingProxyType(
    {
        Purpose.EXIT: ExitReason.SIGNAL,
        Purpose.STOP_LOSS: ExitReason.STOP_LOSS,
        Purpose.TAKE_PROFIT: ExitReason.TAKE_PROFIT,
        Purpose.FLATTEN: ExitReason.FLATTEN,
        Purpose.EXTERNAL: ExitReason.EXTERNAL,
    }
)


def exit_reason(*, side: str, purpose: str, said: str) -> str:
    """Return the word for a trade: what its order says, else what the order was for; "" for a buy that says nothing.

    Args:
        said: ``orders.exit_reason``, "" where whoever made the order said nothing.
    """
    if said:
        return said
    if side != "sell":
        return ""
    return _OF_PURPOSE.get(purpose, ExitReason.UNKNOWN)
