"""The analyst: the language models named, or the built-in one; and what may still be spent."""

from typing import Any

from django.conf import settings
from django.utils import timezone

from ai import builtin, gateway
from ai.domain.budget import day_start
from ai.models import ModelCall, ModelPrice
from ai.routing import is_local
from orchestrator_project.runtime.doctor.finding import Answer, Check, Status, failed, ok, warning

KEY_ENDINGS = ("_KEY", "_TOKEN", "_SECRET")  # addresses have defaults


def analyst() -> Answer:
    """Look up the models' names in litellm's lists; no model is called, so a key is not tried."""
    names = settings.ENVIRONMENT.ai_models
    if not names:
        return ok(f"{builtin.LABEL}; set AI_MODELS to ask a language model")
    answers = [_judge(name) for name in names]
    found = "; ".join(answer.found for answer in answers)
    remedy = "; ".join(dict.fromkeys(answer.remedy for answer in answers if answer.remedy))
    statuses = {answer.status for answer in answers}
    if statuses == {Status.OK}:
        return ok(found)
    return failed(found, remedy) if statuses == {Status.FAILED} else warning(found, remedy)


def budget() -> Answer:
    """Add up what the models cost today."""
    environment = settings.ENVIRONMENT
    if not environment.ai_models:
        return Answer(Status.OFF, "the built-in analyst costs nothing")
    today = day_start(timezone.now())
    spent = ModelCall.objects.cost_since(today)
    words = f"{spent:.4f} of {environment.ai_daily_budget_usd:.2f} USD spent since midnight UTC"
    if spent < environment.ai_daily_budget_usd:
        return ok(words)
    return warning(
        f"{words}: every decision holds", "raise AI_DAILY_BUDGET_USD and restart, or wait for midnight UTC"
    )


def _judge(name: str) -> Answer:
    """Judge one name; failed means that it cannot be asked at all."""
    if name == builtin.MODEL:
        return ok(f"{name} ({builtin.LABEL})")
    litellm = gateway.load()
    provider, _, model = name.partition("/")
    if not model:
        known = name in litellm.model_cost
        words = f"{name}: no provider prefix"
        remedy = f"write it as provider/model, e.g. openai/{name}"
        return warning(words, remedy) if known else failed(words, remedy)
    if provider not in {str(getattr(each, "value", each)) for each in litellm.provider_list}:
        return failed(f"{name}: unknown provider", "use a name of https://docs.litellm.ai/docs/providers")
    if missing := _missing_keys(litellm, name):
        return failed(
            f"{name}: {missing} is not set", f"set AI_API_KEY, or {missing} for that provider alone"
        )
    known = gateway.known_facts(name).price is not None or ModelPrice.objects.filter(pk=name).exists()
    if known:
        return ok(name)
    if is_local(settings.ENVIRONMENT.ai_api_base):
        return warning(
            f"{name}: its price is not known; served by this machine, it counts nothing",
            "set it in the console under Model prices where it costs something",
        )
    return failed(
        f"{name}: its price is not known, so it is not asked", "set it in the console under Model prices"
    )


def _missing_keys(litellm: Any, name: str) -> str:
    """Return the names of keys that litellm would take from the environment and does not find there."""
    told = litellm.validate_environment(name, api_key=settings.ENVIRONMENT.ai_api_key)
    return " and ".join(key for key in told["missing_keys"] if key.endswith(KEY_ENDINGS))


CHECKS = (
    Check("analyst", analyst, needs=("migrations",), late=Status.WARNING),
    Check("budget", budget, needs=("migrations",)),
)
