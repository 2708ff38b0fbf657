"""Reads are repeated within a budget; nothing else is."""

from collections.abc import Callable
from typing import Any

import pytest

from connectors.errors import OutcomeUnknownError, RejectedError, UnavailableError
from connectors.retry import call_with_retry


def make_operation(*outcomes: Any) -> tuple[Callable[[], str], list[int]]:
    """Return an operation that raises or returns these in turn, and the list of its calls."""
    remaining = list(outcomes)
    calls: list[int] = []

    def operation() -> str:
        calls.append(1)
        outcome = remaining.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return str(outcome)

    return operation, calls


def unavailable(retry_after_seconds: float | None = None) -> UnavailableError:
    return UnavailableError("alpaca", "account", "HTTP 503", retry_after_seconds)


def test_the_first_answer_ends_it() -> None:
    operation, calls = make_operation("answer")
    slept: list[float] = []

    assert call_with_retry(operation, deadline_seconds=12, sleep=slept.append) == "answer"
    assert (len(calls), slept) == (1, [])


def test_waits_double_with_jitter() -> None:
    operation, calls = make_operation(unavailable(), unavailable(), "answer")
    slept: list[float] = []

    assert call_with_retry(operation, deadline_seconds=60, sleep=slept.append) == "answer"
    assert len(calls) == 3
    assert 1 <= slept[0] <= 2
    assert 2 <= slept[1] <= 3


def test_waits_are_capped() -> None:
    operation, _ = make_operation(*[unavailable()] * 5)
    slept: list[float] = []

    with pytest.raises(UnavailableError):
        call_with_retry(
            operation, attempts=5, base_seconds=10, cap_seconds=15, deadline_seconds=999, sleep=slept.append
        )

    assert slept[1:] == [15, 15, 15]


def test_the_last_failure_comes_out_after_all_attempts() -> None:
    last = unavailable()
    operation, calls = make_operation(unavailable(), unavailable(), last)

    with pytest.raises(UnavailableError) as caught:
        call_with_retry(operation, deadline_seconds=60, sleep=lambda _: None)

    assert caught.value is last
    assert len(calls) == 3


def test_the_provider_is_waited_for_as_long_as_it_asked() -> None:
    operation, _ = make_operation(unavailable(retry_after_seconds=7.5), "answer")
    slept: list[float] = []

    call_with_retry(operation, deadline_seconds=12, sleep=slept.append)

    assert slept == [7.5]


def test_a_wait_longer_than_the_budget_gives_up_at_once() -> None:
    operation, calls = make_operation(unavailable(retry_after_seconds=60), "answer")
    slept: list[float] = []

    with pytest.raises(UnavailableError):
        call_with_retry(operation, deadline_seconds=12, sleep=slept.append)

    assert (len(calls), slept) == (1, [])


def test_an_attempt_that_could_end_too_late_is_not_begun() -> None:
    operation, calls = make_operation(unavailable(), "answer")

    with pytest.raises(UnavailableError):
        call_with_retry(operation, deadline_seconds=12, attempt_seconds=11.5, sleep=lambda _: None)

    assert len(calls) == 1


@pytest.mark.parametrize(
    "error",
    [
        RejectedError("alpaca", "account", "no", 403),
        OutcomeUnknownError("alpaca", "submit_order", "reset"),
        ValueError("ours"),
    ],
)
def test_nothing_but_unavailable_is_repeated(error: Exception) -> None:
    """docs/lessons.md#lesson-36: an order of unknown outcome least of all."""
    operation, calls = make_operation(error, "answer")

    with pytest.raises(type(error)):
        call_with_retry(operation, deadline_seconds=12, sleep=lambda _: None)

    assert len(calls) == 1
