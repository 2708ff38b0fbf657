"""Statements planned once for each connection, which change nothing for any other statement of their session."""

import pytest
from django.db import connection, transaction

from trading.core.statements.prepared_statements import Prepared

TWICE = Prepared("twice", "integer", "SELECT 2 * $1")


def plan_mode() -> str:
    """Return how the session's next statement would be planned."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW plan_cache_mode")
        return str(cursor.fetchone()[0])


def plans_of(name: str) -> tuple[bool, int]:
    """Return whether the statement was run with its kept plan, and how often with one made anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans > 0, custom_plans FROM pg_prepared_statements WHERE name = %s", [name]
        )
        [found] = cursor.fetchall()
        return found[0], found[1]


@pytest.mark.django_db(transaction=True)
def test_plan_is_kept_for_this_statement_and_for_no_other() -> None:
    before = plan_mode()

    found = [TWICE.rows([number]) for number in range(8)]

    assert found == [[(2 * number,)] for number in range(8)]
    assert plans_of("twice") == (True, 0)
    assert before == plan_mode() == "auto"


@pytest.mark.django_db(transaction=True)
def test_statement_takes_part_in_the_transaction_it_is_in() -> None:
    with transaction.atomic():
        assert TWICE.rows([4]) == [(8,)]
        assert connection.in_atomic_block

    assert plan_mode() == "auto"
    assert TWICE.rows([5]) == [(10,)]
