"""The page on which a person puts an earlier version of a strategy into force again."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string

from trading.admin.base import change_url
from trading.admin.pages import FormPage, ReasonForm, add_problem, came_from, form_page, posted, require
from trading.analysis.strategy_versions import KEPT, roll_back
from trading.errors import StrategyError
from trading.models import StrategyVersion
from trading.queries.changes import differences_to_now

CHANGE = "trading.change_strategy"


def roll_back_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Show what would differ and ask why, then put the version into force as the next one."""
    require(request, CHANGE)
    kept = get_object_or_404(StrategyVersion.objects.select_related("strategy"), pk=object_id)
    form = ReasonForm(posted(request))
    back = came_from(request, change_url("trading", "strategyversion", kept.pk))
    page = _page(kept, back)
    if not form.is_valid():
        return form_page(request, form=form, page=page)
    try:
        strategy = roll_back(
            kept.strategy_id,
            version=kept.version,
            author=request.user.get_username(),
            reason=form.cleaned_data["reason"],
        )
    except StrategyError as error:
        add_problem(form, f"Nothing was changed: {error}")
        return form_page(request, form=form, page=page)
    said = f"{strategy.name}: version {strategy.version} is in force, with the content of version {kept.version}."
    messages.success(request, said)
    return redirect(change_url("trading", "strategy", strategy.pk))


def _page(kept: StrategyVersion, back: str) -> FormPage:
    now = kept.strategy.version
    changed = [one for one in differences_to_now(kept) if one.name.replace(" ", "_") not in KEPT]
    shown = {"differences": changed, "was": f"version {now}, in force", "now": f"version {kept.version}"}
    state = "active" if kept.strategy.is_active else "inactive"
    return FormPage(
        title=f"{kept.strategy.name}: back to version {kept.version}",
        effects=(
            f"Version {now + 1} gets the content of version {kept.version}; no version is lost.",
            f"It stays {state}, and its name and whether it trades stay as they are.",
            "Decisions from the next cycle on are by it; what is held keeps its stops and targets.",
        ),
        button="Roll back",
        back_url=back,
        is_dangerous=kept.strategy.is_active,
        detail=render_to_string("console/differences.html", shown) if changed else "Nothing differs.",
    )
