"""Statements planned once for each connection."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from trading.core.statements import prepared_statements
from trading.core.statements.prepared_statements import Prepared, say

TWICE = Prepared("twice", "integer", "SELECT 2 * $1")


def plans_of(name: str) -> tuple[bool, int]:
    """Return whether the statement was run with its kept plan, and how often with one made anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans > 0, custom_plans FROM pg_prepared_statements WHERE name = %s", [name]
        )
        [found] = cursor.fetchall()
        return found[0], found[1]


@pytest.mark.django_db(transaction=True)
def test_plan_is_kept() -> None:
    found = [TWICE.rows([number]) for number in range(8)]

    assert found == [[(2 * number,)] for number in range(8)]
    assert plans_of("twice") == (True, 0)


@pytest.mark.django_db(transaction=True)
def test_statement_takes_part_in_the_transaction_it_is_in() -> None:
    with transaction.atomic():
        assert TWICE.rows([4]) == [(8,)]
        assert connection.in_atomic_block

    assert TWICE.rows([5]) == [(10,)]


def said(statements: list[str], values: dict[str, Any]) -> tuple[str, Any]:
    """Return the message's text, and what its last statement found."""
    with CaptureQueriesContext(connection) as asked, connection.cursor() as cursor:
        say(cursor, statements, values)
        found = cursor.fetchone()
    (message,) = asked.captured_queries
    return message["sql"], found


@pytest.mark.django_db(transaction=True)
def test_what_is_said_again_is_prepared_each_statement_by_itself() -> None:
    statements = ["SELECT %(a)s::int", "SELECT 1", "SELECT '9 %%', %(b)s::text || %(a)s::int || %(b)s::text"]

    texts, found = zip(*(said(statements, {"a": n, "b": "%(a)s"}) for n in range(3)), strict=True)

    assert found == (("9 %", "%(a)s0%(a)s"), ("9 %", "%(a)s1%(a)s"), ("9 %", "%(a)s2%(a)s"))
    assert [text.count("PREPARE") for text in texts] == [0, 2, 0]
    one, constant, other = texts[2].split(";")
    assert constant == "SELECT 1"
    for execute in (one, other):
        assert plans_of(execute.removeprefix("EXECUTE ").partition(" ")[0]) == (True, 0)


@pytest.mark.django_db(transaction=True)
def test_connection_that_is_new_prepares_anew() -> None:
    statements = ["SELECT 3 * %(a)s::int"]
    said(statements, {"a": 1})
    said(statements, {"a": 1})
    connection.close()

    assert said(statements, {"a": 2})[1] == (6,)
    assert TWICE.rows([4]) == [(8,)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["SELECT 1", "SELECT nowhere.nothing"])
def test_message_that_fails_may_have_prepared_or_not(first: str) -> None:
    """PREPARE is no part of the transaction that is undone."""
    statements = [f"SELECT 8 / %(a)s::int AS {'one' if first == 'SELECT 1' else 'two'}"]
    said(statements, {"a": 1})
    with pytest.raises(DatabaseError):
        said([first, *statements], {"a": 0})
    with pytest.raises(DatabaseError):
        said(statements, {"a": 0})

    assert [said(statements, {"a": n})[1] for n in (2, 4)] == [(4,), (2,)]


@pytest.mark.django_db
def test_texts_with_their_values_in_them_do_not_fill_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_statements, "MOST_TEXTS", len(prepared_statements._said))

    texts = {said(["SELECT %(a)s::int + 77"], {"a": 1})[0] for _ in range(3)}

    assert texts == {"SELECT 1::int + 77"}
