"""Indicators against figures worked out by hand."""

import math
from decimal import Decimal
from typing import Any

import pytest

from ai.domain.indicators import MIN_BARS, Indicators, compute_indicators
from tests.ai.factories import make_indicators


def compute(closes: list[float], **overrides: Any) -> Indicators | None:
    highs = [close * 1.01 for close in closes]
    lows = [close * 0.99 for close in closes]
    return compute_indicators(closes, highs, lows, **overrides)


def test_a_steady_rise_has_the_figures_of_one() -> None:
    closes = [100 * 1.01**day for day in range(60)]

    indicators = compute(closes)

    assert indicators is not None
    assert indicators.rsi_14 == pytest.approx(100)
    assert indicators.change_5d_percent == pytest.approx((1.01**5 - 1) * 100)
    assert indicators.change_20d_percent == pytest.approx((1.01**20 - 1) * 100)
    assert indicators.volatility_percent == pytest.approx(0, abs=1e-6)
    expected_trend = (sum(closes[-20:]) / 20) / (sum(closes[-50:]) / 50) - 1
    assert indicators.trend_percent == pytest.approx(expected_trend * 100)


def test_volatility_is_annualised_by_the_bars_of_a_year() -> None:
    closes = [100 * (1.02 if day % 2 else 1.0) for day in range(60)]

    stock, coin = compute(closes), compute(closes, bars_per_year=365)

    assert stock is not None
    assert coin is not None
    step = math.log(1.02)
    assert stock.volatility_percent == pytest.approx(step * math.sqrt(20 / 19) * math.sqrt(252) * 100)
    assert coin.volatility_percent / stock.volatility_percent == pytest.approx(math.sqrt(365 / 252))


def test_a_flat_price_divides_by_nothing() -> None:
    indicators = compute([50.0] * 60)

    assert indicators is not None
    assert indicators.z_score_20 == 0
    assert indicators.atr_percent == pytest.approx(2)
    assert all(math.isfinite(value) for value in indicators.to_dict().values())


def test_the_last_close_is_measured_against_its_own_mean() -> None:
    indicators = compute([100.0] * 59 + [110.0])

    assert indicators is not None
    assert indicators.z_score_20 == pytest.approx(math.sqrt(19))


def test_decimals_are_taken() -> None:
    closes = [Decimal(100 + day) for day in range(60)]

    assert compute_indicators(closes, closes, closes) is not None


def test_a_short_history_has_no_indicators() -> None:
    assert compute([100.0] * (MIN_BARS - 1)) is None
    assert compute([100.0] * MIN_BARS) is not None


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_a_price_that_is_none_gives_no_indicators(wrong: float) -> None:
    """docs/lessons.md#lesson-18."""
    assert compute([100.0] * 30 + [wrong] + [100.0] * 30) is None


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths differ: 60 closes, 59 highs, 60 lows"):
        compute_indicators([1.0] * 60, [1.0] * 59, [1.0] * 60)


def test_indicators_survive_json() -> None:
    indicators = make_indicators(rsi_14=55.1234)

    assert Indicators.from_dict(indicators.to_dict()) == indicators


@pytest.mark.parametrize("wrong", [None, "55", True, float("nan"), Decimal("Infinity")], ids=str)
def test_figures_that_are_no_numbers_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="rsi_14 must be"):
        Indicators.from_dict({**make_indicators().to_dict(), "rsi_14": wrong})
