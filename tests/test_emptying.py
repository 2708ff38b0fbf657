"""What a test in real transactions leaves behind is gone, and nothing that the next one needs."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import TransactionTestCase

from tests import emptying
from tests.factories import make_fill, make_order
from trading.models import Fill, Order

pytestmark = pytest.mark.django_db(transaction=True)


def test_emptied_tables_are_those_that_had_rows() -> None:
    order = make_order()
    make_fill(order=order)

    emptied = emptying.empty(connection)

    assert {"orders", "fills", "ai_decisions", "cycles"} <= set(emptied)
    assert "events" not in emptied
    assert not Order.objects.exists()
    assert not Fill.objects.exists()
    assert emptying.empty(connection) == []


def test_many_rows_leave_a_small_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE before AS SELECT pg_relation_size('django_session') AS bytes")
        cursor.execute(
            "INSERT INTO django_session SELECT n::text, repeat('x', 500), now() FROM generate_series(1, 5000) n"
        )

    emptied = emptying.empty(connection)

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('django_session') <= bytes FROM before")
        assert cursor.fetchone() == (True,)
    assert emptied == ["django_session"]


def test_permissions_and_content_types_stay() -> None:
    make_order()

    emptying.empty(connection)

    kind = ContentType.objects.get(app_label="trading", model="order")
    assert Permission.objects.filter(content_type=kind, codename="view_order").exists()


def test_every_transactional_test_is_emptied_this_way() -> None:
    assert TransactionTestCase._fixture_teardown is emptying._empty_all


def test_commits_do_not_wait_for_the_disk() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("off",)
