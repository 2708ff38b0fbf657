"""Reports are made once a day of outcomes; old ones are replaced, those that curves rest on are kept."""

from datetime import timedelta

import pytest
from uuid6 import uuid7

from evaluation.models import CalibrationReport, Outcome
from evaluation.services.calibration import job
from evaluation.services.calibration.job import CalibrationJob, forget_old
from tests.evaluation.services.agents import live

pytestmark = pytest.mark.django_db


def test_it_is_due_once_for_each_day_of_outcomes() -> None:
    calibration = CalibrationJob()
    assert calibration.due() == ()
    live(25, right=lambda stated: stated)
    (key,) = calibration.due()

    calibration.run(key)

    assert calibration.due() == ()
    made = CalibrationReport.objects.count()
    assert made == 2, "one label each that has outcomes"
    calibration.run(key)
    assert CalibrationReport.objects.count() == made
    Outcome.objects.update(resolved_at=Outcome.objects.latest("due_at").due_at.replace(year=2027))
    assert calibration.due() == (Outcome.objects.latest("resolved_at").resolved_at.date().isoformat(),)


def test_the_last_of_a_scope_are_kept_and_those_published(monkeypatch: pytest.MonkeyPatch) -> None:
    live(25, right=lambda stated: stated)
    monkeypatch.setattr(job, "REPORTS_KEPT", 2)
    calibration = CalibrationJob()
    calibration.run("today")
    one = CalibrationReport.objects.get(label_spec="excess-5s-v1")
    for number in range(4):
        one.pk, one.sha256, one.is_published = uuid7(), str(number) * 64, number == 0
        one.created_at += timedelta(days=1)
        one._state.adding = True
        one.save(force_insert=True)

    assert forget_old() == 2

    left = CalibrationReport.objects.filter(label_spec="excess-5s-v1")
    assert sorted(left.values_list("sha256", flat=True)) == ["0" * 64, "2" * 64, "3" * 64]
