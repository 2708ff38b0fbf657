"""The saga against a model of the broker: whatever the broker does, and wherever a call dies.

Hypothesis drives a scripted broker and the real services on the real database. After every step the
books say what the model allows; in the end everything is settled, once.
"""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from connectors.base import BrokerOrder
from connectors.errors import ConnectorError
from risk.models import KillSwitch, RiskReservation
from tests.factories import make_agent, make_decision, make_limits, make_order, make_reservation, make_saga
from tests.trading.model_broker import OPEN, ModelBroker, S
from tests.trading.scenes import wrong_stages
from trading.core import providers
from trading.core.settings import set_runtime_setting
from trading.core.work import WorkKind
from trading.domain.statuses import OPEN_SAGA, SagaStatus
from trading.execution import saga_steps
from trading.execution.reconciliation import reconcile
from trading.execution.sagas import advance_saga, settle_order
from trading.execution.settlement import NOT_UPDATED
from trading.models import AIDecision, Event, Order, Position, Saga, SagaStep, Trade
from trading.work.sweeping import find_work

QUANTITY = Decimal(10)
UNTRADED = ("rejected", "expired", "failed")


class CrashError(BaseException):
    """Stands for kill -9: nothing catches it."""


class SagaMachine(RuleBasedStateMachine):
    """One entry order of ten shares on its way, and everything that can happen to it."""

    broker: ModelBroker  # the one the services meet, put in place by the test

    @initialize()
    def begin(self) -> None:
        self.whole = transaction.atomic()
        self.whole.__enter__()
        SagaMachine.broker.__init__()  # type: ignore[misc]  # the services hold this one object
        make_agent(mode="autonomous")
        make_limits()
        set_runtime_setting(name="order_attempts", value="1", actor="test")
        decision = make_decision(symbol="ALSQ", status="executing")
        ids = {"decision_id": decision.pk, "cycle_id": decision.cycle_id}
        reservation = make_reservation(symbol="ALSQ", quantity=QUANTITY, notional=1000, **ids)
        order = make_order(symbol="ALSQ", decision=decision, reservation=reservation, quantity=QUANTITY)
        self.saga = make_saga(order=order, steps=False)
        SagaStep.objects.bulk_create(
            saga_steps.steps_of(self.saga, risk_figures={}, entry_price=None, unit_cost=None)
        )
        self.released_at: Any = None

    @rule(plan=st.sampled_from(["unavailable", "lost on the way", "reply lost", "delayed", "reject"]))
    def next_request(self, plan: str) -> None:
        self.broker.plan = plan

    @rule(is_down=st.booleans())
    def go_away_or_come_back(self, is_down: bool) -> None:
        self.broker.is_down = is_down

    @rule(manner=st.sampled_from(["at once", "later", "refused", "failing"]))
    def treat_cancels(self, manner: str) -> None:
        self.broker.cancels = manner

    @rule(times=st.integers(1, 2))
    def advance(self, times: int) -> None:
        for _ in range(times):
            self.attempt(lambda: advance_saga(self.saga.pk))

    @rule(statement=st.integers(1, 40))
    def die_in_any_line(self, statement: int) -> None:
        """A process that is killed at its n-th statement: what was committed stays, the rest is gone."""
        left = statement

        def crash(execute: Callable[..., Any], *arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise CrashError
            return execute(*arguments)

        # A session whose lock is in doubt is closed; here it holds the whole run's transaction, and there is no doubt.
        stays = mock.patch.object(connection, "close")
        with stays, contextlib.suppress(CrashError), connection.execute_wrapper(crash):
            self.attempt(lambda: advance_saga(self.saga.pk))

    @rule()
    def sweep(self) -> None:
        for work in find_work():
            if work.kind == WorkKind.ADVANCE:
                self.attempt(lambda pk=work.id: advance_saga(pk))
            elif work.kind == WorkKind.SETTLE:
                self.attempt(lambda pk=work.id: settle_order(pk))

    @rule()
    def compare(self) -> None:
        self.attempt(reconcile)

    @rule(seconds=st.sampled_from([10, 40, 70, 400]))
    def time_passes(self, seconds: int) -> None:
        past = timedelta(seconds=seconds)
        Order.objects.update(
            created_at=F("created_at") - past,
            submitted_at=F("submitted_at") - past,
            lease_until=F("lease_until") - past,
            next_try_at=F("next_try_at") - past,
        )
        Saga.objects.update(deadline_at=F("deadline_at") - past, next_poll_at=F("next_poll_at") - past)
        for step in SagaStep.objects.filter(input__has_key=saga_steps.CANCEL_ASKED):
            asked = timezone.datetime.fromisoformat(step.input[saga_steps.CANCEL_ASKED])
            step.input[saga_steps.CANCEL_ASKED] = (asked - past).isoformat()
            step.save()

    @rule()
    def delayed_request_arrives(self) -> None:
        self.broker.deliver()

    @precondition(lambda self: self.theirs is not None and self.theirs.filled_quantity < QUANTITY)
    @rule(part=st.sampled_from([1, 3, 10]))
    def broker_fills(self, part: int) -> None:
        """Open or not: a fill may cross a cancel."""
        assert self.theirs is not None
        if self.theirs.status != S.REJECTED:
            self.broker.fill(self.theirs, min(Decimal(part), QUANTITY - self.theirs.filled_quantity))

    @precondition(lambda self: self.theirs is not None and self.theirs.status in OPEN)
    @rule(status=st.sampled_from([S.CANCELED, S.EXPIRED, S.REPLACED]))
    def broker_ends(self, status: S) -> None:
        assert self.theirs is not None
        self.broker.end(self.theirs, status)

    @precondition(lambda self: self.theirs is not None and self.theirs.status in OPEN)
    @rule(part=st.sampled_from([1, 3, 10]))
    def fill_is_told_after_the_end(self, part: int) -> None:
        """The case that chance alone meets too seldom: we have settled, then more fills."""
        assert self.theirs is not None
        self.broker.end(self.theirs, S.CANCELED)
        self.advance(times=2)
        if self.theirs.filled_quantity < QUANTITY:
            self.broker_fills(part)

    @invariant()
    def at_most_one_order(self) -> None:
        assert self.broker.taken <= 1
        assert Order.objects.count() == 1

    @invariant()
    def books_follow_the_broker(self) -> None:
        order, fills = self.order, self.order.fills.aggregate(total=Sum("quantity"))["total"] or 0
        assert order.filled_quantity == fills <= self.broker.held()

    @invariant()
    def room_is_given_back_once(self) -> None:
        room = RiskReservation.objects.get()
        if self.released_at is not None:
            assert room.released_at == self.released_at
        self.released_at = room.released_at
        status = Saga.objects.get().status
        if (
            status in OPEN_SAGA and self.order.is_open
        ):  # a sync may let go of what has ended before the saga does
            assert room.released_at is None
        elif status not in (*OPEN_SAGA, SagaStatus.FAILED):
            assert room.released_at is not None

    @invariant()
    def statuses_say_one_thing(self) -> None:
        saga, decision, trade = Saga.objects.get(), AIDecision.objects.get(), Trade.objects.first()
        if saga.status == SagaStatus.COMPLETED:
            assert decision.status == "executed"
            assert trade is not None
            assert 0 < trade.quantity <= self.order.filled_quantity
        elif trade is not None:  # a part of an order that goes on, or what its positions do not hold yet
            assert saga.status in (*OPEN_SAGA, SagaStatus.FAILED)
            assert 0 < trade.quantity <= self.order.filled_quantity
        if saga.status == SagaStatus.COMPENSATED:
            assert decision.status in UNTRADED
        if saga.status == SagaStatus.FAILED and not saga.error.startswith(NOT_UPDATED):
            assert KillSwitch.objects.filter(trigger="compensation_failed").exists()
        last = Event.objects.filter(aggregate_id=str(saga.pk)).order_by("sequence").last()
        assert last is None or last.payload["to"] == saga.status

    @invariant()
    def stored_stages_are_the_timelines(self) -> None:
        assert wrong_stages() == {}

    @property
    def order(self) -> Order:
        return Order.objects.get()

    @property
    def theirs(self) -> BrokerOrder | None:
        return next(iter(self.broker.book.values()), None)

    def attempt(self, work: Callable[[], object]) -> None:
        with contextlib.suppress(ConnectorError):
            work()

    def teardown(self) -> None:
        """Let the world become kind: everything comes to rest, settled to the broker's truth."""
        try:
            self.broker.is_down, self.broker.cancels, self.broker.plan = False, "at once", "accept"
            self.broker.deliver()
            for _ in range(4):
                self.time_passes(400)
                self.sweep()
                self.compare()
                self.sweep()
            self.assert_settled()
        finally:
            transaction.set_rollback(True)
            self.whole.__exit__(None, None, None)

    def assert_settled(self) -> None:
        for check in (
            self.books_follow_the_broker,
            self.room_is_given_back_once,
            self.statuses_say_one_thing,
        ):
            check()
        order, held = self.order, self.broker.held()
        assert not order.is_open
        assert Saga.objects.get().status == ("completed" if held else "compensated")
        assert order.filled_quantity == held
        assert (Trade.objects.aggregate(total=Sum("quantity"))["total"] or 0) == held
        assert sum(Position.objects.values_list("quantity", flat=True)) == held
        assert not RiskReservation.objects.counting().exists()
        assert self.theirs is None or self.theirs.status not in OPEN


@pytest.mark.django_db
def test_saga_agrees_with_the_model_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/lessons.md#lesson-22, #lesson-36, #lesson-37."""
    SagaMachine.broker = ModelBroker()
    broker = SagaMachine.broker
    world = providers.Providers("model", True, broker, broker, (), (), None, None, (), ())  # type: ignore[arg-type]  # a saga asks no prices
    monkeypatch.setattr(providers, "_venue_addresses", lambda: None)
    monkeypatch.setattr(providers, "_build", lambda *_: world)

    run_state_machine_as_test(
        SagaMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
