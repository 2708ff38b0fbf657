"""A list as CSV, as it is filtered, sorted and searched: the columns that are shown, as text without markup."""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.timezone import now

from risk.domain.numbers import plain_decimal

MOST_ROWS = 100_000
ROWS_AT_ONCE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file that hands on what is written."""

    def write(self, line: str) -> str:
        """Return the line."""
        return line


def list_as_csv(request: HttpRequest, app: str, model: str) -> StreamingHttpResponse:
    """Return the rows that the request's filters leave, the first ``MOST_ROWS`` of them, as they are read.

    Raises:
        Http404: the console has no such list.
        PermissionDenied: they may not look at it.
    """
    pages: dict[tuple[str, str | None], admin.ModelAdmin[Any]] = {
        (kind._meta.app_label, kind._meta.model_name): page for kind, page in admin.site._registry.items()
    }
    page = pages.get((app, model))
    if page is None:
        raise Http404(f"the console has no list {app}.{model}")
    if not page.has_view_permission(request):
        raise PermissionDenied
    listed = page.get_changelist_instance(request)
    names = [name for name in listed.list_display if name not in ("action_checkbox", ACTION_CHECKBOX_NAME)]
    heads = [label_for_field(name, page.model, page) for name in names]
    rows = listed.queryset[:MOST_ROWS].iterator(chunk_size=ROWS_AT_ONCE)
    writer = csv.writer(_Echo(), lineterminator="\n")

    def lines() -> Iterator[str]:
        yield writer.writerow(
            [str(head).strip() or name for head, name in zip(heads, map(str, names), strict=True)]
        )
        for row in rows:
            yield writer.writerow([_text(_value(name, row, page)) for name in names])

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    name = f"{page.model._meta.verbose_name_plural}-{now():%Y%m%dT%H%M%SZ}".replace(" ", "-")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _value(name: Any, row: Any, page: "admin.ModelAdmin[Any]") -> Any:
    try:
        return lookup_field(name, row, page)[2]
    except ObjectDoesNotExist:
        return ""


def _text(value: Any) -> str:
    """Return a cell: a label's words, no markup, times in ISO form; what a spreadsheet would compute begins with '."""
    if isinstance(value, tuple):
        value = value[-1]
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, datetime):
        return value.isoformat()
    text = " ".join((strip_tags(value) if isinstance(value, SafeString) else str(value)).split())
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(",", "").replace(".", "", 1).isdigit()
