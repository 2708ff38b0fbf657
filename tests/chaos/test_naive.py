"""The mechanisms as one would write them first: each is caught by the monitor that guards the real one.

Where the wrong moment has to come, a barrier or an event brings it, so that every run meets it.
"""

import threading
import time
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from connectors.base import AssetClass, OrderRequest, Side, TimeInForce
from connectors.errors import OutcomeUnknownError
from risk.services import book as risk_book
from risk.services import locks, switch
from tests.chaos.monitors import Monitors
from tests.e2e.system import environment
from tests.factories import make_strategy
from tests.risk.threads import at_once, beside
from tests.trading.outside import ORDERS, STOCK, Outside
from tests.trading.scenes import open_cycle, order_of, passed, wish
from trading.core import transitions
from trading.core.providers import current_providers
from trading.cycle import cycles
from trading.domain.order_ids import Purpose
from trading.domain.statuses import CycleStatus
from trading.execution import decision_execution, gate_inputs
from trading.models import AIDecision, Cycle, MarketSnapshot, Order
from trading.orders.submission import submit_order
from trading.safety import kill_switch

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
WISHES = 8
MANY = ("ALSQ", "ALEQ", "ALFQ", "ALHQ", "BRSZ", "BREZ", "COSQ", "COEQ")


@pytest.fixture
def monitors(trading_account: Outside) -> Monitors:
    return Monitors(environment()["DATABASE_URL"], trading_account.venue)


def wishes(count: int) -> list[AIDecision]:
    """Decisions to buy as many symbols, each for a tenth of the equity: five fit, the rest must be denied."""
    strategy = make_strategy(size_percent=Decimal(10))
    symbols = MANY[:count]
    return [wish(symbol, strategy=strategy) for symbol in symbols]


def reserve_without_the_lock(pk: UUID, everybody_has_read: threading.Barrier) -> None:
    """Check, then insert: what is read before the lock is old when it is used."""
    decision = AIDecision.objects.select_related("strategy").get(pk=pk)
    snapshot = MarketSnapshot.objects.filter(symbol=decision.symbol).latest("quoted_at")
    with transaction.atomic():
        book = gate_inputs.risk_book_for(decision.symbol)
        everybody_has_read.wait(120)
        risk_book.check_and_reserve(
            intent=gate_inputs.order_intent(decision, snapshot),
            book=book,
            decision_id=decision.pk,
            cycle_id=decision.cycle_id,
        )


def test_check_then_insert_without_the_lock_exceeds_the_limits(monitors: Monitors) -> None:
    decisions = wishes(WISHES)
    barrier = threading.Barrier(WISHES)

    at_once(WISHES, lambda n: reserve_without_the_lock(decisions[n].pk, barrier))

    assert any("exposure is" in words for words in monitors.exceeded())


def test_the_gate_under_its_lock_stays_within_them(monitors: Monitors) -> None:
    decisions = wishes(WISHES)

    at_once(WISHES, lambda n: decision_execution.execute_decision(decisions[n].pk))

    assert monitors.exceeded() == []
    assert Order.objects.count() >= 4


def send(order: Order) -> None:
    """Send it as it is: no lock, no proof."""
    current_providers().broker.submit_order(
        OrderRequest(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            asset_class=AssetClass.STOCK,
            side=Side(order.side),
            quantity=order.quantity or Decimal(0),
            time_in_force=TimeInForce(order.time_in_force),
        )
    )


def submit_with_a_random_id(decision: AIDecision) -> None:
    """Post under a new id each time the message is delivered."""
    send(
        Order(
            client_order_id=f"{decision.pk}-{Purpose.ENTRY}-{uuid4().hex}",
            symbol=decision.symbol,
            side="buy",
            purpose=Purpose.ENTRY,
            quantity=Decimal(1),
            time_in_force="day",
        )
    )


def test_a_random_id_and_a_redelivery_double_the_order(monitors: Monitors, trading_account: Outside) -> None:
    """docs/lessons.md#lesson-36."""
    decision = wish(STOCK)
    trading_account.venue.fault(kind="reset_after", route=ORDERS, times=1)

    with pytest.raises(OutcomeUnknownError):
        submit_with_a_random_id(decision)
    submit_with_a_random_id(decision)

    assert monitors.doubled(monitors.venue_orders()) == [f"decision {decision.pk} has 2 entries at the venue"]


def test_the_derived_id_and_a_redelivery_do_not(monitors: Monitors, trading_account: Outside) -> None:
    """docs/lessons.md#lesson-36."""
    saga = passed(STOCK)
    trading_account.venue.fault(kind="reset_after", route=ORDERS, times=1)

    for _ in range(2):
        submit_order(saga.order_id)

    assert monitors.doubled(monitors.venue_orders()) == []
    assert len(monitors.venue_orders()) == 1


class WorkerDiedError(Exception):
    """Stands for a kill -9 between two lines."""


def mark_then_send(order: Order, *, dies: bool) -> None:
    """Record the order as taken, then send it: a redelivery believes the record."""
    if order.acknowledged_at is not None:
        return
    transitions.apply(order, "submit")
    order.refresh_from_db()
    transitions.apply(order, "accept", changes={"acknowledged_at": timezone.now()})
    if dies:
        raise WorkerDiedError
    send(order)


def test_marking_before_sending_loses_the_order(monitors: Monitors) -> None:
    saga = passed(STOCK)

    with pytest.raises(WorkerDiedError):
        mark_then_send(order_of(saga), dies=True)
    mark_then_send(order_of(saga), dies=False)

    name = order_of(saga).client_order_id
    assert f"order {name} (accepted) is not at the venue" in monitors.lost(monitors.venue_orders())


def test_a_switch_that_is_only_read_lets_an_order_through(monitors: Monitors) -> None:
    order = order_of(passed(STOCK))
    has_read, may_post = threading.Event(), threading.Event()

    def read_the_flag_and_post() -> None:
        if switch.is_engaged():
            return
        has_read.set()
        assert may_post.wait(120)
        with locks.switch_shared():  # the lock without the flag read under it is worth nothing
            send(order)

    with beside(read_the_flag_and_post):
        assert has_read.wait(120)
        kill_switch.engage(actor="test", reason="naive")
        returned = time.time()
        may_post.set()

    assert [words.split(" at ")[0] for words in monitors.orders_after(returned, time.time())] == [
        order.client_order_id
    ]


def finish_without_a_lease(cycle_id: UUID, everybody_has_read: threading.Barrier) -> None:
    """Read that the cycle runs, do the last work, then write its end, whoever else has done so."""
    cycle = Cycle.objects.get(pk=cycle_id)
    everybody_has_read.wait(120)
    with transaction.atomic():
        locks.lock_book()  # only so that the two writes follow each other
        now = timezone.now()
        Cycle.objects.filter(pk=cycle_id).update(status=CycleStatus.COMPLETED, stage="ended", ended_at=now)
        transitions.append_event(
            aggregate_type="cycle",
            aggregate_id=str(cycle_id),
            event_type="cycle.complete",
            payload={"from": cycle.status, "to": CycleStatus.COMPLETED},
            cycle_id=cycle_id,
        )


def started_cycle() -> Cycle:
    cycle = open_cycle(symbols=[])
    transitions.record_created(cycle)
    return cycle


def test_a_finish_without_a_lease_ends_the_cycle_twice(monitors: Monitors) -> None:
    cycle = started_cycle()
    barrier = threading.Barrier(2)

    at_once(2, lambda _: finish_without_a_lease(cycle.pk, barrier))

    assert monitors.events() == [f"cycle {cycle.pk}: event 3 begins at running, it was completed"]


def test_the_finish_under_its_lease_ends_it_once(monitors: Monitors) -> None:
    cycle = started_cycle()

    at_once(2, lambda _: cycles.complete_cycle(Cycle.objects.get(pk=cycle.pk)))

    assert monitors.events() == []
