"""Since when somebody has not looked: a visit lasts while they use the page, and renewals are no use."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import make_user
from trading.access.visits import ABSENT, FIRST_VISIT_SEES, last_look
from trading.models import ConsoleVisit

pytestmark = pytest.mark.django_db
NOON = timezone.now()
MINUTE = timedelta(minutes=1)


def test_first_visit_sees_a_day_and_the_next_what_came_since_the_last_use() -> None:
    ada = make_user()

    assert last_look(ada.pk, now=NOON, is_use=True) == NOON - FIRST_VISIT_SEES
    assert last_look(ada.pk, now=NOON + 5 * MINUTE, is_use=True) == NOON - FIRST_VISIT_SEES
    assert last_look(ada.pk, now=NOON + 5 * MINUTE + ABSENT, is_use=True) == NOON + 5 * MINUTE


def test_page_that_renews_itself_writes_nothing_and_ends_no_absence() -> None:
    ada = make_user()
    last_look(ada.pk, now=NOON, is_use=True)
    for number in range(1, 40):
        last_look(ada.pk, now=NOON + number * MINUTE, is_use=False)

    assert ConsoleVisit.objects.get(user=ada).seen_at == NOON
    assert last_look(ada.pk, now=NOON + 40 * MINUTE, is_use=True) == NOON


def test_each_person_has_their_own_and_a_clock_that_steps_back_hides_nothing() -> None:
    ada, bob = make_user(), make_user()
    last_look(ada.pk, now=NOON, is_use=True)
    assert last_look(bob.pk, now=NOON, is_use=True) == NOON - FIRST_VISIT_SEES

    assert last_look(ada.pk, now=NOON - 60 * MINUTE, is_use=True) <= NOON - 60 * MINUTE
