"""The zone in which a person reads the console's times."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget

from trading.access.time_zones import choose_time_zone, time_zone_of, zones
from trading.admin.pages import FormPage, form_page, posted

AS_THE_BROWSER = "as the browser"
EFFECTS = (
    "Times in the console are shown in this zone, for you alone; UTC is beside each, as its title.",
    "Market time stays what it is, and says so.",
)


class ZoneForm(forms.Form):
    """Which zone."""

    time_zone = forms.ChoiceField(label="Time zone", required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
        field.choices = [("", AS_THE_BROWSER), *((name, name) for name in zones())]
        field.error_messages["invalid_choice"] = (
            "time_zone: was '%(value)s', expected a name like Europe/Berlin"
        )


def zone_view(request: HttpRequest) -> HttpResponse:
    """Let a person choose."""
    user_id = int(request.user.pk or 0)
    form = ZoneForm(posted(request), initial={"time_zone": time_zone_of(user_id)})
    if form.is_valid():
        chosen = form.cleaned_data["time_zone"]
        choose_time_zone(user_id, chosen)
        messages.success(request, f"Times are shown in {chosen or 'the zone of the browser'}.")
        return redirect("admin:index")
    page = FormPage("Time zone", EFFECTS, "Save", reverse("admin:index"))
    return form_page(request, form=form, page=page)
