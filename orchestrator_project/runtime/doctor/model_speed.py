"""What would fit: how fast the models were found to answer, and whether a cycle's symbols are answered in its time."""

from datetime import timedelta

from django.conf import settings as django_settings
from django.db.models import Max, QuerySet
from django.utils import timezone

from ai import builtin
from ai.domain.pace import Pace
from ai.models import ModelCall
from ai.skills import skills_of
from orchestrator_project.runtime.doctor.finding import Answer, Check, Status, ok, warning
from trading.core import settings
from trading.domain.runtime_settings import NUMBERS
from trading.domain.setting_combinations import ROOM_FOR_ORDERS
from trading.models import AIDecision, Cycle, Strategy

CALLS_LOOKED_AT = timedelta(days=1)


def model_speed() -> Answer:
    """Tell the speed that was measured of each model, and what would fit where a cycle's symbols do not."""
    models = _models()
    if not models:
        return Answer(Status.OFF, "the built-in analyst needs no time")
    skills = skills_of(models, api_base=django_settings.ENVIRONMENT.ai_api_base)
    most, symbols = settings.count("model_concurrency"), _symbols_asked()
    answers = []
    for model in models:
        known = skills.get(model)
        if known is None or not known.seconds_per_symbol:
            answers.append(ok(f"{model}: not slow enough yet to be measured"))
            continue
        calls = min(known.calls_at_once or most, most)
        answers.append(_judged(model, Pace(known.seconds_per_symbol, calls), symbols))
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


def _judged(model: str, pace: Pace, symbols: int) -> Answer:
    since = timezone.now() - CALLS_LOOKED_AT
    calls = ModelCall.objects.filter(model=model, created_at__gte=since, status=ModelCall.Status.SUCCEEDED)
    longest = calls.aggregate(longest=Max("latency_ms"))["longest"]
    timeout = settings.seconds("analysis_timeout")
    at_once = f"{pace.calls_at_once} calls at once" if pace.calls_at_once > 1 else "1 call at once"
    words = f"{model}: {pace.symbols_per_minute:.0f} symbols a minute ({pace.seconds_per_symbol:.1f} s each, {at_once})"
    if longest is not None:
        words += f", the longest call of a day {longest / 1000:.1f} s"
    fits = pace.fitting(timeout)
    words += f"; {min(fits, symbols)} of {symbols} a cycle fit into analysis_timeout ({timeout:g} s)"
    return ok(words) if fits >= symbols else warning(words, _remedy(pace, symbols, fits))


def _remedy(pace: Pace, symbols: int, fits: int) -> str:
    fewer = f"let a cycle look at {fits} symbols at most (max_stocks, max_coins, a strategy's own symbols)"
    needed = pace.seconds_for(symbols)
    if needed > NUMBERS["analysis_timeout"].maximum:
        return f"{fewer}, or take a faster model"
    fetch = settings.seconds("fetch_timeout")
    stage = needed + fetch
    least = {
        "cycle_interval": stage,
        "price_max_age": stage,
        "cycle_deadline": stage + float(ROOM_FOR_ORDERS),
    }
    short = [f"{name} {value:g}" for name, value in least.items() if settings.seconds(name) < value]
    first = f"set {', '.join(short)}, then " if short else "set "
    return f"{first}analysis_timeout {needed}; or {fewer}"


def _active() -> QuerySet[Strategy]:
    return Strategy.objects.filter(is_active=True)


CHECKS = (Check("model speed", model_speed, needs=("migrations",), late=Status.WARNING),)
