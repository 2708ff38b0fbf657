"""New rows are those that the model's own keywords make."""

from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.models.expressions import DatabaseDefault
from uuid6 import uuid7

from trading.core.statements.new_rows import new
from trading.models import Fill, Order

MODELS = [model for label in ("trading", "risk", "ai") for model in apps.get_app_config(label).get_models()]


def columns(row: models.Model) -> dict[str, Any]:
    found = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        is_made = callable(field.default) and field.has_default() and not isinstance(value, dict | list)
        found[field.attname] = type(value) if is_made or isinstance(value, DatabaseDefault) else value
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_column_that_is_not_given_has_its_default(model: type[models.Model]) -> None:
    made, expected = new(model), model()

    assert columns(made) == columns(expected)
    assert (made._state.adding, made._state.db) == (expected._state.adding, expected._state.db)


def test_what_is_given_is_taken_and_lists_are_its_own() -> None:
    order_id = uuid7()

    fill, other = new(Fill, order_id=order_id, symbol="AAPL"), new(Fill)

    assert (fill.order_id, fill.symbol, other.symbol) == (order_id, "AAPL", "")
    assert fill.pk != other.pk
    assert new(Order, id=order_id).pk == order_id


def test_name_that_is_no_column_is_refused() -> None:
    with pytest.raises(TypeError, match="Fill: was given order, expected names of its columns"):
        new(Fill, order=None)
