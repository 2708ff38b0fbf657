"""Waiting ends with the condition's value, or says what was waited for."""

import pytest

from tests.waiting import wait_until


def test_the_first_true_value_is_returned() -> None:
    answers = iter([0, "", None, "there"])

    assert wait_until(lambda: next(answers), seconds=120) == "there"
    assert list(answers) == []


def test_what_never_comes_true_is_named_with_its_last_value() -> None:
    with pytest.raises(AssertionError, match=r"the moon did not come true within 0\.05 s, last value \[\]"):
        wait_until(list, seconds=0.05, what="the moon")
