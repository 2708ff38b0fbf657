"""The OpenAPI document: what drf-spectacular reads from the views, and what every one of them has in common."""

import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from trading.api.idempotency import EXPECTED, HEADER
from trading.api.problems import MEDIA_TYPE
from trading.api.serializers import QuerySerializer, StrictSerializer, camelized

WRITES = ("POST", "PUT")
COMMON: Mapping[int, str] = {
    400: "A parameter, a header or the body cannot be read; `errors` names each.",
    401: "No token, a wrong one, or no session.",
    403: "The user's groups do not allow it, or the session's CSRF token is missing.",
    429: "Too many requests; `Retry-After` says when to ask again.",
    500: "Something is broken here; it was logged.",
    503: "Something that is needed does not answer; `Retry-After` may say when to ask again.",
}
WRITING: Mapping[int, str] = {
    409: "It cannot be done now, or a request with the same key is being done.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The `Idempotency-Key` was used for another request.",
}
NOT_FOUND = "There is no such thing."
NOT_MODIFIED = "What the `If-None-Match` names is what there is."
KEY_PARAMETER = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=f"Do it once, however often it is sent within a day. {EXPECTED}",
    pattern="^[!-~]{1,255}$",
)


class ErrorEntry(serializers.Serializer[Any]):
    """One thing that was wrong: where, and what was expected."""

    field = serializers.CharField(help_text="Name of the field, parameter or header; dotted where nested.")
    expected = serializers.CharField()

    def get_fields(self) -> dict[str, Any]:
        """Add the field whose name is a word of Python."""
        where = serializers.ChoiceField(["body", "query", "header", "path"])
        return super().get_fields() | {"in": where}


class ProblemDetails(serializers.Serializer[Any]):
    """RFC 9457. Some problems have further members."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = ErrorEntry(many=True)  # type: ignore[assignment]  # the field shadows the serializer's own on its class alone


class ApiSchema(AutoSchema):
    """Adds what views need not repeat: parameters, the key of writes, and every error."""

    def get_operation_id(self) -> str:
        """Return method and path as one word: ``getCyclesHistory``."""
        path = re.sub(r"\{(\w+)\}", r"by \1", self.path)
        words = [word for word in re.split(r"[^A-Za-z0-9]+", path) if word]
        return camelized("_".join([self.method.lower(), *words]))

    def get_tags(self) -> list[str]:
        """Return the first word of the path."""
        return [self.path.strip("/").split("/")[0]]

    def get_override_parameters(self) -> list[Any]:
        """Return the view's parameters, and the key of what writes."""
        query = getattr(self.view, "queries", {}).get(self.method, QuerySerializer)
        parameters: list[Any] = [query] if query._declared_fields else []
        if self.method in WRITES:
            parameters.append(KEY_PARAMETER)
        return parameters

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Add the answers that any request may get."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        is_open = not self.view.get_authenticators()
        known: dict[int, str] = {400: COMMON[400]} if is_open else dict(COMMON)
        if self.method in WRITES:
            known.update(WRITING)
        if "{" in self.path:
            known[404] = NOT_FOUND
        known.update(getattr(self.view, "problems", {}))
        for code in sorted(known):
            operation["responses"].setdefault(str(code), self._problem(known[code]))
        if getattr(self.view, "may_be_null", False):
            content = operation["responses"]["200"]["content"]["application/json"]
            content["schema"] = {"oneOf": [content["schema"], {"type": "null"}]}
        if self.method == "GET" and not is_open:
            operation["responses"].setdefault("304", {"description": NOT_MODIFIED})
        return operation

    def _problem(self, description: str) -> dict[str, Any]:
        component = self.resolve_serializer(ProblemDetails, "response")
        return {"description": description, "content": {MEDIA_TYPE: {"schema": component.ref}}}

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        """Say of strict bodies that they take no other field."""
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]  # theirs has no types
        if isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return schema


def _cursor() -> serializers.CharField:
    return serializers.CharField(
        allow_null=True, help_text="Cursor of the page beside; null where there is none."
    )


_pages: dict[str, type[serializers.Serializer[Any]]] = {}


def page_of(row: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """Return the serializer of a page of these rows, one class for each kind of row."""
    kind = row.__name__.removesuffix("Serializer")
    name = f"{kind}Page"
    if name not in _pages:
        _pages[name] = type(
            name,
            (serializers.Serializer,),
            {
                "results": row(many=True),
                "next": _cursor(),
                "previous": _cursor(),
                "__doc__": "A page of a list.",
            },
        )
    return _pages[name]


def without_enum_marks(result: Any, **_: Any) -> Any:
    """Take out what drf-spectacular marks enums with for a step that is left out here."""
    if isinstance(result, dict):
        return {key: without_enum_marks(value) for key, value in result.items() if key != "x-spec-enum-id"}
    if isinstance(result, list):
        return [without_enum_marks(value) for value in result]
    return result
