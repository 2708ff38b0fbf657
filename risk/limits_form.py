"""The form of the limits: the next version, in words."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from risk.models import RiskLimits
from risk.services.limits import LIMIT_FIELDS, check_limits


class RiskLimitsForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """The next version: it starts from the one in force and says why it differs."""

    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = RiskLimits
        fields = [*LIMIT_FIELDS, "note"]
        widgets = {"note": UnfoldAdminTextareaWidget(attrs={"rows": 3})}
        labels = {
            "max_position_percent": "Largest position (% of equity)",
            "max_exposure_percent": "Largest exposure (% of equity)",
            "max_positions": "Most positions",
            "max_daily_loss_percent": "Largest daily loss (% of the previous close's equity)",
            "max_position_risk_percent": "Largest loss of a position at its stop (% of equity)",
            "max_open_risk_percent": "Largest loss at all stops together (% of equity)",
            "note": "Why",
        }
        help_texts = {
            "max_daily_loss_percent": "The day lasts from one session's close to the next: a weekend is part of"
            " Monday's. Reaching it engages the kill switch; after a release it engages again at a quarter of the"
            " limit more, under other limits, or on another day."
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "note" in self.fields:
            self.fields["note"].required = True
            self.fields["note"].error_messages["required"] = "note: was empty, expected why the limits change"

    def clean(self) -> dict[str, Any]:
        """Name each value that cannot be taken, and what was expected."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        given = {name: values[name] for name in LIMIT_FIELDS if values.get(name) is not None}
        for name, problem in check_limits(given).items():
            self.add_error(name, problem)
        return values

    def validate_constraints(self) -> None:
        """Leave the bounds to ``check_limits``, which says them in words; the database holds them too."""
