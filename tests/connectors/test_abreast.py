"""Questions asked side by side: order, bounds, and what one failure does to the others."""

import threading
from contextvars import ContextVar

import pytest

from connectors.abreast import NotAskedError, ask_abreast

GENEROUS_SECONDS = 30
chosen: ContextVar[str] = ContextVar("chosen", default="")


def test_all_are_under_way_at_once_and_answers_come_in_the_order_asked() -> None:
    together = threading.Barrier(4)

    def ask(number: int) -> int:
        together.wait(GENEROUS_SECONDS)  # breaks unless all four are here at the same time
        return number * 10

    assert ask_abreast(ask, [4, 1, 3, 2], at_once=4) == [40, 10, 30, 20]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_never_more_than_the_bound_are_under_way(at_once: int) -> None:
    guard, under_way, most = threading.Lock(), 0, 0

    def ask(_: int) -> None:
        nonlocal under_way, most
        with guard:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.005)
        with guard:
            under_way -= 1

    ask_abreast(ask, range(20), at_once=at_once)

    assert 1 <= most <= at_once


@pytest.mark.parametrize("at_once", [1, 3])
def test_one_that_fails_takes_no_other_with_it(at_once: int) -> None:
    def ask(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    first, second, third = ask_abreast(ask, [1, 2, 3], at_once=at_once)

    assert (first, third) == (1, 3)
    assert isinstance(second, ValueError)


@pytest.mark.parametrize("at_once", [1, 2])
def test_none_but_the_first_begins_late(at_once: int) -> None:
    asked: list[int] = []

    answers = ask_abreast(asked.append, [1, 2, 3], at_once=at_once, begins_within=0.0)

    assert asked == [1]
    assert answers[0] is None
    assert all(isinstance(answer, NotAskedError) for answer in answers[1:])


def test_after_one_that_says_it_is_enough_none_begins() -> None:
    asked: list[int] = []
    both = threading.Barrier(2)

    def ask(number: int) -> None:
        asked.append(number)
        if number < 3:
            both.wait(GENEROUS_SECONDS)
            raise ValueError("enough")

    answers = ask_abreast(ask, [1, 2, 3, 4], at_once=2, is_enough=lambda error: isinstance(error, ValueError))

    assert sorted(asked) == [1, 2]
    assert [type(answer) for answer in answers] == [ValueError, ValueError, NotAskedError, NotAskedError]


@pytest.mark.parametrize("at_once", [1, 3])
def test_each_is_asked_in_the_callers_context(at_once: int) -> None:
    chosen.set("this one")

    assert ask_abreast(lambda _: chosen.get(), [1, 2, 3], at_once=at_once) == ["this one"] * 3


def test_threads_have_ended_when_it_returns() -> None:
    before = threading.active_count()

    ask_abreast(lambda _: None, range(8), at_once=8)

    assert threading.active_count() == before


def test_nothing_asked_is_nothing_answered() -> None:
    assert ask_abreast(lambda _: None, [], at_once=4) == []
