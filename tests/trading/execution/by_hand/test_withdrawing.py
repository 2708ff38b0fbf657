"""An approval is withdrawn while nothing has left: nothing is ever sent, and the room is free again."""

import json
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from risk.models import RiskReservation
from tests.factories import make_agent, make_approval, make_user
from tests.risk.threads import at_once
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import wish
from trading.errors import WithdrawalError
from trading.execution import approvals, sagas
from trading.execution.by_hand.withdrawing import may_be_withdrawn, withdraw
from trading.models import AIDecision, Approval, Event, Order, Saga


def granted(user: User | None = None) -> AIDecision:
    """Return a decision that a person has approved and the gate has let pass; its order has not left."""
    approval = make_approval(decision=wish(STOCK, status="awaiting_approval"))
    said = approvals.answer(approval, granted=True, user=user or make_user("ada"))
    assert said.saga_id is not None
    return said.decision


def test_withdrawn_order_is_never_sent_and_its_room_is_free(account: Outside) -> None:
    decision = granted()
    saga = Saga.objects.get()
    assert may_be_withdrawn(decision)

    after = withdraw(decision.pk, actor="bob", reason="the wrong one")
    sagas.advance_saga(saga.pk)

    assert account.posts() == []
    assert (after.status, after.reason, after.reason_detail) == (
        "expired",
        "order_canceled",
        "withdrawn by bob: the wrong one",
    )
    assert (Order.objects.get().status, Saga.objects.get().status) == ("canceled", "compensated")
    assert not RiskReservation.objects.counting().exists()
    told = Event.objects.get(type="order.cancel").payload
    assert (told["actor"], told["reason"]) == ("bob", "approval_withdrawn")
    assert Approval.objects.get().status == "granted"  # what was answered stays on record
    assert not may_be_withdrawn(after)


def test_what_has_left_is_not_withdrawn(account: Outside) -> None:
    decision = granted()
    sagas.advance_saga(Saga.objects.get().pk)

    with pytest.raises(WithdrawalError, match=r"its order has left|already"):
        withdraw(decision.pk, actor="bob", reason="too late")

    assert len(account.posts()) == 1
    assert Order.objects.get().status != "canceled"


def test_decision_that_no_gate_has_judged_expires(account: Outside) -> None:
    decision = wish(STOCK, status="pending", approved=True)
    Approval.objects.filter(decision=decision).update(status="granted")

    after = withdraw(decision.pk, actor="bob", reason="the wrong one")

    assert (after.status, after.reason) == ("expired", "approval_withdrawn")
    assert not Order.objects.exists()


def test_what_nobody_approved_has_nothing_to_withdraw(account: Outside) -> None:
    decision = wish(STOCK, status="awaiting_approval")
    make_approval(decision=decision)

    with pytest.raises(WithdrawalError, match="was not approved by a person"):
        withdraw(decision.pk, actor="bob", reason="why not")
    with pytest.raises(WithdrawalError, match="reason: was empty"):
        withdraw(decision.pk, actor="bob", reason=" ")


def test_of_sending_and_withdrawing_at_once_one_wins(threaded_account: Outside) -> None:
    make_agent(mode="autonomous")
    decision = granted()
    saga = Saga.objects.get()
    refused: list[str] = []

    def take_back() -> None:
        try:
            withdraw(decision.pk, actor="bob", reason="the wrong one")
        except WithdrawalError as error:
            refused.append(str(error))

    at_once(2, lambda turn: take_back() if turn else _send(saga))

    order = Order.objects.get()
    assert len(threaded_account.posts()) == len(refused), (refused, order.status)
    assert (order.status == "canceled") is not bool(refused)


def _send(saga: Saga) -> None:
    sagas.advance_saga(saga.pk)


def test_command_withdraws_and_says_what_came_too_late(account: Outside) -> None:
    decision, said = granted(), StringIO()

    call_command("withdraw", str(decision.pk), "--reason", "the wrong one", "--json", stdout=said)

    assert json.loads(said.getvalue()) == {"decision_id": str(decision.pk), "status": "expired"}
    with pytest.raises(CommandError, match="nothing was withdrawn: it is expired already"):
        call_command("withdraw", str(decision.pk), "--reason", "again")
