"""Runtime settings: within the bounds of their specs, recorded with the operator's name."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest

from trading.admin.base import REASON, ChangedAdmin
from trading.admin.pages import reason_field
from trading.core.settings import parsed_change, set_runtime_setting
from trading.domain.runtime_settings import SETTINGS
from trading.errors import SettingError
from trading.models import RuntimeSetting


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
    list_display = ["name", "value", "unit", "bounds", "default", "description", "updated_at", "updated_by"]
    search_fields = ["name", "description"]
    readonly_fields = [
        "name", "description", "unit", "bounds", "default", "updated_at", "updated_by", "changes"
    ]  # fmt: skip

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
