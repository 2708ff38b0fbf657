"""New rows of a model for the way of every order, made in half the time: for each column that it is not given by name
Django raises and catches an error.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from django.db import models

M = TypeVar("M", bound=models.Model)


def new(model: type[M], /, **given: Any) -> M:
    """Return what ``model(**given)`` returns.

    Args:
        given: by the attributes of its columns, so of a related row the id (``order_id``).

    Raises:
        TypeError: it has no such column.
    """
    values = [
        given.pop(name) if name in given else make() if make is not None else default
        for name, default, make in _defaults(model)
    ]
    if given:
        raise TypeError(f"{model.__name__}: was given {', '.join(given)}, expected names of its columns")
    return model(*values)


@cache
def _defaults(model: type[models.Model]) -> list[tuple[str, Any, Callable[[], Any] | None]]:
    """Return each column's attribute with its default, or what makes one: an id, say, or an empty list."""
    found: list[tuple[str, Any, Callable[[], Any] | None]] = []
    for field in model._meta.concrete_fields:
        if field.has_default() and callable(field.default):
            found.append((field.attname, None, field.default))
        else:
            found.append((field.attname, field.get_default(), None))
    return found
