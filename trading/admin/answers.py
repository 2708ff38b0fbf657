"""A person's word in the console: the forms it comes by, the words that say what came of it, what follows."""

from decimal import Decimal

import structlog
from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from trading import tasks
from trading.execution.approvals import LONGEST_HOLD_HOURS, AnswerOutcome, AnswerReport, answer_all
from trading.labels import with_thousands, words_of
from trading.models import Approval

log = structlog.get_logger(__name__)
ANSWER = "trading.answer_approval"
MOST_AT_ONCE = 50
LEVEL = {
    AnswerOutcome.ORDERED: messages.SUCCESS,
    AnswerOutcome.UNDER_WAY: messages.SUCCESS,
    AnswerOutcome.REJECTED: messages.SUCCESS,
    AnswerOutcome.DENIED: messages.WARNING,
    AnswerOutcome.ANSWERED_BEFORE: messages.WARNING,
    AnswerOutcome.EXPIRED: messages.WARNING,
    AnswerOutcome.NO_PRICE: messages.ERROR,
}


class AnswerForm(forms.Form):
    """Approve, or reject with a reason."""

    answer = forms.ChoiceField(
        choices=[("approve", "approve"), ("reject", "reject")],
        error_messages={
            "required": "answer: was not given, expected approve or reject",
            "invalid_choice": "answer: was '%(value)s', expected approve or reject",
        },
    )
    reason = forms.CharField(required=False, max_length=500)
    hold_hours = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=LONGEST_HOLD_HOURS,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"),
            f"hold_hours: expected a whole number from 0 to {LONGEST_HOLD_HOURS}, or nothing",
        ),
    )

    def clean(self) -> dict[str, object]:
        """Require why something is rejected."""
        given: dict[str, object] = super().clean() or self.cleaned_data
        if given.get("answer") == "reject" and not given.get("reason"):
            raise ValidationError("reason: was empty, expected why the decision is rejected")
        return given

    @property
    def hold(self) -> int | None:
        """For how many hours a rejection holds; None: as the setting says. Of an approval it says nothing."""
        hours: int | None = self.cleaned_data["hold_hours"]
        return hours if self.cleaned_data["answer"] == "reject" else None


class AnswersForm(AnswerForm):
    """The same for several at once; approving several has to be confirmed."""

    approval = forms.ModelMultipleChoiceField(
        queryset=Approval.objects.select_related("decision").order_by("requested_at"),
        error_messages={
            "required": "approval: none was selected, expected at least one",
            "invalid_pk_value": "approval: was '%(pk)s', expected an approval's id",
            "invalid_choice": "approval: %(value)s is no approval",
        },
    )
    confirmed = forms.BooleanField(required=False)

    def clean_approval(self) -> list[Approval]:
        """Take no more than one page shows."""
        chosen = list(self.cleaned_data["approval"])
        if len(chosen) > MOST_AT_ONCE:
            raise ValidationError(
                f"approval: {len(chosen)} were selected, expected at most {MOST_AT_ONCE} at once"
            )
        return chosen

    @property
    def needs_confirmation(self) -> bool:
        """Whether the person has yet to confirm what they selected."""
        given = self.cleaned_data
        return given["answer"] == "approve" and len(given["approval"]) > 1 and not given["confirmed"]


def answer_and_tell(request: HttpRequest, user: User, chosen: list[Approval], form: AnswerForm) -> None:
    """Give the answer to each, enqueue what follows and say what came of it."""
    given, granted = form.cleaned_data, form.cleaned_data["answer"] == "approve"
    for said in answer_all(chosen, granted=granted, user=user, reason=given["reason"], hold_hours=form.hold):
        follow(request, said)
        tell(request, said)


def follow(request: HttpRequest, said: AnswerReport) -> None:
    """Enqueue the way to the broker; where the queue is gone the sweeper finds the saga."""
    if said.saga_id is None and said.outcome != AnswerOutcome.UNDER_WAY:
        return
    decision_id = str(said.decision.pk)

    def publish() -> None:
        try:
            tasks.risk_and_execute.delay(decision_id)
        except (OperationalError, RedisError) as error:
            log.warning("queue_unreachable", decision_id=decision_id, error=str(error))
            messages.warning(
                request, f"{said.decision.symbol}: the queue cannot be reached; the sweeper takes it up."
            )

    transaction.on_commit(publish)


def tell(request: HttpRequest, said: AnswerReport) -> None:
    """Say what came of an answer, the gate's words included."""
    messages.add_message(request, LEVEL[said.outcome], sentence(said))


def sentence(said: AnswerReport) -> str:
    """Return what came of an answer in a sentence."""
    what = f"{said.decision.action} {said.decision.symbol}"
    if said.outcome is AnswerOutcome.ORDERED and said.check is not None:
        size = f"{with_thousands(said.check.quantity)} at {_moved(said)}, {said.check.notional:,.2f} USD"
        return f"{what}: approved, and the risk gate let it pass: {size}. The order is on its way."
    if said.outcome is AnswerOutcome.DENIED:
        reason = said.check.reason if said.check else said.decision.reason
        return f"{what}: approved, but the risk gate denied it at {_moved(said)}: {words_of(reason)}."
    if said.outcome is AnswerOutcome.REJECTED:
        return f"{what}: rejected."
    if said.outcome is AnswerOutcome.NO_PRICE:
        return (
            f"{what}: nothing was done, there is no price of now: {said.detail}. Try again, or let it expire."
        )
    if said.outcome in (AnswerOutcome.ANSWERED_BEFORE, AnswerOutcome.EXPIRED):
        return f"{what}: nothing was done, {said.detail}."
    return f"{what}: approved; a worker is taking it through the risk gate now."


def _moved(said: AnswerReport) -> str:
    now, then = said.price_now, said.price_then
    if now is None:
        return "no price"
    if not then:
        return with_thousands(now)
    change = (now / then - 1) * 100
    return f"{with_thousands(now)} (seen at {with_thousands(then)}, {round(change, 2) or Decimal(0):+} %)"
