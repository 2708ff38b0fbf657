"""Runtime settings: within the bounds of their specs, recorded with the operator's name."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from trading.admin.base import REASON, ChangedAdmin
from trading.admin.pages import nothing_sent, reason_field, require
from trading.core.settings import parsed_change, set_runtime_setting, take_back
from trading.domain.runtime_settings import SETTINGS
from trading.domain.settings.groups import GROUP_OF, GROUPS, OTHERS, SettingGroup
from trading.errors import SettingError
from trading.models import RuntimeSetting
from trading.queries.changes import setting_changes

CHANGE = "trading.change_runtimesetting"
PAGE = "admin:trading_runtimesetting_changelist"


@dataclass(frozen=True, slots=True)
class Line:
    """A setting as its group shows it; ``default`` is "" where it is in force, ``allowed`` where it steers nothing."""

    row: RuntimeSetting
    help: str
    allowed: str
    default: str


class RuntimeSettingForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A value it can take beside the other settings, and why; the message names the setting and what was expected."""

    reason = reason_field("Why")

    class Meta:
        model = RuntimeSetting
        fields = ["value"]

    def clean_value(self) -> str:
        """Judge as the service will."""
        value: str = self.cleaned_data["value"]
        try:
            parsed_change(self.instance.name, value)
        except SettingError as error:
            raise ValidationError(str(error)) from None
        return value


@admin.register(RuntimeSetting)
class RuntimeSettingAdmin(ChangedAdmin):
    """What an operator may change while the system runs."""

    form = RuntimeSettingForm
    change_log = "setting"
    change_list_template = "console/settings.html"
    list_per_page = 1000  # all of them, in their groups
    search_help_text = "A setting's name, or a word of what it does"
    list_display = ["name", "value", "unit", "bounds", "default", "description", "updated_at", "updated_by"]
    search_fields = ["name", "description"]
    readonly_fields = [
        "name", "description", "unit", "bounds", "default", "updated_at", "updated_by", "changes"
    ]  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Add the way back of a change."""
        undo = self.admin_site.admin_view(self.undo_view)
        return [path("<path:object_id>/undo/", undo, name="trading_runtimesetting_undo"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the settings in their groups, and what was changed lately."""
        page = super().changelist_view(request, extra_context)
        if hasattr(page, "context_data") and "cl" in (page.context_data or {}):
            rows = page.context_data["cl"].result_list
            is_searched = bool(page.context_data["cl"].query)
            lately = [] if is_searched else setting_changes()
            page.context_data |= {"groups": list(grouped(rows)), "lately": lately}
        return page

    def undo_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a change back for those who may change settings."""
        require(request, CHANGE)
        back = redirect("admin:trading_runtimesetting_change", object_id)
        if request.method != "POST" or not request.POST.get("change"):
            return nothing_sent(request, back.url)
        try:
            change_id = UUID(request.POST["change"])
            row = take_back(name=object_id, change_id=change_id, actor=request.user.get_username())
        except ValueError:
            messages.error(request, "Nothing was done: change: expected the id of a change.")
        except SettingError as error:
            messages.error(request, f"Nothing was done: {error}.")
        else:
            messages.success(request, f"{row.name} is {row.value} again.")
        return back

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Note whether the asker may take its newest change back."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.may_undo = self.has_change_permission(request, row)
        return row

    def undo_url(self, row: Model) -> str:
        """Return where its newest change is taken back, for those who may."""
        may = getattr(row, "may_undo", False)
        return reverse("admin:trading_runtimesetting_undo", args=[row.pk]) if may else ""

    def get_fields(self, request: HttpRequest, obj: RuntimeSetting | None = None) -> list[str]:
        """Ask those who may change it for the reason; show everybody what was changed before."""
        asked = ["value", REASON] if self.has_change_permission(request, obj) else ["value"]
        shown = ["unit", "bounds", "default", "updated_at", "updated_by", "changes"]
        return ["name", "description", *asked, *shown]

    @admin.display(description="allowed")
    def bounds(self, row: RuntimeSetting) -> str:
        """Show the inclusive bounds, or the words."""
        spec = SETTINGS.get(row.name)
        return spec.allowed if spec else "not used any more"

    @admin.display(description="default")
    def default(self, row: RuntimeSetting) -> str:
        """Show what applies when nothing is set."""
        spec = SETTINGS.get(row.name)
        return str(spec.default) if spec else ""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The specs say which settings there are."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A row without a spec is a leftover: it is shown, and steers nothing."""
        if isinstance(obj, RuntimeSetting) and obj.name not in SETTINGS:
            return False
        return bool(super().has_change_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: RuntimeSetting, form: Any, change: bool) -> None:
        """Store through the service, which keeps the schedule in step."""
        given = form.cleaned_data
        set_runtime_setting(
            name=obj.name,
            value=given["value"],
            actor=request.user.get_username(),
            reason=given[REASON],
        )


def grouped(rows: Iterable[RuntimeSetting]) -> Iterable[tuple[SettingGroup, list[Line]]]:
    """Yield each group that has rows, with its lines in the group's order; leftovers last."""
    found: dict[str, dict[str, Line]] = {}
    for row in rows:
        group = GROUP_OF.get(row.name, OTHERS)
        found.setdefault(group.title, {})[row.name] = _line(row)
    for group in (*GROUPS, OTHERS):
        lines = found.get(group.title, {})
        if lines:
            yield group, [lines[name] for name in (group.names or sorted(lines)) if name in lines]


def _line(row: RuntimeSetting) -> Line:
    spec = SETTINGS.get(row.name)
    if spec is None:
        return Line(row, "Not used any more.", "", "")
    try:
        differs = spec.parse(row.value) != spec.default
    except SettingError:
        differs = True
    return Line(row, spec.description, spec.allowed, str(spec.default) if differs else "")
