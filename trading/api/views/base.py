"""What every view has in common: permissions by method, read parameters, lists by key, ETags."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http.response import HttpResponseBase
from django.utils.dateparse import parse_datetime
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from rest_framework import serializers
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trading.api.pagination import Cursors, cursors
from trading.api.serializers import ListQuery, QuerySerializer
from trading.queries.reading.keyset import ListOrder, read_page

BY_ID = ListOrder(("id",))  # UUIDv7: in order of time


def _moment(text: str) -> Any:
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError(text)
    return moment


class ApiView(APIView):
    """A resource.

    ``permissions`` names a permission by method, ``queries`` the parameters a method takes (none where it is
    not named). Parameters are read before the method runs; it finds them in ``self.parameters``.
    """

    http_method_names = ["get", "head", "post", "put"]
    permissions: ClassVar[Mapping[str, str | tuple[str, ...]]] = {}
    queries: ClassVar[Mapping[str, type[QuerySerializer]]] = {}
    parameters: Mapping[str, Any]

    @method_decorator(conditional_page)
    @method_decorator(cache_control(private=True, no_cache=True))
    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer; a GET whose answer the client has already is answered by 304."""
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, authorise and count the request, then read its parameters."""
        super().initial(request, *args, **kwargs)
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(str(request.method))  # before the parameters, which no method takes
        query = self.queries.get("GET" if request.method == "HEAD" else str(request.method), QuerySerializer)
        read = query(data=request.query_params)
        try:
            read.is_valid(raise_exception=True)
        except serializers.ValidationError as error:
            error.where = "query"  # type: ignore[attr-defined]  # told to the problem
            raise
        self.parameters = read.validated_data

    def read_body(self, serializer: type[serializers.Serializer[Any]], request: Request) -> Mapping[str, Any]:
        """Return the body's values by the names of the code.

        Raises:
            ValidationError: naming every field.
        """
        body = serializer(data=request.data)
        body.is_valid(raise_exception=True)
        values: Mapping[str, Any] = body.validated_data
        return values


class ListView(ApiView):
    """A list in pages: ``rows`` says what is in it, ``order`` and ``parsers`` how it is walked."""

    row_serializer: ClassVar[type[serializers.Serializer[Any]]]
    queries: ClassVar[Mapping[str, type[QuerySerializer]]] = {"GET": ListQuery}
    order: ClassVar[ListOrder] = BY_ID
    parsers: ClassVar[Mapping[str, Any]] = {}

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[Any]:
        """Return the rows under these filters, by calling a service."""
        raise NotImplementedError

    def page(self, **more: Any) -> Response:
        """Answer one page, with further members where there are some."""
        filters = {name: value for name, value in self.parameters.items() if name not in ("limit", "cursor")}
        marks = self.cursors()
        page = read_page(
            self.rows(filters),
            order=self.order,
            position=marks.read(self.parameters.get("cursor")),
            limit=self.parameters["limit"],
        )
        shown = self.row_serializer(page.rows, many=True).data
        return Response(marks.envelope(page, list(shown)) | more)

    def cursors(self) -> Cursors:
        """Return the cursors of this list with these filters."""
        return cursors(type(self).__name__, self.parameters, self.order, {**KEY_PARSERS, **self.parsers})


KEY_PARSERS: Mapping[str, Any] = {
    "id": UUID,
    **dict.fromkeys(("started_at", "created_at", "occurred_at", "executed_at", "traded_at"), _moment),
}


def columns_of(model: type[Model], *left_out: str) -> list[str]:
    """Return a table's columns except those that are the machine's own."""
    return [field.name for field in model._meta.concrete_fields if field.name not in left_out]
