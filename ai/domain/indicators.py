"""Technical indicators of one symbol's daily bars, computed with TA-Lib."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Any

# Bars needed: the 50-day average of today and a day to spare for the differences.
MIN_BARS = 51

_VOLATILITY_DAYS = 20


@dataclass(frozen=True, slots=True)
class Indicators:
    """Indicators at the last bar; statistics, so floats.

    ``rsi_14`` in [0, 100]; ``z_score_20`` in standard deviations of the last 20 closes;
    ``change_*_percent`` over 5 and 20 bars; ``trend_percent`` is SMA20 over SMA50 minus one;
    ``volatility_percent`` is annualised from 20 daily log returns; ``atr_percent`` is ATR 14 of the close.
    """

    rsi_14: float
    z_score_20: float
    change_5d_percent: float
    change_20d_percent: float
    trend_percent: float
    volatility_percent: float
    atr_percent: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name, rounded to four decimals, ready for JSON."""
        return {name: round(value, 4) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Indicators":
        """Return the indicators that ``to_dict`` wrote.

        Raises:
            ValueError: a figure is missing, not a number or not finite.
        """
        figures: dict[str, float] = {}
        for field in fields(cls):
            value = values.get(field.name)
            if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
                raise ValueError(f"{field.name} must be a number, was {value!r}")  # noqa: TRY004 - one error type
            figures[field.name] = float(value)
            if not math.isfinite(figures[field.name]):
                raise ValueError(f"{field.name} must be finite, was {value!r}")
        return cls(**figures)


def compute_indicators(
    closes: Sequence[Decimal | float],
    highs: Sequence[Decimal | float],
    lows: Sequence[Decimal | float],
    *,
    bars_per_year: int = 252,
) -> Indicators | None:
    """Return the indicators at the last of the daily bars, oldest first.

    Args:
        closes: closing prices; ``highs`` and ``lows`` of the same bars.
        bars_per_year: 252 for stocks, 365 for crypto; annualises the volatility.

    Returns:
        None when there are fewer than ``MIN_BARS`` bars or a price is not positive and finite: a wrong
        figure is worse than none.

    Raises:
        ValueError: the three have different lengths.
    """
    if not len(closes) == len(highs) == len(lows):
        raise ValueError(f"lengths differ: {len(closes)} closes, {len(highs)} highs, {len(lows)} lows")
    if len(closes) < MIN_BARS:
        return None
    # Imported here: numpy and TA-Lib weigh 30 MB, and most processes never compute an indicator.
    import numpy as np
    import talib

    bars = np.asarray([[float(value) for value in row] for row in (closes, highs, lows)])
    if not np.isfinite(bars).all() or (bars <= 0).any():
        return None
    close, high, low = bars
    sma_20 = talib.SMA(close, 20)[-1]
    deviation = talib.STDDEV(close, 20)[-1]
    returns = np.diff(np.log(close[-_VOLATILITY_DAYS - 1 :]))
    return Indicators(
        rsi_14=float(talib.RSI(close, 14)[-1]),
        z_score_20=float((close[-1] - sma_20) / deviation) if deviation > 0 else 0.0,
        change_5d_percent=float(talib.ROC(close, 5)[-1]),
        change_20d_percent=float(talib.ROC(close, 20)[-1]),
        trend_percent=float((sma_20 / talib.SMA(close, 50)[-1] - 1) * 100),
        volatility_percent=float(np.std(returns, ddof=1) * math.sqrt(bars_per_year) * 100),
        atr_percent=float(talib.ATR(high, low, close, 14)[-1] / close[-1] * 100),
    )
