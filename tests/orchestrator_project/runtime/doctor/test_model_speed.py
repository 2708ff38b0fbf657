"""The doctor says how fast a model was found to be, and what would fit."""

import pytest
from pytest_django import Settings

from ai.models import ModelCapability
from orchestrator_project.environment import load_environment
from orchestrator_project.runtime.doctor.model_speed import model_speed
from tests.factories import make_cycle, make_decision, make_model_call, make_strategy
from trading.core.settings import set_runtime_setting

pytestmark = pytest.mark.django_db
ADDRESS = "http://127.0.0.1:8080/v1"
MODEL = "openai/local"


@pytest.fixture
def local(settings: Settings) -> None:
    """A model on this machine."""
    settings.ENVIRONMENT = load_environment(
        {"AI_MODELS": MODEL, "AI_API_KEY": "none", "AI_API_BASE": ADDRESS}
    )


def asked(call_seconds: int, *, calls: int | None = None) -> None:
    """The last cycle asked the model about 20 symbols in one call."""
    ModelCapability.objects.create(model=MODEL, address=ADDRESS, calls_at_once=calls)
    symbols = [f"S{number}" for number in range(20)]
    make_model_call(model=MODEL, latency_ms=call_seconds * 1000, symbols=symbols)
    cycle, strategy = make_cycle(), make_strategy()
    for symbol in symbols:
        make_decision(cycle=cycle, strategy=strategy, symbol=symbol, status="held")
    make_decision(cycle=cycle, strategy=strategy, symbol="NONE", status="skipped")


def test_the_built_in_analyst_needs_no_time() -> None:
    assert model_speed().status == "off"


def test_a_model_that_was_not_asked_has_no_speed(local: None) -> None:
    answer = model_speed()

    assert (answer.status, answer.found) == ("ok", "openai/local: not asked yet")


def test_what_would_fit_is_said_with_the_settings_to_change_in_their_order(local: None) -> None:
    asked(50, calls=1)

    answer = model_speed()

    assert answer.status == "warning"
    assert answer.found == (
        "openai/local: 24 symbols a minute, its longest call 50.0 s, calls at once: 1;"
        " 10 of 20 symbols a cycle fit into analysis_timeout (30 s)"
    )
    assert answer.remedy == (
        "set cycle_interval 72, then analysis_timeout 60; or let a cycle look at 10 symbols at most"
        " (max_stocks, max_coins, a strategy's own symbols)"
    )


def test_what_the_doctor_suggests_is_taken_and_ends_the_warning(local: None) -> None:
    asked(50)
    set_runtime_setting(name="cycle_interval", value="72", actor="test")
    set_runtime_setting(name="analysis_timeout", value="60", actor="test")

    answer = model_speed()

    assert (answer.status, answer.remedy) == ("ok", "")
    assert "20 of 20 symbols a cycle fit" in answer.found


def test_a_model_too_slow_for_any_time_is_given_fewer_symbols(local: None) -> None:
    asked(2400)

    assert model_speed().remedy == (
        "let a cycle look at 1 symbols at most (max_stocks, max_coins, a strategy's own symbols),"
        " or take a faster model"
    )


def test_a_slow_fallback_needs_no_remedy(local: None, settings: Settings) -> None:
    asked(2400)
    chain = {"AI_MODELS": f"openai/first,{MODEL}", "AI_API_KEY": "none", "AI_API_BASE": ADDRESS}
    settings.ENVIRONMENT = load_environment(chain)

    assert model_speed().status == "ok"


def test_a_model_that_never_answered_in_time_is_judged_by_that(local: None) -> None:
    ModelCapability.objects.create(model=MODEL, address=ADDRESS, milliseconds_per_symbol=3000)
    make_model_call(
        model=MODEL, latency_ms=30_000, symbols=["S1"], status="timeout", error_type="ModelTimeoutError"
    )

    answer = model_speed()

    assert answer.status == "warning"
    assert "openai/local: 20 symbols a minute, its longest call 30.0 s; 8 of " in answer.found
