"""The OpenAPI document, as a file (docs/openapi.json), as an answer, and as a page to try it on."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponse
from django.views.generic import View
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from trading.api.views.base import ApiView

FILE = Path(settings.BASE_DIR) / "docs" / "openapi.json"


@lru_cache(maxsize=1)
def document() -> bytes:
    """Return the document as the code has it, in the form in which it is checked in."""
    generator = SchemaGenerator(urlconf=settings.SPECTACULAR_SETTINGS["SERVE_URLCONF"])  # type: ignore[no-untyped-call]  # theirs has no types
    schema: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # theirs has no types
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


class DocumentView(ApiView):
    """The document, for whoever is logged in."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Answer it."""
        return HttpResponse(document(), content_type="application/vnd.oai.openapi+json")


class DocsView(LoginRequiredMixin, View):
    """Swagger UI from our own static files, for whoever is logged in."""

    def get(self, request: Any) -> HttpResponse:
        """Answer the page."""
        page = SpectacularSwaggerSplitView.as_view(
            url_name="openapi", permission_classes=(IsAuthenticated,), throttle_classes=()
        )
        response: HttpResponse = page(request)
        return response
