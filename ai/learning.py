"""What an analysis learns of its models while it runs, and writes down for the next."""

from collections.abc import Iterable
from dataclasses import replace

from ai import builtin
from ai.calls import CallOutcome
from ai.domain.pace import SURE_SHARE
from ai.domain.refusals import AnswerForm, Cause
from ai.errors import ModelTimeoutError
from ai.routing import MIN_TIMEOUT_COUNTED_MS
from ai.skills import Skills, remember, skills_of

_MEASURABLE_MS = 500  # below it the figures say nothing that a batch could be cut by
_SPARE_SHARE = 0.5  # an analysis done in less of its time had time to spare


class Learning:
    """The skills of an analysis's models; used by the one thread that runs it."""

    def __init__(self, models: Iterable[str], *, api_base: str | None) -> None:
        self._api_base = api_base
        self._skills = skills_of(models, api_base=api_base)
        self._met: set[str] = set()  # models that had as many calls under way as they may
        self._late: set[str] = set()  # models that did not answer in time
        self._unwritten: set[str] = set()  # models whose speed was measured anew

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
            symbols = min(symbols, max(1, int(seconds * SURE_SHARE / skills.seconds_per_symbol)))
        return symbols

    def is_full(self, model: str, under_way: int) -> bool:
        """Return whether a model has as many calls under way as it was found to manage at once."""
        most = self.of(model).calls_at_once
        if most is None or under_way < most:
            return False
        self._met.add(model)
        return True

    def end(self, *, share_of_time: float, most_calls: int) -> None:
        """Write down the speeds that were measured, and let the models that had time to spare have one call more at
        once in the next analysis.

        Args:
            share_of_time: of the whole analysis's time, what it took, from 0 to 1.
            most_calls: what the settings allow at once.
        """
        if share_of_time < _SPARE_SHARE:
            for model in self._met - self._late:
                self._keep(model, self.of(model).with_one_more_call(most_calls))
        for model in sorted(self._unwritten):
            remember(model, self.of(model), api_base=self._api_base)
        self._unwritten.clear()

    def take(self, outcome: CallOutcome, *, given_seconds: float, under_way: int) -> str | None:
        """Learn from a call; return a line for a person where something new was found.

        Args:
            given_seconds: what the call had at most.
            under_way: how many calls to its model were under way at once, this one included.
        """
        if outcome.model == builtin.MODEL:
            return None
        before = self.of(outcome.model)
        after, words = self._judged(before, outcome, given_seconds)
        is_late = _was_too_late(outcome)
        if is_late:
            # Of calls that are late together the first says all.
            if outcome.model not in self._late and under_way > 1:
                after = after.with_fewer_calls(under_way)
                words = f"{outcome.model} answered too late with {under_way} calls at once: {after.calls_at_once} now"
            self._late.add(outcome.model)
        self._keep(outcome.model, after, at_once=is_late)
        return words

    def _keep(self, model: str, skills: Skills, *, at_once: bool = False) -> None:
        """Remember what is new; a speed alone, which every answer changes, once at the end for all answers."""
        before = self.of(model)
        if skills == before:
            return
        self._skills[model] = skills
        at_its_speed = replace(
            before,
            seconds_per_symbol=skills.seconds_per_symbol,
            tokens_per_second=skills.tokens_per_second,
        )
        if not at_once and before.seconds_per_symbol is not None and at_its_speed == skills:
            self._unwritten.add(model)
            return
        self._unwritten.discard(model)
        remember(model, skills, api_base=self._api_base)

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
        if _was_too_late(outcome):
            return before.too_slow(count, min(seconds, given_seconds)), None
        if outcome.skills is None:
            return before, None
        after = replace(before, form=outcome.skills.form, takes_temperature=outcome.skills.takes_temperature)
        words = None if after == before else _simpler_words(outcome.model, after)
        if outcome.latency_ms >= _MEASURABLE_MS or before.seconds_per_symbol is not None:
            after = after.with_speed(count, seconds, outcome.completion_tokens)
        return after, words


def _was_too_late(outcome: CallOutcome) -> bool:
    return isinstance(outcome.error, ModelTimeoutError) and outcome.latency_ms >= MIN_TIMEOUT_COUNTED_MS


_FORM_WORDS = {
    AnswerForm.GUIDED: "response_format json_object and the schema beside it",
    AnswerForm.NONE: "no response_format",
}


def _simpler_words(model: str, skills: Skills) -> str:
    temperature = "" if skills.takes_temperature else ", without a temperature"
    form = _FORM_WORDS.get(skills.form, f"response_format {skills.form.value}")
    return f"{model} refused how it was asked: it is asked with {form}{temperature} from now on"
