"""The form by which a person takes an approval back before its order has left."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from trading.admin.answers import ANSWER
from trading.admin.base import change_url
from trading.admin.pages import FormPage, ReasonForm, add_problem, came_from, form_page, posted, require
from trading.errors import WithdrawalError
from trading.execution.by_hand.withdrawing import withdraw
from trading.models import AIDecision

EFFECTS = (
    "The order is not sent, and the room that the gate kept for it is free again. The decision has then expired.",
    "Once the order has left for the broker this does nothing, and says so: close the position instead.",
)


def withdraw_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask why, then withdraw; what came too late is said above the form."""
    require(request, ANSWER)
    decision = get_object_or_404(AIDecision, pk=pk)
    form, back = ReasonForm(posted(request)), came_from(request, change_url("trading", "aidecision", pk))
    what = f"{decision.action} {decision.symbol}"
    page = FormPage(f"Withdraw the approval: {what}", EFFECTS, "Withdraw it", back, is_dangerous=True)
    if not form.is_valid():
        return form_page(request, form=form, page=page)
    try:
        withdraw(pk, actor=request.user.get_username(), reason=form.cleaned_data["reason"])
    except WithdrawalError as error:
        add_problem(form, f"Nothing was withdrawn: {error}.")
        return form_page(request, form=form, page=page)
    messages.success(request, f"{what}: the approval is withdrawn, nothing was sent.")
    return redirect(back)
