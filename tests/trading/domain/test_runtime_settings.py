"""Settings of an operator: read within their bounds, or refused by name."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.runtime_settings import NUMBERS, SETTINGS, WORDS, Unit
from trading.errors import SettingError


@pytest.mark.parametrize("name", NUMBERS)
def test_defaults_are_within_their_own_bounds(name: str) -> None:
    spec = NUMBERS[name]

    assert spec.name == name
    assert spec.parse(str(spec.default)) == spec.default
    assert spec.parse(str(spec.minimum)) == spec.minimum
    assert spec.parse(str(spec.maximum)) == spec.maximum


def test_defaults_are_those_of_the_design() -> None:
    """docs/lessons.md#lesson-26: the limits exist where they are read, not in a text."""
    told = {
        "cycle_interval": "60",
        "cycle_deadline": "180",
        "analysis_timeout": "30",
        "fetch_timeout": "12",
        "price_max_age": "90",
        "confidence_threshold": "0.7",
        "approval_expiry": "600",
        "max_stocks": "120",
        "max_coins": "20",
    }

    assert {name: str(SETTINGS[name].default) for name in told} == told


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("text", ["", "ten", "NaN", "-Infinity", "1e99", "-1", "60 s", "0x10"])
def test_value_that_cannot_be_taken_is_refused_by_name(name: str, text: str) -> None:
    """docs/lessons.md#lesson-30."""
    with pytest.raises(SettingError, match=rf"^{name}: was '{text}', expected"):
        SETTINGS[name].parse(text)


@pytest.mark.parametrize("name", WORDS)
def test_words_are_read_whatever_their_case_and_fit_their_column(name: str) -> None:
    spec = WORDS[name]

    assert spec.parse(spec.default) == spec.default
    assert {spec.parse(f" {word.upper()} ") for word in spec.words} == set(spec.words)
    assert len(spec.description) <= 200


@pytest.mark.parametrize("name", [n for n, spec in NUMBERS.items() if spec.unit in (Unit.COUNT, Unit.DAYS)])
def test_count_must_be_whole(name: str) -> None:
    with pytest.raises(SettingError, match="expected a whole number"):
        SETTINGS[name].parse("1.5")


@given(name=st.sampled_from(sorted(NUMBERS)), text=st.text(max_size=12) | st.decimals().map(str))
def test_whatever_is_read_is_within_bounds(name: str, text: str) -> None:
    """docs/lessons.md#lesson-30: no text leads to a value nobody meant."""
    spec = NUMBERS[name]
    with suppress(SettingError):
        value = spec.parse(text)
        assert isinstance(value, Decimal)
        assert spec.minimum <= value <= spec.maximum
