"""What would fit: how fast the models were found to answer, and whether a cycle's symbols are answered in its time."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from django.conf import settings as django_settings
from django.db.models import QuerySet
from django.utils import timezone

from ai import builtin
from ai.domain.pace import Pace, TimedCall, pace_of
from ai.models import ModelCall
from ai.skills import skills_of
from orchestrator_project.runtime.doctor.finding import Answer, Check, Status, ok, warning
from trading.core import settings
from trading.domain.runtime_settings import NUMBERS
from trading.domain.setting_combinations import least_beside
from trading.models import AIDecision, Cycle, Strategy

CALLS_LOOKED_AT = timedelta(days=1)
MOST_CALLS = 100


def model_speed() -> Answer:
    """Tell the speed that was measured of each model, and what would fit where a cycle's symbols do not."""
    models = _models()
    if not models:
        return Answer(Status.OFF, "the built-in analyst needs no time")
    symbols = _symbols_asked()
    answers = [_judged(model, symbols) for model in models]
    slow = [answer for answer in answers if answer.status is Status.WARNING]
    found = "; ".join(answer.found for answer in answers)
    # A fallback that is slow needs no remedy while the first model is fast enough.
    return warning(found, slow[0].remedy) if answers[0].status is Status.WARNING else ok(found)


def _models() -> list[str]:
    own = [name for names in _active().values_list("model_names", flat=True) for name in names]
    names = [*django_settings.ENVIRONMENT.ai_models, *own]
    return [name for name in dict.fromkeys(names) if name != builtin.MODEL]


def _symbols_asked() -> int:
    """Return about how many symbols a cycle puts to the models: what the last one asked, all strategies together."""
    last = Cycle.objects.filter(cycle_type=Cycle.Type.ANALYSIS, ended_at__isnull=False).order_by("-number")
    newest = last.first()
    asked = 0
    if newest is not None:
        asked = AIDecision.objects.filter(cycle=newest).exclude(status="skipped").count()
    whole = settings.count("max_stocks") + settings.count("max_coins")
    return asked or whole * max(_active().count(), 1)


def _judged(model: str, symbols: int) -> Answer:
    calls = list(_calls(model))
    known = skills_of([model], api_base=django_settings.ENVIRONMENT.ai_api_base).get(model)
    pace = pace_of(calls)
    if pace is None and known is not None and known.seconds_per_symbol:
        pace = Pace(known.seconds_per_symbol)  # none was answered in time: what is known of it by that
    if pace is None:
        return ok(f"{model}: not asked yet")
    words = f"{model}: {pace.symbols_per_minute:.0f} symbols a minute"
    if calls:
        longest = max((call.ended_at - call.began_at).total_seconds() for call in calls)
        words += f", its longest call {longest:.1f} s"
    if known is not None and known.calls_at_once is not None:
        words += f", calls at once: {known.calls_at_once}"
    timeout = settings.seconds("analysis_timeout")
    fits = pace.fitting(timeout)
    words += f"; {min(fits, symbols)} of {symbols} symbols a cycle fit into analysis_timeout ({timeout:g} s)"
    return ok(words) if fits >= symbols else warning(words, _remedy(pace, symbols, fits))


def _calls(model: str) -> Iterator[TimedCall]:
    """Yield the last calls of a day that say how fast the model is: answered, or not in time."""
    since = timezone.now() - CALLS_LOOKED_AT
    told = (ModelCall.Status.SUCCEEDED, ModelCall.Status.TIMEOUT)
    rows = ModelCall.objects.trading().filter(model=model, created_at__gte=since, status__in=told)
    for row in rows.order_by("-created_at")[:MOST_CALLS]:
        answered = len(row.symbols) if row.status == ModelCall.Status.SUCCEEDED else 0
        ended_at = row.started_at + timedelta(milliseconds=row.latency_ms)
        yield TimedCall(row.started_at, ended_at, answered)


def _remedy(pace: Pace, symbols: int, fits: int) -> str:
    fewer = f"let a cycle look at {fits} symbols at most (max_stocks, max_coins, a strategy's own symbols)"
    needed = pace.seconds_for(symbols)
    if needed > NUMBERS["analysis_timeout"].maximum:
        return f"{fewer}, or take a faster model"
    least = least_beside(analysis=Decimal(needed), fetch=settings.runtime_value("fetch_timeout"))
    short = [f"{name} {value:g}" for name, value in least.items() if settings.runtime_value(name) < value]
    first = f"set {', '.join(short)}, then " if short else "set "
    return f"{first}analysis_timeout {needed}; or {fewer}"


def _active() -> QuerySet[Strategy]:
    return Strategy.objects.trading()


CHECKS = (Check("model speed", model_speed, needs=("migrations",), late=Status.WARNING),)
