"""The built-in technical strategy: deterministic arithmetic, no forecast and no language model.

Two ways in: a dip within a rising trend (mean reversion), and a rise with room left (momentum); both shy away
from volatility. Three ways out of a held position: it lost too much, its trend broke, or it ran too far. The
weights were set so that on US stocks of 2018-2021, on coins and on random walks about one symbol in ten is
a buy of confidence 0.7 or more, and a few in a hundred would be exits: a lively rehearsal, no promise of
profit.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

from ai.domain.indicators import Indicators
from ai.domain.types import Action, ProposedExit

# A held position that lost this much of its cost is sold, whatever the indicators say.
MAX_LOSS_PERCENT = 8.0

_DIP_CONFIDENCE = 0.37
_RISE_CONFIDENCE = 0.285
_BUY_CONFIDENCE = 0.6
_FREE_VOLATILITY = 70.0
_VOLATILITY_SCALE = 250.0
_MAX_VOLATILITY_PENALTY = 0.5
_MIN_VOLATILITY = 5.0
# What a yearly volatility means for a move of 20 of 252 days. Coins trade on 365, which makes their moves
# look smaller than they are; the strategy leaves that as part of its caution.
_SHARE_OF_YEAR = 20 / 252
# A purchase is given up two ordinary days' ranges below its price, taken at twice that, and has a month's sessions.
_STOP_RANGES = 2
_REWARD_TO_RISK = 2
_HORIZON_SESSIONS = 20
_MOST_TARGET_PERCENT = 99.0
_PLACES = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the strategy says of one symbol; ``confidence`` in [0, 1], two decimals."""

    action: Action
    confidence: Decimal
    reasoning: str


def decide(
    indicators: Indicators | None,
    *,
    change_percent: float | None,
    is_held: bool,
    unrealised_pnl_percent: float | None,
) -> Verdict:
    """Return what to do with one symbol.

    Args:
        indicators: None where the history is too short; then only a loss is acted upon.
        change_percent: the day's change so far, None where unknown.
        is_held: whether a long position is open; only then can the verdict be sell, and then never buy.
        unrealised_pnl_percent: of the position's cost, None where unknown.
    """
    if is_held and unrealised_pnl_percent is not None and unrealised_pnl_percent <= -MAX_LOSS_PERCENT:
        reason = f"The position lost {-unrealised_pnl_percent:.1f} %: the limit is {MAX_LOSS_PERCENT:.0f} %."
        return _verdict(Action.SELL, 0.9, reason)
    if indicators is None:
        return _verdict(Action.HOLD, 0.5, "Too few daily bars for indicators.")
    if is_held:
        return _exit(indicators) or _verdict(Action.HOLD, 0.6, f"Held, no exit: {_figures(indicators)}.")
    return _entry(indicators, change_percent or 0.0)


def exit_of(indicators: Indicators) -> ProposedExit:
    """Return where what is bought on these indicators is to be sold: the strategy's bounds have the last word."""
    stop = _percent(_STOP_RANGES * indicators.atr_percent)
    target = _percent(_STOP_RANGES * _REWARD_TO_RISK * indicators.atr_percent)
    below = f"{stop} % below the entry" if stop is not None else "well below the entry"
    return ProposedExit(
        stop_percent=stop,
        target_percent=target,
        horizon_sessions=_HORIZON_SESSIONS,
        invalidation=f"The price falls {below}, or its 20-day mean falls clearly below the 50-day mean.",
    )


def _percent(value: float) -> Decimal | None:
    percent = Decimal(repr(min(value, _MOST_TARGET_PERCENT))).quantize(_PLACES, rounding="ROUND_DOWN")
    return percent if percent > 0 else None


def _exit(indicators: Indicators) -> Verdict | None:
    """Return a sell when the trend broke or the price ran too far, else None."""
    move = _typical_move(indicators)
    if indicators.trend_percent < -0.4 * move and indicators.change_20d_percent < -move:
        depth = min(-indicators.change_20d_percent / move - 1, 1.0)
        return _verdict(Action.SELL, 0.72 + 0.2 * depth, f"The trend broke: {_figures(indicators)}.")
    if indicators.rsi_14 >= 76 and indicators.z_score_20 >= 1.8:
        excess = min((indicators.rsi_14 - 76) / 20, 1.0)
        return _verdict(Action.SELL, 0.72 + 0.2 * excess, f"Overbought: {_figures(indicators)}.")
    return None


def _entry(indicators: Indicators, change_percent: float) -> Verdict:
    """Return a buy with the better of the two setups, or a hold when neither is good enough."""
    today = math.tanh(change_percent / (2 * _typical_move(indicators) / math.sqrt(20)))
    penalty = _volatility_penalty(indicators)
    dip = 0.5 + _DIP_CONFIDENCE * (_dip(indicators) - 0.1 * today - penalty)
    rise = 0.5 + _RISE_CONFIDENCE * (_rise(indicators) - 0.1 * today - penalty)
    confidence = min(max(dip, rise, 0.0), 1.0)
    if confidence < _BUY_CONFIDENCE:
        return _verdict(Action.HOLD, 1 - confidence, f"No entry: {_figures(indicators)}.")
    setup = "A dip in a rising trend" if dip >= rise else "A rise with room left"
    return _verdict(Action.BUY, confidence, f"{setup}: {_figures(indicators)}.")


def _dip(indicators: Indicators) -> float:
    """Score mean reversion: a rising trend and a price below its own mean; within [-1.1, 1.1]."""
    move = _typical_move(indicators)
    trend = math.tanh(2 * indicators.trend_percent / move)
    momentum = math.tanh(indicators.change_20d_percent / move)
    stretch = 0.5 * math.tanh(indicators.z_score_20 / 1.5) + 0.3 * math.tanh((indicators.rsi_14 - 50) / 20)
    return 0.5 * trend + 0.2 * momentum - 0.5 * stretch


def _rise(indicators: Indicators) -> float:
    """Score momentum: rising over 5 and 20 bars and not yet overheated; at most 0.9."""
    move = _typical_move(indicators)
    month = math.tanh(indicators.change_20d_percent / move)
    week = math.tanh(2 * indicators.change_5d_percent / move)
    heat = max(0.0, (indicators.rsi_14 - 68) / 15) + max(0.0, (indicators.z_score_20 - 2) / 1.5)
    return 0.55 * month + 0.35 * week - 0.6 * heat


def _typical_move(indicators: Indicators) -> float:
    """Return one standard deviation of a 20-bar move, in percent: the yardstick of every other figure."""
    return max(indicators.volatility_percent, _MIN_VOLATILITY) * math.sqrt(_SHARE_OF_YEAR)


def _volatility_penalty(indicators: Indicators) -> float:
    excess = (indicators.volatility_percent - _FREE_VOLATILITY) / _VOLATILITY_SCALE
    return min(max(excess, 0.0), _MAX_VOLATILITY_PENALTY)


def _figures(indicators: Indicators) -> str:
    return (
        f"RSI {indicators.rsi_14:.0f}, {indicators.z_score_20:+.1f} deviations from the 20-day mean, "
        f"{indicators.change_20d_percent:+.1f} % in 20 days, "
        f"SMA20 {indicators.trend_percent:+.1f} % off SMA50, "
        f"volatility {indicators.volatility_percent:.0f} % a year"
    )


def _verdict(action: Action, confidence: float, reasoning: str) -> Verdict:
    return Verdict(action, Decimal(repr(confidence)).quantize(_PLACES, rounding="ROUND_DOWN"), reasoning)
