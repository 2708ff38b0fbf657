"""A list as CSV, as it is filtered, sorted and searched: the columns that are shown, as text without markup."""

import csv
import io
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.timezone import now

from risk.domain.numbers import plain_decimal

MOST_ROWS = 50_000
ROWS_AT_ONCE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def list_as_csv(request: HttpRequest, app: str, model: str) -> HttpResponseBase:
    """Return the rows that the request's filters leave, the first ``MOST_ROWS`` of them.

    Filters that cannot be read lead to the list, which says so.

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
    try:
        listed = page.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return redirect(f"{reverse(f'admin:{app}_{model}_changelist')}?{ERROR_FLAG}=1")
    names = [name for name in listed.list_display if name != "action_checkbox"]
    heads = [str(label_for_field(name, page.model, page)).strip() or str(name) for name in names]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    for row in listed.queryset[:MOST_ROWS].iterator(chunk_size=ROWS_AT_ONCE):
        writer.writerow([_text(_value(name, row, page)) for name in names])
    answer = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"{page.model._meta.verbose_name_plural}-{now():%Y%m%dT%H%M%SZ}".replace(" ", "-")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _value(name: Any, row: Any, page: "admin.ModelAdmin[Any]") -> Any:
    try:
        if stored := getattr(name, "taken_from", ""):  # a figure with all its digits, a moment with its zone
            return getattr(row, stored)
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
