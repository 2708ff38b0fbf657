"""How the pages of single rows show what is stored: figures, moments, links and JSON as people read them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from django.db import models
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from trading.admin.shown.figures import figure_text
from trading.admin.shown.links import linked
from trading.domain.words import in_words, without_lines
from trading.labels import symbol_link
from trading.templatetags.console import market_time, moment

# Columns of market time, which a replay has years away from the world's; all others are wall time.
MARKET_TIMES = frozenset(
    {
        "as_of",
        "at",
        "answered_market_time",
        "closed_at",
        "executed_at",
        "happened_at",
        "market_time",
        "opened_at",
        "quoted_at",
        "second_quoted_at",
        "sell_by",
        "traded_at",
        "until",
        "valid_until",
    }
)
# Plain ids of rows that have a page.
PAGES: Mapping[str, str] = MappingProxyType(
    {
        "cycle_id": "cycle",
        "current_cycle_id": "cycle",
        "decision_id": "aidecision",
        "order_id": "order",
        "strategy_id": "strategy",
    }
)
# Columns of stable words: nobody's name is among them.
WORDS = frozenset(
    {
        "answer_form",
        "cause",
        "exit_reason",
        "mode",
        "order_type",
        "purpose",
        "reason",
        "release_reason",
        "severity",
        "sizing",
        "source",
        "topic",
        "trigger",
        "verdict_reason",
    }
)
MOST_LINES = 6
Shown = Callable[[Any], Any]


def facts_block(stored: Any) -> SafeString:
    """Show stored JSON: names and values as a table, what is nested folded and with its line breaks."""
    if isinstance(stored, Mapping):
        flat = {name: value for name, value in stored.items() if not isinstance(value, Mapping | list)}
        nested = {name: value for name, value in stored.items() if name not in flat}
    else:
        flat, nested = {}, {"": stored} if stored else {}
    return render_to_string("console/facts.html", {"flat": flat, "nested": nested})


def facts_lines(stored: Mapping[str, Any]) -> SafeString:
    """Show stored JSON in the narrow cell of a table: a few facts in a line each, more of them folded."""
    return render_to_string(
        "console/facts_lines.html", {"facts": stored, "is_long": len(stored) > MOST_LINES}
    )


def shown_field(model: type[models.Model], name: Any) -> Any:
    """Return what a page of a single row shows for a column that nobody may change: a function of the row, or the name.

    Args:
        name: of a fieldset: a column's, or a function already.
    """
    if not isinstance(name, str) or name not in {field.name for field in model._meta.concrete_fields}:
        return name
    field: Any = model._meta.get_field(name)
    show = _way(field)
    if show is None:
        return name

    def shown(row: Any) -> Any:
        value = shown_value(row, field)
        return "-" if value is None or value == "" else show(value)

    shown.__name__ = name
    shown.short_description = str(field.verbose_name).replace("pnl", "P&L")  # type: ignore[attr-defined]  # Django's way
    return shown


def shown_value(row: Any, field: Any) -> Any:
    """Return a column's value, of one with choices its words; a stable word stays one, for ``_way`` to write it."""
    value = getattr(row, field.name)
    if field.choices and value is not None and str(value) == without_lines(str(value)):
        return getattr(row, f"get_{field.name}_display")()
    return value


def _way(field: Any) -> Shown | None:
    """Return how a column's value is shown; None: as Django does."""
    if field.is_relation:
        return None
    if isinstance(field, models.DecimalField):
        return lambda value: figure_text(field.name, value)
    if isinstance(field, models.DateTimeField):
        return market_time if field.name in MARKET_TIMES else moment
    if isinstance(field, models.JSONField):
        return facts_block
    if isinstance(field, models.BooleanField):
        return in_words
    if field.name in PAGES:
        return lambda value: linked(PAGES[field.name], value)
    if field.name == "symbol":
        return symbol_link
    if field.name in WORDS:
        return lambda value: without_lines(str(value))
    return None
