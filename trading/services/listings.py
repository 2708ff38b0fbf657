"""The lists a person or a program walks: what is in them under which filters; keyset.py pages them."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from trading.models import Order

Filters = Mapping[str, Any]


def orders(filters: Filters) -> QuerySet[Order]:
    """Return orders by symbol, side, status, purpose, cycle or decision."""
    return _exactly(Order.objects.all(), filters)


def _exactly(
    rows: QuerySet[Any], filters: Filters, renamed: Mapping[str, str] | None = None
) -> QuerySet[Any]:
    """Return the rows whose columns have these values; ``renamed`` gives a filter's column or lookup."""
    names = renamed or {}
    return rows.filter(**{names.get(name, name): value for name, value in filters.items()})
