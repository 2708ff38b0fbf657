"""*Ask again …* on a decision's page: what is to be other, what that takes, and then the evaluator does it."""

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
    form = AskForm(posted(request), instructions=_instructions(decision))
    if not form.is_valid():
        return _page(request, decision, form)
    try:
        order = checked(Order(Selection(decision=str(pk)), form.variation(), form.most_usd()))
    except EvaluationError as error:
        form.add_error(_field(str(error), form), str(error))
        return _page(request, decision, form)
    found = estimate(order)
    seen = request.POST.get("seen") == str(found.most_usd) and request.POST.get("confirmed") == "on"
    if found.asked and not seen:
        return _page(request, decision, form, estimate=found, left=day_left())
    run = order_from(order, author=request.user.get_username())
    return redirect(PAGE, run.pk)


def _page(request: HttpRequest, decision: AIDecision, form: AskForm, **more: Any) -> HttpResponse:
    context = {
        "title": f"Ask again: {decision.action} {decision.symbol}",
        "decision": decision,
        "form": form,
        "back_url": reverse("admin:trading_aidecision_change", args=[decision.pk]),
        **more,
    }
    return console_page(request, TEMPLATE, context)


def _instructions(decision: AIDecision) -> str:
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
