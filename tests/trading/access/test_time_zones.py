"""The zone in which a person reads times: the browser's until they choose one."""

import pytest

from tests.factories import make_user
from trading.access.time_zones import choose_time_zone, time_zone_of, zones


@pytest.mark.django_db
def test_choice_is_kept_for_the_person_alone_and_taken_back() -> None:
    ann, bob = make_user("ann"), make_user("bob")

    choose_time_zone(ann.pk, "Europe/Berlin")
    assert (time_zone_of(ann.pk), time_zone_of(bob.pk)) == ("Europe/Berlin", "")

    choose_time_zone(ann.pk, "")
    assert time_zone_of(ann.pk) == ""


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["Berlin", "Europe/Nowhere", "UTC+2", "../etc/passwd"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    ann = make_user("ann")

    with pytest.raises(ValueError, match="expected a name like Europe/Berlin"):
        choose_time_zone(ann.pk, name)
    assert time_zone_of(ann.pk) == ""


def test_utc_can_be_chosen_first() -> None:
    assert zones()[0] == "UTC"
    assert "America/New_York" in zones()
