"""Why the gate denies: stable words that reports and tests rely on."""

import enum


class DenyReason(enum.StrEnum):
    KILL_SWITCH = "kill_switch"
    TRADING_STATE_REDUCING = "trading_state_reducing"
    ENTRIES_PAUSED = "entries_paused"
    MODE = "mode_needs_person"
    INVALID_FIGURES = "invalid_figures"
    LOW_CONFIDENCE = "low_confidence"
    MARKET_CLOSED = "market_closed"
    UNKNOWN_ASSET = "unknown_asset"
    ASSET_NOT_TRADABLE = "asset_not_tradable"
    NO_PRICE = "no_price"
    STALE_PRICE = "stale_price"
    IMPLAUSIBLE_PRICE = "implausible_price"
    NO_LIMITS = "no_limits"
    NO_EQUITY = "no_equity"
    NO_VOLATILITY = "no_volatility"
    NO_POSITION = "no_position"
    PENDING_ORDER = "pending_order"
    POSITION_UNCLEAR = "position_unclear"
    MINIMUM_HOLD = "minimum_hold"
    SYMBOL_LOCKED = "symbol_locked"
    COOLDOWN_PERIOD = "cooldown_period"
    STOPLOSS_GUARD = "stoploss_guard"
    MAX_DRAWDOWN_GUARD = "max_drawdown_guard"
    LOW_PROFIT_SYMBOL = "low_profit_symbol"
    ENTRIES_PER_HOUR = "entries_per_hour"
    ENTRIES_PER_DAY = "entries_per_day"
    MAX_POSITIONS = "max_positions_reached"
    POSITION_TOO_LARGE = "position_too_large"
    EXPOSURE_EXCEEDED = "exposure_limit_exceeded"
    DAILY_LOSS = "daily_loss_limit"
    BUYING_POWER = "insufficient_buying_power"
    BELOW_MINIMUM = "below_minimum_size"


def room_figure(reason: DenyReason) -> str:
    """Return the name of the figure, in USD, that says what a limit leaves before it denies for ``reason``."""
    return f"room_{reason}"
