"""What a model call may cost, and what may still be spent: judged before the call, with its largest cost."""

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ai.domain.prompt import Message

MILLION = Decimal(1_000_000)
FIXED_ANSWER_TOKENS = 500
_ENVELOPE_TOKENS = 400  # roles, the response schema and what a provider adds of its own


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens, of what is asked and of what is answered."""

    input_usd_per_million: Decimal
    output_usd_per_million: Decimal

    def of(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """Return the price of a call in USD."""
        asked = self.input_usd_per_million * prompt_tokens
        return (asked + self.output_usd_per_million * completion_tokens) / MILLION


FREE = Price(Decimal(0), Decimal(0))


def day_start(now: datetime) -> datetime:
    """Return when the budgets' day began: midnight of ``now``'s zone, which is UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def most_prompt_tokens(messages: Sequence[Message]) -> int:
    """Return more tokens than the messages have, whatever the tokenizer.

    No tokenizer in use makes more tokens of a text than it has bytes; of ASCII text like ours, words and
    figures, none makes more than one of two bytes. Other characters, which a stranger's headline may hold,
    count by the byte.
    """
    text = json.dumps(list(messages), ensure_ascii=False)
    plain = sum(character < "\x80" for character in text)
    other = len(text.encode(errors="replace")) - plain
    return plain // 2 + other + _ENVELOPE_TOKENS


def most_answer_tokens(symbol_count: int, tokens_per_symbol: int) -> int:
    """Return how many tokens an answer may have; the call is made with this as its limit."""
    return FIXED_ANSWER_TOKENS + symbol_count * tokens_per_symbol


class Room(enum.Enum):
    """Whether a call fits: now, perhaps once calls under way have ended, or not."""

    GRANTED = "granted"
    LATER = "later"
    EXHAUSTED = "exhausted"


class Budget:
    """What is left in USD of the day and of the cycle; ``reserve`` before a call, ``settle`` after it."""

    def __init__(self, *, day: Decimal, cycle: Decimal) -> None:
        self._day = day
        self._cycle = cycle
        self._reserved = Decimal(0)

    def reserve(self, estimate: Decimal) -> Room:
        """Set ``estimate`` aside if both budgets have room for it beside all that is set aside already."""
        if estimate <= 0:
            return Room.GRANTED
        if self._reserved + estimate <= min(self._day, self._cycle):
            self._reserved += estimate
            return Room.GRANTED
        return Room.LATER if self._reserved > 0 else Room.EXHAUSTED

    def settle(self, estimate: Decimal, charged: Decimal) -> None:
        """Give an estimate back and take what the call is charged with."""
        self._reserved -= max(estimate, Decimal(0))
        self._day -= charged
        self._cycle -= charged

    def words(self, estimate: Decimal) -> str:
        """Return which budget has no room for ``estimate``, for a person to read."""
        which, left = ("day", self._day) if self._day <= self._cycle else ("cycle", self._cycle)
        left = max(left, Decimal(0))
        return f"the AI budget of the {which} has {left:.4f} USD left, a call may cost {estimate:.4f} USD"
