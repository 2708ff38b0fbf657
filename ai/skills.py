"""What models were found to take, per address: learnt from their refusals and their speed, and remembered."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from django.utils import timezone

from ai.domain.refusals import AnswerForm, refuses_form, refuses_temperature
from ai.errors import ModelError
from ai.models import ModelCapability

# A server is exchanged, a model updated: what was learnt is tried anew after a week.
REMEMBERED = timedelta(days=7)
LARGEST = 2**31 - 1  # the columns' own
_NEW_WEIGHT = 0.5  # of a new measurement of the speed, beside all earlier ones


@dataclass(frozen=True, slots=True)
class Skills:
    """How a model is asked; see ``ModelCapability``."""

    form: AnswerForm = AnswerForm.SCHEMA
    takes_temperature: bool = True
    most_symbols: int | None = None
    seconds_per_symbol: float | None = None
    tokens_per_second: float | None = None
    calls_at_once: int | None = None

    def simpler_than_refused(self, error: ModelError) -> "Skills | None":
        """Return how to ask instead, None where the refusal is about nothing that could be left out."""
        if not error.may_be_simpler or error.refusal is not None:
            return None
        if self.takes_temperature and refuses_temperature(error.detail):
            return replace(self, takes_temperature=False)
        if refuses_form(error.detail) and self.form.simpler is not None:
            return replace(self, form=self.form.simpler)
        return None

    def with_speed(self, symbols: int, seconds: float, tokens: int) -> "Skills":
        """Return the skills with one more answer measured."""
        return replace(
            self,
            seconds_per_symbol=_blend(self.seconds_per_symbol, seconds / max(symbols, 1)),
            tokens_per_second=_blend(self.tokens_per_second, tokens / max(seconds, 0.001)),
        )

    def too_slow(self, symbols: int, seconds: float) -> "Skills":
        """Return the skills after no answer came: it would have taken twice the time, for all that is known."""
        least = 2 * seconds / max(symbols, 1)
        return replace(self, seconds_per_symbol=max(self.seconds_per_symbol or 0.0, least))

    def with_fewer_calls(self, under_way: int) -> "Skills":
        """Return the skills after so many calls at once were too many: half of them."""
        return replace(self, calls_at_once=max(1, min(under_way, self.calls_at_once or under_way) // 2))

    def with_one_more_call(self, most: int) -> "Skills":
        """Return the skills after there was time to spare: one call more, and no limit of its own from ``most`` on."""
        more = (self.calls_at_once or most) + 1
        return replace(self, calls_at_once=more if more < most else None)


def skills_of(models: Iterable[str], *, api_base: str | None) -> dict[str, Skills]:
    """Read what is remembered of the models at an address; nothing of what is older than ``REMEMBERED``."""
    young = ModelCapability.objects.filter(
        address=api_base or "", model__in=list(models), learnt_at__gt=timezone.now() - REMEMBERED
    )
    return {
        row.model: Skills(
            AnswerForm(row.answer_form) if row.answer_form in list(AnswerForm) else AnswerForm.SCHEMA,
            row.takes_temperature,
            row.most_symbols,
            None if row.milliseconds_per_symbol is None else row.milliseconds_per_symbol / 1000,
            row.tokens_per_second,
            row.calls_at_once,
        )
        for row in young
    }


def remember(model: str, skills: Skills, *, api_base: str | None) -> None:
    """Write down what was learnt; the time it is kept for begins with the first of it."""
    address = api_base or ""
    values = {
        "answer_form": skills.form.value,
        "takes_temperature": skills.takes_temperature,
        "most_symbols": skills.most_symbols,
        "milliseconds_per_symbol": _whole(skills.seconds_per_symbol, 1000),
        "tokens_per_second": _whole(skills.tokens_per_second, 1),
        "calls_at_once": skills.calls_at_once,
    }
    ModelCapability.objects.filter(
        model=model, address=address, learnt_at__lte=timezone.now() - REMEMBERED
    ).delete()
    ModelCapability.objects.update_or_create(model=model, address=address, defaults=values)


def _whole(value: float | None, factor: int) -> int | None:
    return None if value is None else min(round(value * factor), LARGEST)


def _blend(before: float | None, now: float) -> float:
    return now if before is None else (1 - _NEW_WEIGHT) * before + _NEW_WEIGHT * now
