"""The built-in strategy: what it does and how often."""

import random
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.domain.indicators import Indicators, compute_indicators
from ai.domain.strategy import Verdict, decide
from ai.domain.types import Action
from tests.ai.factories import make_indicators

THRESHOLD = Decimal("0.7")
DIP = {"rsi_14": 38.0, "z_score_20": -1.4, "change_20d_percent": 2.0, "trend_percent": 6.0}
RISE = {"rsi_14": 64.0, "z_score_20": 1.3, "change_5d_percent": 6.0, "change_20d_percent": 12.0}
BROKEN = {"rsi_14": 30.0, "z_score_20": -2.0, "change_20d_percent": -15.0, "trend_percent": -6.0}
OVERBOUGHT = {"rsi_14": 82.0, "z_score_20": 2.4, "change_20d_percent": 15.0, "trend_percent": 5.0}


def verdict(indicators: Indicators | None, **overrides: Any) -> Verdict:
    values = {"change_percent": 0.0, "is_held": False, "unrealised_pnl_percent": None, **overrides}
    return decide(indicators, **values)


@pytest.mark.parametrize(
    ("figures", "words"), [(DIP, "A dip in a rising trend: RSI 38"), (RISE, "A rise with room left: RSI 64")]
)
def test_two_setups_are_bought(figures: dict[str, float], words: str) -> None:
    said = verdict(make_indicators(**figures))

    assert said.action is Action.BUY
    assert said.confidence >= THRESHOLD
    assert said.reasoning.startswith(words)
    assert said.reasoning.endswith("volatility 25 % a year.")


@pytest.mark.parametrize("figures", [{}, BROKEN, OVERBOUGHT, {**DIP, "volatility_percent": 180.0}])
def test_the_ordinary_the_broken_the_overheated_and_the_wild_are_not(figures: dict[str, float]) -> None:
    said = verdict(make_indicators(**figures))

    assert said.action is Action.HOLD or said.confidence < THRESHOLD


@pytest.mark.parametrize(
    ("figures", "words"), [(BROKEN, "The trend broke: RSI 30"), (OVERBOUGHT, "Overbought: RSI 82")]
)
def test_a_position_is_left_when_its_trend_broke_or_it_ran_too_far(
    figures: dict[str, float], words: str
) -> None:
    said = verdict(make_indicators(**figures), is_held=True)

    assert said.action is Action.SELL
    assert said.confidence >= THRESHOLD
    assert said.reasoning.startswith(words)


@pytest.mark.parametrize("indicators", [None, make_indicators(**DIP)])
def test_a_position_that_lost_eight_percent_is_left(indicators: Indicators | None) -> None:
    said = verdict(indicators, is_held=True, unrealised_pnl_percent=-8.0)

    assert said.action is Action.SELL
    assert said.confidence >= THRESHOLD
    assert said.reasoning == "The position lost 8.0 %: the limit is 8 %."


def test_a_position_is_not_bought_again() -> None:
    said = verdict(make_indicators(**DIP), is_held=True, unrealised_pnl_percent=-7.9)

    assert said.action is Action.HOLD


def test_without_indicators_nothing_is_entered() -> None:
    assert verdict(None) == Verdict(Action.HOLD, Decimal("0.5"), "Too few daily bars for indicators.")


def test_a_price_that_ran_ahead_today_makes_less_sure() -> None:
    calm, ran = (verdict(make_indicators(**DIP), change_percent=change) for change in (-3.0, 3.0))

    assert ran.confidence < calm.confidence


@given(
    figures=st.fixed_dictionaries(
        {field.name: st.floats(-1e6, 1e6) for field in fields(Indicators)},
    ),
    change=st.none() | st.floats(-1e6, 1e6),
    is_held=st.booleans(),
    pnl=st.none() | st.floats(-1e6, 1e6),
)
def test_whatever_the_figures_the_verdict_is_within_bounds(
    figures: dict[str, float], change: float | None, is_held: bool, pnl: float | None
) -> None:
    said = decide(Indicators(**figures), change_percent=change, is_held=is_held, unrealised_pnl_percent=pnl)

    assert 0 <= said.confidence <= 1
    assert said.action is not Action.SELL or is_held
    assert said.action is not Action.BUY or not is_held


def test_on_a_random_market_some_are_bought_and_few_are_left() -> None:
    """The rates that the module promises, on 140 walks at ten moments each."""
    seed = random.Random(20201015)
    histories = [_walk(seed, days=200) for _ in range(140)]
    moments = [
        indicators
        for history in histories
        for end in range(100, 200, 10)
        if (indicators := compute_indicators(*_columns(history[end - 90 : end])))
    ]

    bought = [said for said in map(verdict, moments) if said.action is Action.BUY]
    sure = sum(said.confidence >= THRESHOLD for said in bought)
    left = sum(verdict(indicators, is_held=True).action is Action.SELL for indicators in moments)

    assert 0.03 <= sure / len(moments) <= 0.15
    assert 0.02 <= left / len(moments) <= 0.15


def _walk(seed: random.Random, *, days: int) -> list[float]:
    volatility = seed.uniform(0.01, 0.05)
    price = 100.0
    prices = []
    for _ in range(days):
        price *= 1 + seed.gauss(0.0003, volatility)
        prices.append(price)
    return prices


def _columns(closes: list[float]) -> tuple[list[float], list[float], list[float]]:
    return closes, [close * 1.01 for close in closes], [close * 0.99 for close in closes]
