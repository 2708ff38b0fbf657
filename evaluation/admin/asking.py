"""*Ask again …* on a decision's page: what is to be other, what that takes, and then the evaluator does it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from evaluation.admin.forms import AskForm
from evaluation.errors import EvaluationError
from evaluation.services.purse import day_left
from evaluation.services.replay.background import checked, order_from
from evaluation.services.replay.estimating import estimate
from evaluation.services.replay.orders import Order
from evaluation.services.replay.selecting import Selection
from trading.admin.extras import DECISION_DEEDS, Piece
from trading.admin.pages import console_page, posted, require
from trading.models import AIDecision, StrategyVersion

ASK = "evaluation.ask_again"
PAGE = "admin:evaluation_run_change"
TEMPLATE = "evaluation/ask.html"


def ask_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask what is to be other; say what that takes; store it once whoever pays for it has seen that."""
    require(request, ASK)
    decision = AIDecision.objects.select_related("strategy").filter(pk=pk).first()
    if decision is None:
        messages.warning(request, f"There is no decision {pk}: nothing can be asked again.")
        return redirect("admin:trading_aidecision_changelist")
    form = AskForm(posted(request), instructions=instructions_of(decision))
    context = {
        "title": f"Ask again: {decision.action} {decision.symbol}",
        "decision": decision,
        "back_url": reverse("admin:trading_aidecision_change", args=[decision.pk]),
    }
    return asked(request, Selection(decision=str(pk)), form, context)


def asked(
    request: HttpRequest, selection: Selection, form: AskForm, context: Mapping[str, Any]
) -> HttpResponse:
    """Show the form, what it takes once it is filled in, and the run once whoever pays for it has seen that."""
    if not form.is_valid():
        return console_page(request, TEMPLATE, {**context, "form": form})
    try:
        order = checked(Order(selection, form.variation(), form.most_usd()))
    except EvaluationError as error:
        form.add_error(_field(str(error), form), str(error))
        return console_page(request, TEMPLATE, {**context, "form": form})
    found = estimate(order)
    seen = request.POST.get("seen") == str(found.most_usd) and request.POST.get("confirmed") == "on"
    if found.asked and not seen:
        shown = {"form": form, "estimate": found, "left": day_left()}
        return console_page(request, TEMPLATE, {**context, **shown})
    run = order_from(order, author=request.user.get_username())
    return redirect(PAGE, run.pk)


def instructions_of(decision: AIDecision) -> str:
    """Return the instructions that a decision was made by."""
    kept = StrategyVersion.objects.filter(
        strategy=decision.strategy, version=decision.strategy_version or 0
    ).first()
    return str(kept.content["instructions"]) if kept else decision.strategy.instructions


def _field(words: str, form: AskForm) -> str | None:
    """Return the field that an error names first, None where it names none."""
    name = {"model": "models"}.get(words.partition(":")[0], words.partition(":")[0])
    return name if name in form.fields else None


def _deed(request: HttpRequest, decision: AIDecision) -> dict[str, Any] | None:
    return {"decision": decision} if request.user.has_perm(ASK) else None


DECISION_DEEDS.put(Piece("evaluation/ask_link.html", _deed))
