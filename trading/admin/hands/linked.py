"""The page that a signed link in a notice leads to: one decision, priced anew, and its two answers."""

from typing import cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from trading.access.approval_links import ApprovalLink, needs_login, read_link, used, whose_link
from trading.admin.answers import ANSWER, AnswerForm, follow, sentence
from trading.admin.hands.cards import cards_of
from trading.admin.pages import console_page
from trading.errors import LinkError
from trading.execution.approvals import AnswerOutcome, AnswerReport, answer
from trading.models import Approval
from trading.queries.approval_queue import priced_line

TEMPLATE, CLOSED = "console/approval_linked.html", 410


class NothingDoneError(Exception):
    """No answer counted and another may: the link stays good."""


@never_cache
@csrf_protect
def linked_view(request: HttpRequest, token: str) -> HttpResponse:
    """Show the decision at the price of now; take an answer once, by POST alone."""
    asks_for_login = needs_login()
    if asks_for_login and not _is_staff(request):
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    if asks_for_login and not request.user.has_perm(ANSWER):
        raise PermissionDenied(f"this needs the permission {ANSWER}")
    try:
        link = read_link(token)
        if request.method == "POST":
            return _answered(request, link)
    except LinkError as error:
        return _closed(request, f"Nothing was done: {error}.")
    return _shown(request, link)


def _is_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_staff)


def _person(request: HttpRequest) -> User:
    """Return who answers: whoever is logged in and may, else the link itself."""
    if _is_staff(request) and request.user.has_perm(ANSWER):
        return cast(User, request.user)
    return whose_link()


def _answered(request: HttpRequest, link: ApprovalLink) -> HttpResponse:
    form = AnswerForm(request.POST)
    if not form.is_valid():
        problems = [str(line) for lines in form.errors.values() for line in lines]
        return _shown(request, link, problems=problems, typed=request.POST.get("reason", ""))
    approval = Approval.objects.select_related("decision").filter(decision=link.decision_id).first()
    if approval is None:
        raise LinkError("its decision waits for nobody any more")
    user, given = _person(request), form.cleaned_data
    try:
        with used(link, user):
            granted = given["answer"] == "approve"
            said = answer(approval, granted=granted, user=user, reason=given["reason"], hold_hours=form.hold)
            if said.outcome is AnswerOutcome.NO_PRICE:
                raise NothingDoneError(sentence(said))
    except NothingDoneError as error:
        return _shown(request, link, problems=[str(error)], typed=given["reason"])
    follow(request, said)
    return _told(request, said)


def _shown(
    request: HttpRequest, link: ApprovalLink, *, problems: list[str] | None = None, typed: str = ""
) -> HttpResponse:
    """Show the card with the price of this moment; say where the decision waits no more."""
    line = priced_line(link.decision_id)
    if line is None:
        return _closed(request, "Nothing is to be done: the decision waits for nobody any more.")
    (card,) = cards_of([line])
    what = f"{line.approval.decision.action.upper()} {line.approval.decision.symbol}"
    context = {"title": what, "card": card, "line": line, "problems": problems or [], "typed": typed}
    return console_page(request, TEMPLATE, context)


def _told(request: HttpRequest, said: AnswerReport) -> HttpResponse:
    return console_page(request, TEMPLATE, {"title": "Answered", "told": sentence(said)})


def _closed(request: HttpRequest, words: str) -> HttpResponse:
    page = console_page(request, TEMPLATE, {"title": "Nothing to answer", "told": words})
    page.status_code = CLOSED
    return page
