"""A model that fails is left alone by every analysis, then tried with one call."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from ai.analysis import AnalysisSettings
from ai.domain.breaker import COOL_DOWN, LONGEST_RETRY_AFTER, Admission, Breaker
from ai.domain.types import HoldReason
from ai.models import ModelCall
from ai.results import AnalysisResult
from ai.routing import breaker_of
from tests.ai.chat_server import API_KEY, ChatServer
from tests.ai.factories import analyse, make_question

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SYMBOLS = tuple(f"S{number}" for number in range(6))
SECOND = timedelta(seconds=1)


def broken(*, failures: int = 3) -> Breaker:
    breaker = Breaker()
    for _ in range(failures):
        breaker.failed(NOW, None)
    return breaker


def make_calls(
    *statuses: str, model: str = "openai/first", ended: datetime | None = None, **extra: Any
) -> None:
    """Write calls, the oldest first, the last of which ended at ``ended`` (default: now)."""
    last = ended or timezone.now()
    for age, status in enumerate(reversed(statuses)):
        values = {
            "model": model,
            "provider": "openai",
            "prompt_version": "v",
            "prompt_hash": "0" * 64,
            "prompt": [],
            "symbols": [],
            "status": status,
            "error_type": "" if status == "succeeded" else "ModelUnavailableError",
            "latency_ms": 5000,
            "started_at": last,
            "created_at": last - age * SECOND,
        }
        ModelCall.objects.create(**(values | extra))


def run(server: ChatServer, *models: str, **settings: Any) -> AnalysisResult:
    values: dict[str, Any] = {"batch_size": 1, "api_base": server.api_base, "api_key": API_KEY, **settings}
    return analyse(
        question=make_question(*SYMBOLS),
        models=models,
        settings=AnalysisSettings(**values),
        cycle_id=None,
    )


def test_two_failures_leave_it_closed_and_three_open_it() -> None:
    assert broken(failures=2).admit(NOW) is Admission.GRANTED
    assert broken(failures=3).admit(NOW) is Admission.REFUSED


def test_after_the_pause_one_call_tries_it_and_the_others_wait() -> None:
    breaker = broken()
    later = NOW + COOL_DOWN

    assert [breaker.admit(later), breaker.admit(later)] == [Admission.GRANTED, Admission.WAIT]
    breaker.succeeded()
    assert breaker.admit(later) is Admission.GRANTED


def test_a_failed_try_opens_it_again() -> None:
    breaker = broken()
    later = NOW + COOL_DOWN
    breaker.admit(later)

    breaker.failed(later, None)

    assert breaker.admit(later + COOL_DOWN - SECOND) is Admission.REFUSED
    assert breaker.admit(later + COOL_DOWN) is Admission.GRANTED


def test_a_try_that_was_not_made_lets_another_one_in() -> None:
    breaker = broken()
    breaker.admit(NOW + COOL_DOWN)

    breaker.let_go()

    assert breaker.admit(NOW + COOL_DOWN) is Admission.GRANTED


def test_retry_after_opens_it_at_once_and_within_bounds() -> None:
    busy, absurd = Breaker(), Breaker()

    busy.failed(NOW, timedelta(seconds=7))
    absurd.failed(NOW, timedelta(days=1))

    assert busy.open_until == NOW + timedelta(seconds=7)
    assert absurd.open_until == NOW + LONGEST_RETRY_AFTER


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statuses", "is_open"),
    [
        ((), False),
        (("failed", "failed"), False),
        (("failed", "timeout", "invalid"), True),
        (("succeeded", "failed", "failed", "failed"), True),
        (("failed", "failed", "failed", "succeeded"), False),
        (("failed", "succeeded", "failed", "failed"), False),
    ],
)
def test_the_record_of_calls_is_the_breakers_memory(statuses: tuple[str, ...], is_open: bool) -> None:
    make_calls(*statuses)
    make_calls("succeeded", "failed", "failed", "failed", model="openai/other")

    admitted = breaker_of("openai/first").admit(timezone.now())

    assert admitted is (Admission.REFUSED if is_open else Admission.GRANTED)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "extra",
    [{"error_type": "ModelRejectedError"}, {"status": "timeout", "latency_ms": 400}],
    ids=["rejected requests", "timeouts for want of time"],
)
def test_calls_that_say_nothing_about_the_model_do_not_count(extra: dict[str, Any]) -> None:
    make_calls("failed", "failed", "failed", **extra)

    assert breaker_of("openai/first").admit(timezone.now()) is Admission.GRANTED


@pytest.mark.django_db
def test_an_analysis_leaves_alone_what_earlier_ones_found_broken(chat_server: ChatServer) -> None:
    make_calls("failed", "failed", "failed")

    result = run(chat_server, "openai/first", "openai/second")

    assert set(result.proposals) == set(SYMBOLS)
    assert set(chat_server.asked_models()) == {"second"}
    [switch] = result.switches
    assert (switch.cause, switch.batches) == ("breaker_open", 6)
    assert "openai/first failed repeatedly and is left alone until" in switch.detail


@pytest.mark.django_db
def test_a_breaker_opens_within_an_analysis(chat_server: ChatServer) -> None:
    run(chat_server, "openai/broken", "openai/second", concurrency=1)

    assert chat_server.asked_models().count("broken") == 3
    assert chat_server.asked_models().count("second") == 6


@pytest.mark.django_db
def test_one_call_tries_a_model_whose_pause_is_over(chat_server: ChatServer) -> None:
    make_calls("failed", "failed", "failed", ended=timezone.now() - COOL_DOWN)

    run(chat_server, "openai/broken", "openai/second", concurrency=4)

    assert chat_server.asked_models().count("second") == 6


@pytest.mark.django_db
def test_a_model_that_recovered_is_used_again(chat_server: ChatServer) -> None:
    make_calls("failed", "failed", "failed", ended=timezone.now() - COOL_DOWN)

    result = run(chat_server, "openai/first")

    assert set(result.proposals) == set(SYMBOLS)
    assert len(chat_server.requests) == 6


@pytest.mark.django_db
def test_the_last_model_is_left_alone_too_and_says_so(chat_server: ChatServer) -> None:
    make_calls("failed", "failed", "failed")

    result = run(chat_server, "openai/first")

    assert chat_server.requests == []
    assert {hold.reason for hold in result.holds.values()} == {HoldReason.ANALYSIS_FAILED}
    assert result.is_model_failure
    assert "left alone until" in result.failure


@pytest.mark.django_db
def test_a_provider_that_says_when_to_come_back_is_obeyed_by_the_next_analysis(
    chat_server: ChatServer,
) -> None:
    run(chat_server, "openai/busy", batch_size=6)
    asked = len(chat_server.requests)

    run(chat_server, "openai/busy", batch_size=6)

    assert ModelCall.objects.get().retry_after_seconds == 7
    assert len(chat_server.requests) == asked == 1
