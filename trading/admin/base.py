"""What every page of the console has in common: read-first, quick on large tables, UUIDs searchable."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db import models
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from risk.decimal_widget import PlainDecimalWidget
from trading.admin.shown.figures import figure_text
from trading.admin.shown.links import change_url as change_url
from trading.admin.shown.links import linked as linked
from trading.admin.shown.read_only import MARKET_TIMES, WORDS, shown_field, shown_value
from trading.domain.symbols import meant_by
from trading.domain.words import in_words, without_lines
from trading.labels import COLOURS, colour_of, symbol_link, words_of
from trading.queries.changes import changes_of
from trading.queries.finding import ids_ending, typed

ROWS_PER_PAGE = 30  # a row has up to 7 KB: a page stays below 300
REASON = "reason"
COLUMN = re.compile(r"^=|__exact$")  # what a search field has beside its column's name


def changes_in_words(form: Any) -> dict[str, str]:
    """Return of a form's changed fields what they were and are, by name; the reason for it is none of them."""
    said = {}
    for name in form.changed_data:
        before = form.initial.get(name)
        choices = getattr(form.fields[name], "queryset", None)
        if choices is not None and before is not None:
            before = choices.filter(pk=before).first()
        if name != REASON and hasattr(form.instance, name):
            said[name] = f"{in_words(before)} -> {in_words(form.cleaned_data.get(name))}"
    return said


class ConsoleAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """A table of the console; ``uuid_search`` names the columns a pasted id is looked up in."""

    list_per_page = ROWS_PER_PAGE
    show_full_result_count = False
    uuid_search: tuple[str, ...] = ()
    actions: list[str] | None = None
    list_filter_submit = True
    formfield_overrides = {models.DecimalField: {"widget": PlainDecimalWidget}}

    def row_context(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        """Return what a row's page shows beside its fields; ``object_id`` is quoted, "" of a row to be added."""
        return {}

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Show a list's plain columns as the page of a row shows them: figures, moments, words."""
        return [listed(self.model, name) for name in super().get_list_display(request)]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row of a page; of one that is only shown what has been read for its story already."""
        known: Any = getattr(request, "console_row", None)
        if (
            request.method == "GET"
            and known is not None
            and (type(known), str(known.pk)) == (self.model, object_id)
        ):
            return known
        row = super().get_object(request, object_id, from_field)
        request.console_row = row  # type: ignore[attr-defined]  # Django's way to keep per-request facts
        return row

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show it."""
        more = self.row_context(request, object_id or "")
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look an id up by its indexes, whole or by its end, a symbol however it is written; then the text columns."""
        try:
            wanted = [UUID(search_term.strip())]
        except ValueError:
            wanted = ids_ending(search_term) if self.uuid_search else []
            if not wanted:
                is_asked = bool(search_term.strip())
                among = self.searched_by_words(queryset) if is_asked else queryset
                return self._by_words(request, among, search_term)
        if not self.uuid_search:
            return queryset.none(), False
        columns: list[Any] = [(f"{column}__in", wanted) for column in self.uuid_search]
        return queryset.filter(Q.create(columns, connector=Q.OR)), False

    def searched_by_words(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows among which words are looked for; fewer where an index knows which have any."""
        return queryset

    def _by_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, may_repeat = super().get_search_results(request, queryset, typed(search_term))
        column = next((COLUMN.sub("", name) for name in self.search_fields if "symbol" in name), None)
        if column and (meant := meant_by(search_term)):
            found = found | queryset.filter(**{f"{column}__in": meant})
        return found, may_repeat

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Say in the row's history what was changed from what to what, and why."""
        words = "; ".join(f"{name}: {said}" for name, said in changes_in_words(form).items())
        reason = form.cleaned_data.get(REASON)
        if add or not words:
            return super().construct_change_message(request, form, formsets, add)
        return f"{words} ({reason})" if reason else words

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Show what nobody may change as people read it."""
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        return [
            (title, {**options, "fields": [shown_field(self.model, name) for name in options["fields"]]})
            for title, options in found
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted in the console: facts stay, settings are changed or switched off."""
        return False


class ChangedAdmin(ConsoleAdmin):
    """A table whose rows people change: each row's page and its history say what it was and is, who did it and why.

    ``change_log`` is what the log of events calls such a row.
    """

    change_log = ""
    object_history_template = "console/history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the changes by every way above what was saved here."""
        more = {"changes": changes_of(self.change_log, unquote(object_id))}
        return super().history_view(request, object_id, more | (extra_context or {}))

    @admin.display(description="changes")
    def changes(self, row: Model) -> SafeString:
        """Show who changed it from what to what, and why."""
        found = changes_of(self.change_log, str(row.pk))
        return render_to_string("console/changes.html", {"changes": found, "undo": self.undo_url(row)})

    def undo_url(self, row: Model) -> str:
        """Return where the newest change of a row is taken back, "" where that is not offered."""
        return ""


class RecordAdmin(ConsoleAdmin):
    """A table of facts that the system writes: everybody who may look may look, nobody may touch."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Offer no history of changes: a fact has none, what happened to it are its events."""
        context["show_history"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Facts are written by the system alone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Facts do not change."""
        return False


class GrowingRecordAdmin(RecordAdmin):
    """Facts that every cycle adds many of: their pages never count the table."""

    paginator = InfinitePaginator


class KnownValuesFilter(admin.SimpleListFilter):
    """A filter by a column of few words: those of an enumeration are offered, the table is not asked which it has."""

    words: tuple[str, ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return each value with its words."""
        return [(word, words_of(word)) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with the value."""
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


def known_values(column: str, words: Iterable[str]) -> type[KnownValuesFilter]:
    """Return the filter by a column that has these words."""
    named = {
        "title": column.replace("_", " "),
        "parameter_name": f"{column}__exact",
        "words": tuple(map(str, words)),
    }
    return type("KnownValuesFilter", (KnownValuesFilter,), named)


Method = TypeVar("Method", bound=Callable[..., object])


def labelled(
    *, description: str, colours: Mapping[str, str], ordering: str | None = None
) -> Callable[[Method], Method]:
    """Show a column's word as a label; ``colours`` maps words to unfold's label types."""
    return cast(
        "Callable[[Method], Method]",
        display(description=description, ordering=ordering, label=dict(colours)),
    )


@labelled(description="status", ordering="status", colours=COLOURS)
def status_label(row: Any) -> tuple[str, str]:
    """Show a row's status as a label in the colour of the one mapping."""
    return row.status, words_of(row.status)


@admin.display(description="status")
def status_badge(row: Any) -> SafeString:
    """Show the same label on a row's own page, where unfold's label columns do not reach."""
    return render_to_string(
        "unfold/helpers/label.html", {"text": words_of(row.status), "type": colour_of(row.status)}
    )


def figure(name: str, *, unknown: str = "-", description: str = "") -> Callable[[Any], SafeString | str]:
    """Return a list column that shows a decimal column as people read it, ``unknown`` where it is null.

    Its name begins with ``num_``, by which the style sheet puts figures to the right.
    """

    def text(row: Any) -> SafeString | str:
        value: Decimal | None = getattr(row, name)
        return unknown if value is None else figure_text(name, value)

    words = description or name.replace("_", " ").replace("pnl", "P&L")
    return _column(f"num_{name}", text, words, ordering=name, taken_from=name)


def moment(name: str) -> Callable[[Any], str]:
    """Return a list column of market time, which says in its title that it is."""

    def text(row: Any) -> str:
        value: datetime | None = getattr(row, name)
        return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"

    words = name.removesuffix("_at").replace("_", " ")
    title = words if words == "market time" else f"{words} (market time)"
    return _column(name, text, title, ordering=name, taken_from=name)


def yes_no(name: str) -> Callable[[Any], str]:
    """Return a list column of a plain fact: a word, for a red cross is a failure."""
    return _column(
        name,
        lambda row: in_words(getattr(row, name)),
        name.removeprefix("is_").replace("_", " "),
        ordering=name,
    )


def listed(model: type[Model], name: Any) -> Any:
    """Return what a list shows for a column: of a figure, a moment of market time or a stable word its reading."""
    if not isinstance(name, str) or name not in {field.name for field in model._meta.concrete_fields}:
        return name
    field: Any = model._meta.get_field(name)
    if isinstance(field, models.DecimalField):
        return figure(name, description=str(field.verbose_name))
    if isinstance(field, models.DateTimeField) and name in MARKET_TIMES:
        return moment(name)
    if name in WORDS:
        return _column(
            name,
            lambda row: without_lines(str(shown_value(row, field) or "")) or "-",
            str(field.verbose_name),
            ordering=name,
            taken_from=name,
        )
    return name


def of_symbol(path: str = "symbol") -> Callable[[Any], SafeString]:
    """Return a list column that leads to the page of a row's symbol."""

    def text(row: Any) -> SafeString:
        for name in path.split("__"):
            row = getattr(row, name)
        return symbol_link(row)

    return _column("symbol", text, "symbol", ordering=path)


def _column(
    name: str, text: Callable[[Any], Any], description: str, *, ordering: str, taken_from: str = ""
) -> Callable[[Any], Any]:
    """Return a function as a list's column; ``taken_from`` is what a file has instead of its text."""
    column: Any = admin.display(description=description, ordering=ordering)(lambda row: text(row))
    column.__name__, column.taken_from = name, taken_from
    return cast("Callable[[Any], Any]", column)


@admin.display(description="cycle", ordering="cycle_id")
def cycle_link(row: Any) -> SafeString | str:
    """Link to the cycle of a row that carries a plain ``cycle_id``."""
    if row.cycle_id is None:
        return "-"
    return linked("cycle", row.cycle_id)


def list_url(app: str, model: str, **filters: object) -> str:
    """Return the address of a filtered list."""
    query = f"?{urlencode(filters)}" if filters else ""
    return reverse(f"admin:{app}_{model}_changelist") + query
