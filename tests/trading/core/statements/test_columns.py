"""What a column takes as it is, Django's own field takes so, too: every column of every table, every kind of value."""

import json
import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection, models
from django.db.backends.postgresql.psycopg_any import Jsonb
from django.db.models import F
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from uuid6 import uuid7

from trading.core.statements.columns import DRAWN, columns_of, named_columns
from trading.domain.statuses import OrderStatus
from trading.models import Event, Order, SagaStep

MODELS = [model for label in ("trading", "risk", "ai") for model in apps.get_app_config(label).get_models()]
MOMENT = datetime(2026, 11, 30, 20, 15, 0, 1, tzinfo=UTC)
VALUES = (
    None,
    "",
    "50 % of 'it' \\ \U0001f600",
    OrderStatus.ACCEPTED,
    SagaStep.Name.CONFIRM_FILL,
    lazystr("later"),
    mark_safe("safe"),
    uuid4(),
    uuid7(),
    str(uuid4()),
    0,
    7,
    True,
    False,
    1.5,
    float("nan"),
    Decimal("0.000000001"),
    Decimal("-12.50"),
    Decimal("NaN"),
    Decimal("Infinity"),
    "12.5",
    MOMENT,
    MOMENT.astimezone(timezone(timedelta(hours=2))),
    MOMENT.replace(tzinfo=None),
    MOMENT.isoformat(),
    date(2026, 11, 30),
    {"a": [1, "b", None]},
    [],
    b"bytes",
    F("id"),
)


def made_of(value: Any) -> Any:
    """Return a prepared value in a form that can be compared: JSON that the driver is to write as it writes it."""
    if isinstance(value, Jsonb):
        return json.dumps(value.adapted)
    return bytes(value.adapted) if hasattr(value, "adapted") else value


def outcome(prepare: Any, value: Any) -> tuple[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a moment without its zone
        try:
            return "value", made_of(prepare(value))
        except (TypeError, ValueError, ArithmeticError, AttributeError, ValidationError) as error:
            return "error", (type(error), str(error))


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_value_is_prepared_as_by_the_field_itself(model: type[models.Model]) -> None:
    for column in columns_of(model):
        for _ in range(2):  # a kind that was met before is known the second time
            for value in VALUES:
                expected = outcome(lambda one: column.field.get_db_prep_save(one, connection), value)  # noqa: B023
                found = outcome(column.prepared, value)

                assert found == expected, (column.attname, value)
                if found[0] == "value" and not isinstance(value, str):
                    assert type(found[1]) is type(expected[1]), (column.attname, value)


@pytest.mark.django_db
def test_columns_are_known_by_field_and_by_attribute() -> None:
    known = named_columns(Order)

    assert known["decision"] is known["decision_id"]
    assert (known["symbol"].quoted, known["symbol"].type, known["symbol"].cast) == (
        '"symbol"',
        "varchar(32)",
        "varchar",
    )
    assert [column.attname for column in columns_of(Order)] == [
        field.attname for field in Order._meta.concrete_fields
    ]


@pytest.mark.django_db
def test_what_rows_need_not_name() -> None:
    known = named_columns(Event)
    drawn, given = Event(), Event(public_sequence=3, transaction_id=12)

    assert known["transaction_id"].of_new([drawn]) == [DRAWN]
    assert known["transaction_id"].is_left_out([DRAWN, DRAWN])
    assert not known["transaction_id"].is_left_out(known["transaction_id"].of_new([drawn, given]))
    assert known["public_sequence"].is_left_out([None, None])
    assert not known["public_sequence"].is_left_out(known["public_sequence"].of_new([drawn, given]))
    assert not named_columns(Order)["exit_reason"].is_left_out([None])  # its default is another
