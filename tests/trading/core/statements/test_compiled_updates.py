"""An update that is written once finds by its keys and by its moments what the same update finds anew each time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from tests.trading.scenes import ago, change, passed
from trading.core.statements.compiled_updates import CompiledUpdate
from trading.models import Saga

A_MINUTE = timedelta(minutes=1)
AN_HOUR_ON = timedelta(hours=1)


def _young(keys: Sequence[UUID], now: datetime) -> tuple[QuerySet[Saga], Mapping[str, Any]]:
    rows = Saga.objects.filter(pk=keys[0], started_at__gt=now - A_MINUTE)
    return rows, {"next_poll_at": now + AN_HOUR_ON}


@pytest.mark.usefixtures("account")
def test_keys_and_moments_are_those_of_each_call() -> None:
    update = CompiledUpdate(_young)
    saga = passed()
    now = ago()

    assert update.run(uuid4(), now=now) == 0
    assert update.run(saga.pk, now=now) == 1
    assert Saga.objects.get(pk=saga.pk).next_poll_at == now + AN_HOUR_ON

    change(saga, started_at=ago(seconds=90))
    assert update.run(saga.pk, now=ago()) == 0
    assert update.run(saga.pk, now=ago(seconds=60)) == 1


@pytest.mark.usefixtures("account")
def test_moment_that_is_not_of_now_stays_as_it_is() -> None:
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    update = CompiledUpdate(lambda keys, now: (Saga.objects.filter(pk=keys[0]), {"ended_at": long_ago}))
    saga = passed()

    assert update.run(saga.pk, now=ago()) == 1
    assert Saga.objects.get(pk=saga.pk).ended_at == long_ago


@pytest.mark.usefixtures("account")
def test_statement_is_the_one_that_django_writes() -> None:
    saga, now = passed(), ago()
    update = CompiledUpdate(_young)
    update.run(saga.pk, now=now)

    with CaptureQueriesContext(connection) as asked:
        update.run(saga.pk, now=now)
        rows, changes = _young([saga.pk], now)
        rows.update(**changes)

    ours, djangos = (query["sql"] for query in asked)
    assert ours == djangos


@pytest.mark.usefixtures("account")
def test_what_is_neither_key_nor_moment_is_written_out_so_that_a_partial_index_serves_it() -> None:
    update = CompiledUpdate(
        lambda keys, now: (Saga.objects.open().filter(pk=keys[0]), {"next_poll_at": now, "error": "50 %"})
    )
    saga, now = passed(), ago()

    statement = update.as_statement(saga.pk, now=now, name="left")
    assert set(statement.values.values()) == {saga.pk, now}
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)

    assert Saga.objects.get(pk=saga.pk).error == "50 %"


def test_key_that_does_not_come_through_is_refused() -> None:
    update = CompiledUpdate(lambda keys, now: (Saga.objects.filter(error=str(keys[0])), {"error": ""}))

    with pytest.raises(ValueError, match="not in the statement as they were given"):
        update.run(uuid4(), now=ago())
