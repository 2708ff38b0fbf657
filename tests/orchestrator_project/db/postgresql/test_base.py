"""Ids are written into statements in the words of the driver's own adapter."""

from uuid import UUID, uuid4

import pytest
from django.db import connection
from psycopg2.extensions import adapt
from psycopg2.extras import UUID_adapter
from uuid6 import uuid7

from orchestrator_project.db.postgresql.base import QuotedId


@pytest.mark.parametrize("value", [uuid4(), uuid7(), UUID(int=0)], ids=["uuid4", "uuid7", "zero"])
def test_id_is_written_as_the_driver_writes_it(value: UUID) -> None:
    adapted = adapt(value)

    assert isinstance(adapted, QuotedId)
    assert adapted.getquoted() == UUID_adapter(value).getquoted()


@pytest.mark.django_db
def test_ids_come_back_as_they_went_also_in_lists() -> None:
    ids = [uuid4(), uuid7()]

    with connection.cursor() as cursor:
        cursor.execute("SELECT %s, %s = ANY(%s), %s::uuid[]", [ids[0], ids[1], ids, []])
        found = cursor.fetchone()

    assert found == (ids[0], True, [])
