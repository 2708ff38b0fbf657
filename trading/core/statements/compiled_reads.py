"""Reads whose SQL is made once for each process, for the few on the way of every order.

Django writes a query's SQL anew each time, which for an order's forty columns takes several times as long as
PostgreSQL to answer it; and PostgreSQL plans it once for each connection. What comes back is the same instances.
"""

from collections.abc import Callable
from functools import cached_property
from itertools import chain
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from django.db import connection, models, transaction
from django.db.models.query import get_related_populators

from trading.core.statements.prepared_statements import literal, prepared_of

M = TypeVar("M", bound=models.Model)
_TYPES = {UUID: "uuid", str: "text", type(None): ""}


class CompiledRead(Generic[M]):
    """A query of one value, of a key, say; or of none.

    Args:
        query: makes the query for a value; what it says beside must always be the same. A condition must come
            through as it is given, so no ``contains`` and nothing that is calculated of it.
        of: the type of the value; None: it takes none.
    """

    def __init__(
        self, query: Callable[[Any], "models.QuerySet[M]"], *, of: type[UUID] | type[str] | None
    ) -> None:
        self._query = query
        self._mark = None if of is None else uuid4() if of is UUID else uuid4().hex

    @cached_property
    def _compiled(self) -> "_Compiled":
        return _Compiled(self._query(self._mark), self._mark)

    def all(self, value: UUID | str | None = None) -> list[M]:
        """Return all rows, of this value where it takes one."""
        compiled = self._compiled
        if compiled.locks and connection.get_autocommit():
            raise transaction.TransactionManagementError("rows are locked in a transaction only")
        return compiled.instances(compiled.prepared.rows([] if self._mark is None else [value]))

    def first(self, value: UUID | str) -> M | None:
        """Return the first of them, None where there is none."""
        return next(iter(self.all(value)), None)

    def get(self, value: UUID | str) -> M:
        """Return the one row of a value that is a key.

        Raises:
            ObjectDoesNotExist: of the model; there is none.
        """
        found = self.first(value)
        if found is None:
            model = self._compiled.model
            raise model.DoesNotExist(f"{model.__name__} matching query does not exist: {value}")
        return found


class _Compiled:
    """A query's SQL, and how its rows become instances."""

    def __init__(self, query: "models.QuerySet[Any]", mark: UUID | str | None) -> None:
        compiler = query.query.get_compiler(query.db)
        text, parameters = compiler.as_sql()
        if mark is not None and mark not in parameters:
            raise ValueError(f"the value is not in the statement as it was given: {text}")
        given = [
            "$1" if mark is not None and parameter == mark else literal(parameter) for parameter in parameters
        ]
        self.prepared = prepared_of((text % tuple(given)).replace("%", "%%"), _TYPES[type(mark)])
        self._compiler, self._database = compiler, query.db
        self.locks = query.query.select_for_update
        info = compiler.klass_info
        self.model = info["model"]
        columns = info["select_fields"]
        self._columns = slice(columns[0], columns[-1] + 1)
        self._names = [one[0].target.attname for one in compiler.select[self._columns]]
        self._beside = compiler.annotation_col_map or {}
        populators = get_related_populators(info, compiler.select, query.db)  # type: ignore[call-arg]  # 6.1's stubs
        self._populators = populators
        self._converters = compiler.get_converters([one[0] for one in compiler.select])

    def instances(self, rows: list[tuple[Any, ...]]) -> list[Any]:
        """Return the instances of rows, related ones in them."""
        found = []
        converted = (
            self._compiler.apply_converters(chain(rows), self._converters) if self._converters else rows
        )
        for row in converted:
            instance = self.model.from_db(self._database, self._names, row[self._columns])
            for populator in self._populators:
                populator.populate(row, instance)
            for name, place in self._beside.items():
                setattr(instance, name, row[place])
            found.append(instance)
        return found
