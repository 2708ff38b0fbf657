"""The switch's flag: engaged once, released by a person with a reason."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from risk.errors import SwitchStateError
from risk.models import KillSwitch
from risk.services import switch
from tests.factories import make_engagement
from tests.risk.threads import at_once


def engage(actor: str = "ada") -> KillSwitch:
    return switch.commit_flag(actor=actor, trigger="operator", reason="odd fills", figures={"fills": "3"})


@pytest.mark.django_db(transaction=True)
def test_one_of_many_engages() -> None:
    def work(number: int) -> bool:
        try:
            engage(f"actor {number}")
        except SwitchStateError:
            return False
        return True

    engaged = at_once(16, work)

    assert engaged.count(True) == 1
    assert KillSwitch.objects.get().engaged_by == f"actor {engaged.index(True)}"


@pytest.mark.django_db(transaction=True)
def test_one_of_many_releases() -> None:
    engage()

    def work(number: int) -> bool:
        try:
            switch.clear_flag(actor=f"actor {number}", reason="cause found")
        except SwitchStateError:
            return False
        return True

    released = at_once(16, work)

    assert released.count(True) == 1
    assert KillSwitch.objects.get().released_by == f"actor {released.index(True)}"


@pytest.mark.django_db
def test_engagement_says_who_why_and_with_which_figures() -> None:
    engagement = engage()

    assert switch.is_engaged()
    current = switch.current_engagement()
    assert current == engagement
    assert (engagement.engaged_by, engagement.trigger, engagement.reason) == ("ada", "operator", "odd fills")
    assert engagement.figures == {"fills": "3"}


@pytest.mark.django_db
@pytest.mark.parametrize(("actor", "reason"), [("", "found"), ("  ", "found"), ("ada", ""), ("ada", "\t")])
def test_release_needs_its_author_and_a_reason(actor: str, reason: str) -> None:
    engage()

    with pytest.raises(ValueError, match="author and a reason"):
        switch.clear_flag(actor=actor, reason=reason)

    assert switch.is_engaged()


@pytest.mark.django_db
def test_release_of_a_released_switch_is_refused() -> None:
    with pytest.raises(SwitchStateError, match="not engaged"):
        switch.clear_flag(actor="ada", reason="found")


@pytest.mark.django_db
def test_switch_can_be_engaged_again_after_its_release() -> None:
    engage()
    released = switch.clear_flag(actor="ada", reason="cause found")

    engage()

    assert (released.released_by, released.release_reason) == ("ada", "cause found")
    assert KillSwitch.objects.count() == 2
    assert switch.is_engaged()


@pytest.mark.django_db
@pytest.mark.parametrize("missing", ["released_by", "release_reason"])
def test_database_refuses_an_unexplained_release(missing: str) -> None:
    explained = {"released_by": "ada", "release_reason": "found"} | {missing: ""}

    with pytest.raises(IntegrityError, match="release_is_explained"), transaction.atomic():
        make_engagement(released_at=timezone.now(), **explained)


@pytest.mark.django_db
def test_database_refuses_a_second_engagement() -> None:
    make_engagement()

    with pytest.raises(IntegrityError, match="one_engagement_at_a_time"), transaction.atomic():
        make_engagement()
