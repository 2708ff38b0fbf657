"""What a setting is: its unit, its bounds or its words, and how a value of it is read."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from trading.errors import SettingError


class Unit(enum.StrEnum):
    SECONDS = "seconds"
    RATIO = "ratio"
    PERCENT = "percent"
    COUNT = "count"
    DAYS = "days"
    USD = "USD"
    WORD = "word"


EXPECTED: Mapping[Unit, str] = {
    Unit.SECONDS: "a number of seconds",
    Unit.RATIO: "a number",
    Unit.PERCENT: "a number of percent",
    Unit.COUNT: "a whole number",
    Unit.DAYS: "a whole number of days",
    Unit.USD: "an amount of USD",
}


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One setting: its default, inclusive bounds, unit and what it does."""

    name: str
    default: Decimal
    minimum: Decimal
    maximum: Decimal
    unit: Unit
    description: str

    @property
    def allowed(self) -> str:
        """What it can be, in words."""
        return f"{self.minimum} to {self.maximum}"

    def parse(self, text: str) -> Decimal:
        """Return the value.

        Raises:
            SettingError: not a number, not whole where a whole one is needed, or out of bounds.
        """
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            raise self._refused(text) from None
        if not value.is_finite():
            raise self._refused(text)
        if self.unit in (Unit.COUNT, Unit.DAYS) and value != value.to_integral_value():
            raise self._refused(text)
        if not self.minimum <= value <= self.maximum:
            raise self._refused(text)
        return value

    def _refused(self, text: str) -> SettingError:
        expected = f"expected {EXPECTED[self.unit]} from {self.minimum} to {self.maximum}"
        return SettingError(f"{self.name}: was {text!r}, {expected}")


@dataclass(frozen=True, slots=True)
class WordSpec:
    """A setting that is one of some words, each with what it does."""

    name: str
    default: str
    words: Mapping[str, str]
    unit: Unit = Unit.WORD

    @property
    def allowed(self) -> str:
        """What it can be, in words."""
        return ", ".join(self.words)

    @property
    def description(self) -> str:
        """What each word does."""
        return "; ".join(f"{word}: {meaning}" for word, meaning in self.words.items())

    def parse(self, text: str) -> str:
        """Return the word.

        Raises:
            SettingError: it is none of them.
        """
        word = text.strip().lower()
        if word not in self.words:
            raise SettingError(f"{self.name}: was {text!r}, expected one of {self.allowed}")
        return word
