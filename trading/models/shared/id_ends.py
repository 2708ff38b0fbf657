"""Ids as pages show them: by their last eight characters, in which two made in the same moment differ."""

from django.db.models import Index, TextField
from django.db.models.functions import Cast, Right

SHOWN = 8


def end_of_id(name: str = "id") -> Right:
    """Return the expression of what is shown of an id, the same in a query as in the index."""
    return Right(Cast(name, TextField()), SHOWN)


def index_of_ends(name: str) -> Index:
    """Return the index that finds a row by the end of its id: read by the console's search (queries/finding.py)."""
    return Index(end_of_id(), name=name)
