"""What tests of pages begin with is what the product's first start leaves."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestrator_project.runtime.prepare import is_seeded, seed
from tests import emptying, seeding
from tests.factories import make_agent, make_strategy
from trading.models import AgentStatus, RuntimeSetting, Strategy

pytestmark = pytest.mark.django_db
OF_THE_MOMENT = ("id", "password", "permission_id", "content_type_id")


def contents() -> dict[str, list[str]]:
    """Return the rows by table, without what differs from one start to the next."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for table in emptying.written_tables(connection):
            cursor.execute(f"SELECT to_jsonb(t)::text FROM {connection.ops.quote_name(table)} t")  # noqa: S608 - our own tables
            rows = [json.loads(text) for (text,) in cursor.fetchall()]
            found[table] = sorted(json.dumps(_of_any_start(row), sort_keys=True) for row in rows)
    return found


def _of_any_start(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: "a moment" if isinstance(value, str) and value.startswith("20") and "T" in value else value
        for name, value in row.items()
        if name not in OF_THE_MOMENT and not name.endswith("_id")
    }


def test_rows_are_those_of_the_first_start() -> None:
    with transaction.atomic():
        seed()
        by_the_product = contents()
        transaction.set_rollback(True)
    with transaction.atomic():
        seeding.seed_again()  # kept now at the latest
        transaction.set_rollback(True)

    seeding.seed_again()

    assert contents() == by_the_product
    assert "runtime_settings" in by_the_product
    assert is_seeded()
    assert Group.objects.get(name="viewer").permissions.filter(codename="view_order").exists()
    later = [User.objects.create_user("one"), make_strategy()]
    assert all(row.pk for row in later)


def test_rows_are_of_this_moment() -> None:
    with transaction.atomic():
        seeding.seed_again()
        transaction.set_rollback(True)
    begun = timezone.now()

    seeding.seed_again()

    assert RuntimeSetting.objects.earliest("updated_at").updated_at >= begun


def test_rows_that_are_there_stay() -> None:
    make_agent(mode="manual")
    strategy = make_strategy()

    seeding.seed_again()

    assert AgentStatus.objects.get().mode == "manual"
    assert Strategy.objects.get() == strategy
    assert is_seeded()


def test_a_first_start_asks_few_questions(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(100):
        seed()


def test_rows_are_kept_from_a_database_that_has_only_what_migrations_lay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seeding, "_rows", {})
    monkeypatch.setattr(seeding, "_statements", {})
    emptying.empty(connection)  # of what a server that other tests share has committed
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO metric_totals VALUES (1, now(), '{}', 0) ON CONFLICT DO NOTHING")
    with transaction.atomic():
        seeding.seed_again()
        transaction.set_rollback(True)

    with CaptureQueriesContext(connection) as asked:
        seeding.seed_again()

    assert "runtime_settings" in seeding._rows
    assert "metric_totals" not in seeding._rows
    assert len(asked) <= 4, "it asks whether the tables are empty, and writes them all at once"
