"""Denials go after days, and of long ended days all points but the last."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from uuid6 import uuid7

from evaluation.models import ShadowBook, ShadowDecision, ShadowPoint
from evaluation.services.shadow.forgetting import DENIALS_KEPT, POINTS_KEPT, forget_old
from tests.evaluation.services.shadow.scenes import traded_shadow
from tests.trading.scenes import change

pytestmark = pytest.mark.django_db


def test_denials_go_and_the_rest_stays() -> None:
    traded_shadow()
    book, filled = ShadowBook.objects.get(), ShadowDecision.objects.get()
    old = timezone.now() - DENIALS_KEPT - timedelta(minutes=1)
    change(filled, created_at=old)
    denied = ShadowDecision.objects.get(pk=filled.pk)
    denied.pk, denied.cycle_id, denied.status, denied.reason = uuid7(), uuid7(), "denied", "low_confidence"
    denied.save(force_insert=True)
    change(denied, created_at=old)

    assert forget_old(book) == 1

    assert ShadowDecision.objects.get() == filled


def test_of_an_old_day_its_last_point_stays() -> None:
    traded_shadow()
    book = ShadowBook.objects.get()
    points = list(ShadowPoint.objects.order_by("cycle_number"))
    for point in points:
        change(point, created_at=timezone.now() - POINTS_KEPT - timedelta(days=1))
    later = points[-1]
    ShadowPoint.objects.create(
        book=book,
        cycle_id=uuid7(),
        cycle_number=9,
        at=later.at + timedelta(days=1),
        equity=Decimal(1),
        cash=Decimal(1),
        exposure=Decimal(0),
        positions=0,
        outcome="decided",
    )

    assert forget_old(book) == 2

    assert list(ShadowPoint.objects.order_by("cycle_number").values_list("cycle_number", flat=True)) == [3, 9]
