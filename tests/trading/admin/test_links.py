"""In every list at once: an id that is shown leads to its row, a symbol to its page."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.trading.admin.doors import label_of, pages, url_of
from tests.trading.admin.rows import ROWS

AN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|…[0-9a-f]{8}\b")
# Of no row: names that others gave, and keys of what has no page.
NO_ROW: dict[str, set[str]] = {}
# Whose rows are a symbol's one: their own page leads to it.
SYMBOLS_THEMSELVES = {"trading.asset", "trading.position"}


class _Cells(HTMLParser):
    """The cells of a list: their columns, their text outside of links, the addresses in them."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[tuple[str, list[str], list[str]]] = []
        self._depth, self._in_link, self._in_list = 0, False, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a cell or a link."""
        told = dict(attrs)
        if tag == "table" and told.get("id") == "result_list":
            self._in_list = True
        if tag in ("td", "th") and self._in_list:
            column = re.search(r"field-(\w+)", told.get("class") or "")
            self.cells.append((column[1] if column else "", [], []))
        if tag == "a" and self.cells:
            self._in_link = True
            self.cells[-1][2].append(told.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        """Close a link, or the list."""
        if tag == "a":
            self._in_link = False
        if tag == "table":
            self._in_list = False

    def handle_data(self, data: str) -> None:
        """Keep what stands in no link."""
        if self._in_list and self.cells and not self._in_link:
            self.cells[-1][1].append(data)


def cells_of(client: Client, page: admin.ModelAdmin[Any]) -> list[tuple[str, str, list[str]]]:
    parser = _Cells()
    parser.feed(client.get(url_of(page, "changelist")).content.decode())
    return [(column, " ".join(texts), urls) for column, texts, urls in parser.cells if column]


def test_ids_and_symbols_in_lists_are_links(login: Callable[..., Client]) -> None:
    client = login()
    plain, seen = [], 0
    for page in pages():
        label = label_of(page)
        ROWS[label]()
        cells = cells_of(client, page)
        seen += len(cells)
        for column, text, urls in cells:
            if AN_ID.search(text) and column not in NO_ROW.get(label, set()):
                plain.append(f"{label}.{column}: {text.strip()[:60]}")
            leads = any(
                url.startswith(reverse("admin:trading_symbol", args=["X"]).removesuffix("X/")) for url in urls
            )
            if column == "symbol" and text.strip() != "-" and label not in SYMBOLS_THEMSELVES and not leads:
                plain.append(f"{label}.symbol leads to {urls}")

    assert seen > 200
    assert plain == [], "\n".join(plain)
