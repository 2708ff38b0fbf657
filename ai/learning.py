"""What an analysis learns of its models while it runs, and writes down for the next."""

from collections.abc import Iterable
from dataclasses import replace

from ai import builtin
from ai.calls import CallOutcome
from ai.domain.refusals import Cause
from ai.errors import ModelTimeoutError
from ai.routing import MIN_TIMEOUT_COUNTED_MS
from ai.skills import Skills, remember, skills_of

_MEASURABLE_MS = 500  # below it the figures say nothing that a batch could be cut by


class Learning:
    """The skills of an analysis's models; used by the one thread that runs it."""

    def __init__(self, models: Iterable[str], *, api_base: str | None) -> None:
        self._api_base = api_base
        self._skills = skills_of(models, api_base=api_base)

    def of(self, model: str) -> Skills:
        """Return what is known of a model."""
        return self._skills.get(model, Skills())

    def fitting(self, model: str, symbols: int, seconds: float) -> int:
        """Return how many of so many symbols the model can answer in ``seconds``; 0: not even one fits it.

        One is always tried, however slow the model was: else it could never show that it is faster now.
        """
        skills = self.of(model)
        if skills.most_symbols is not None:
            symbols = min(symbols, skills.most_symbols)
        if symbols and skills.seconds_per_symbol:
            symbols = min(symbols, max(1, int(seconds / skills.seconds_per_symbol)))
        return symbols

    def take(self, outcome: CallOutcome, *, given_seconds: float) -> str | None:
        """Learn from a call; return a line for a person where something new was found."""
        if outcome.model == builtin.MODEL:
            return None
        before = self.of(outcome.model)
        after, words = self._judged(before, outcome, given_seconds)
        if after != before:
            self._skills[outcome.model] = after
            remember(outcome.model, after, api_base=self._api_base)
        return words

    def _judged(
        self, before: Skills, outcome: CallOutcome, given_seconds: float
    ) -> tuple[Skills, str | None]:
        count, seconds, error = len(outcome.symbols), outcome.latency_ms / 1000, outcome.error
        if error is not None and error.refusal is Cause.CONTEXT_LENGTH:
            # Of questions asked beside each other the second refusal says no more than the first.
            fits = count // 2 if before.most_symbols is None else min(count // 2, before.most_symbols)
            words: str | None = (
                f"{outcome.model}: {count} symbols in one question are too long for it, {fits} are tried"
            )
            return replace(before, most_symbols=fits), words
        if isinstance(error, ModelTimeoutError) and outcome.latency_ms >= MIN_TIMEOUT_COUNTED_MS:
            return before.too_slow(count, min(seconds, given_seconds)), None
        if outcome.skills is None:
            return before, None
        after = replace(before, form=outcome.skills.form, takes_temperature=outcome.skills.takes_temperature)
        words = None if after == before else _simpler_words(outcome.model, after)
        if outcome.latency_ms >= _MEASURABLE_MS or before.seconds_per_symbol is not None:
            after = after.with_speed(count, seconds, outcome.completion_tokens)
        return after, words


def _simpler_words(model: str, skills: Skills) -> str:
    temperature = "" if skills.takes_temperature else ", without a temperature"
    form = "no response_format" if skills.form.value == "none" else f"response_format {skills.form.value}"
    return f"{model} refused how it was asked: it is asked with {form}{temperature} from now on"
