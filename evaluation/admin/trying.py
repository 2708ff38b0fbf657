"""*Try it …* on a strategy's page: its last question, asked again as the strategy would be, before it is saved."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from evaluation.admin.asking import ASK, asked, instructions_of
from evaluation.admin.forms import AskForm
from evaluation.services.replay.selecting import Selection
from trading.admin.extras import STRATEGY_DEEDS, Piece
from trading.admin.pages import posted, require
from trading.models import AIDecision, Strategy


def try_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask a strategy's last question again, with what is changed in the form; nothing is saved, nothing trades."""
    require(request, ASK)
    strategy = Strategy.objects.filter(pk=pk).first()
    if strategy is None:
        messages.warning(request, f"There is no strategy {pk}: nothing can be tried.")
        return redirect("admin:trading_strategy_changelist")
    back_url = reverse("admin:trading_strategy_change", args=[pk])
    last = _last(strategy)
    if last is None:
        messages.warning(
            request, f"No cycle has asked {strategy.name} yet: there is no question to try it on."
        )
        return redirect(back_url)
    form = AskForm(
        posted(request),
        instructions=instructions_of(last),
        initial=_as_it_stands(strategy, last),
    )
    context = {
        "title": f"Try {strategy.name} on its last question",
        "strategy": strategy,
        "back_url": back_url,
    }
    selection = Selection(cycle=str(last.cycle_id), strategy=str(strategy.pk))
    return asked(request, selection, form, context | {"decision": last})


def _last(strategy: Strategy) -> AIDecision | None:
    """Return the newest decision of the strategy that has its question on record."""
    rows = AIDecision.objects.filter(strategy=strategy, record__isnull=False).select_related("strategy")
    return rows.order_by("-id").first()


def _as_it_stands(strategy: Strategy, last: AIDecision) -> dict[str, Any]:
    """Return what the form begins with: the strategy in force, where it has changed since its last question."""
    values: dict[str, Any] = {
        "instructions": strategy.instructions,
        "models": ", ".join(strategy.model_names),
    }
    if strategy.version != last.strategy_version:
        values["strategy"] = f"{strategy.name}@{strategy.version}"
    return values


def _deed(request: HttpRequest, strategy: Strategy) -> dict[str, Any] | None:
    return {"strategy": strategy} if request.user.has_perm(ASK) else None


STRATEGY_DEEDS.put(Piece("evaluation/try_link.html", _deed))
