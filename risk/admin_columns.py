"""Columns of the risk room's pages: figures, stored facts, and ways to rows of the trading room."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from risk.domain.numbers import plain_decimal


def number(name: str, unit: str = "") -> Callable[[Any], str]:
    """Return a column that shows a decimal without the zeros nobody reads; ``num_`` is put to the right."""

    def text(row: Any) -> str:
        value: Decimal | None = getattr(row, name)
        return "-" if value is None else f"{Decimal(plain_decimal(value)):,f}{unit}"

    column: Any = display(description=name.removesuffix("_percent").replace("_", " "), ordering=name)(text)
    column.__name__, column.taken_from = f"num_{name}", name
    return cast("Callable[[Any], str]", column)


def money(name: str) -> Callable[[Any], str]:
    """Return a column that shows an amount in USD, with two decimals."""

    def text(row: Any) -> str:
        return f"{getattr(row, name):,.2f}"

    column: Any = display(description=f"{name.replace('_', ' ')}, USD", ordering=name)(text)
    column.__name__, column.taken_from = f"num_{name}", name
    return cast("Callable[[Any], str]", column)


def facts(name: str) -> Callable[[Any], str]:
    """Return a field that shows stored JSON in words, what is nested folded."""

    def text(row: Any) -> str:
        return render_to_string("console/facts.html", {"flat": getattr(row, name), "nested": {}})

    text.short_description, text.__name__ = name.replace("_", " "), f"{name}_in_words"  # type: ignore[attr-defined]  # Django's way
    return text


@display(description="symbol", ordering="symbol")  # type: ignore[untyped-decorator]  # unfold has no type hints
def symbol(row: Any) -> str:
    """Show the symbol, leading to its page."""
    url = reverse("admin:trading_symbol", args=[row.symbol])
    return format_html('<a class="tc-link" href="{}">{}</a>', url, row.symbol)


def link_to(page: str, name: str) -> Callable[[Any], str]:
    """Return a field that leads to the row of the trading room whose plain id this one has."""

    def text(row: Any) -> str:
        url = reverse(f"admin:trading_{page}_change", args=[getattr(row, name)])
        return format_html('<a class="tc-link" href="{}">…{}</a>', url, str(getattr(row, name))[-8:])

    text.short_description, text.__name__ = name.removesuffix("_id"), name  # type: ignore[attr-defined]  # Django's way
    return text
