"""One search for the whole console: a symbol, a name, an id as it is shown, a page of the menu."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst

from trading.admin.base import change_url, list_url
from trading.admin.pages import console_page
from trading.models import Asset, Strategy
from trading.queries.finding import Found, Row, find, tables, tables_from_above, typed

LOOKED_AT = (
    "the menu, symbols and companies' names, strategies, and the ids of orders (ours and the broker's), fills, trades,"
    " round trips, decisions, cycles, sagas, approvals, checks, model calls, proposals, events"
)
ABOUT_A_SYMBOL = (
    ("Decisions", "aidecision"),
    ("Orders", "order"),
    ("Round trips", "roundtrip"),
    ("Trades", "trade"),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A line of the answer; ``more`` are other places about the same, as words and address."""

    words: str
    detail: str
    url: str
    more: tuple[tuple[str, str], ...] = ()


def find_view(request: HttpRequest) -> HttpResponse:
    """Show what was found; one row that its id was given of is led to at once."""
    asked = typed(request.GET.get("q", ""))
    found = find(asked, _tables(request)) if asked else Found((), (), ())
    pages = _pages(request, asked)
    rows = list(dict.fromkeys(found.rows))
    if (
        len(rows) == 1
        and not (pages or found.assets or found.strategies)
        and "HX-Request" not in request.headers
    ):
        return redirect(_address(rows[0]))
    groups = [
        ("Pages", pages),
        ("Symbols", [_symbol(asset) for asset in found.assets]),
        ("Strategies", [_strategy(strategy) for strategy in found.strategies]),
        ("By id", [_row(row) for row in rows]),
    ]
    context = {
        "title": "Find",
        "asked": asked,
        "looked_at": _looked_at(),
        "groups": [one for one in groups if one[1]],
    }
    if "HX-Request" in request.headers:
        return TemplateResponse(request, "console/found.html", context)
    return console_page(request, "console/find.html", context)


def _tables(request: HttpRequest) -> set[str]:
    """Return the labels of the tables that the user may look at."""
    pages = {kind._meta.label_lower: page for kind, page in admin.site._registry.items()}
    wanted = (*tables(), Asset._meta.label_lower, Strategy._meta.label_lower)
    return {name for name in wanted if name in pages and pages[name].has_view_permission(request)}


def _looked_at() -> str:
    """Say what was looked at, what rooms above trading added among it."""
    return ", ".join([LOOKED_AT, *(str(kind._meta.verbose_name_plural) for kind in tables_from_above())])


def _pages(request: HttpRequest, asked: str) -> list[Hit]:
    """Return the pages of the menu that are called so."""
    if not asked:
        return []
    found = []
    for group in settings.UNFOLD["SIDEBAR"]["navigation"]:
        for item in group["items"]:
            allowed: Any = item.get("permission", lambda _: True)
            names = (item["title"], *item.get("also", ()))
            if any(asked.lower() in name.lower() for name in names) and allowed(request):
                found.append(Hit(item["title"], group.get("title", ""), str(item["link"])))
    return found


def _symbol(asset: Asset) -> Hit:
    more = tuple((words, list_url("trading", table, q=asset.pk)) for words, table in ABOUT_A_SYMBOL)
    return Hit(asset.pk, asset.name, reverse("admin:trading_symbol", args=[asset.pk]), more)


def _strategy(strategy: Strategy) -> Hit:
    state = "active" if strategy.is_active else "not active"
    return Hit(strategy.name, state, change_url("trading", "strategy", strategy.pk))


def _row(row: Row) -> Hit:
    return Hit(capfirst(str(tables()[row.table]._meta.verbose_name)), row.pk, _address(row))


def _address(row: Row) -> str:
    app, model = row.table.split(".")
    return change_url(app, model, row.pk)
