"""A broker that is away for ten minutes: the saga ends at the truth, and nothing is sent late."""

import contextlib
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import F

from connectors.errors import ConnectorError
from risk.models import RiskReservation
from tests.trading.outside import ORDERS, STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, order_of, passed, reservation_of
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.execution.sagas import advance_saga
from trading.models import AIDecision, Order, Saga, Trade

TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def one_attempt(account: Outside) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")


def away_for_ten_minutes(account: Outside, saga: Saga) -> None:
    """Let the broker refuse everything while ten minutes pass and the sweeper goes on asking, then come back."""
    account.venue.fault(kind="error", status=503, route="/v2/*")
    for _ in range(5):
        with contextlib.suppress(ConnectorError):
            advance_saga(saga.pk)
        _pass(TEN_MINUTES / 5)
    account.venue.clear_faults()


def _pass(time: timedelta) -> None:
    Order.objects.update(
        created_at=F("created_at") - time,
        submitted_at=F("submitted_at") - time,
        lease_until=F("lease_until") - time,
        next_try_at=F("next_try_at") - time,
    )
    Saga.objects.update(deadline_at=F("deadline_at") - time, next_poll_at=F("next_poll_at") - time)


def decided(saga: Saga) -> tuple[str, str]:
    decision = AIDecision.objects.get(pk=saga.decision_id)
    return decision.status, decision.reason


def test_order_that_met_the_outage_is_given_up_and_never_sent(account: Outside) -> None:
    saga = passed()

    away_for_ten_minutes(account, saga)

    saga = advanced_to_its_end(saga.pk)
    assert (saga.status, decided(saga)) == ("compensated", ("failed", "order_never_taken"))
    assert not RiskReservation.objects.counting().exists()
    assert account.positions() == {}


def test_order_whose_reply_was_lost_is_found_and_booked(account: Outside) -> None:
    account.venue.fault(kind="reset_after", route=ORDERS, times=1)
    saga = passed()
    advance_saga(saga.pk)
    assert order_of(saga).status == "unknown"
    account.wait_filled(order_of(saga).client_order_id)

    away_for_ten_minutes(account, saga)

    assert reservation_of(saga).released_at is None, "its room was given out while nobody knew its fate"
    saga = advanced_to_its_end(saga.pk)
    assert (saga.status, decided(saga)) == ("completed", ("executed", ""))
    assert len(account.posts()) == 1
    assert Trade.objects.get().quantity == account.positions()[STOCK]


def test_order_that_was_lost_on_its_way_fails_and_is_not_repeated(account: Outside) -> None:
    account.venue.fault(kind="reset_before", route=ORDERS, times=1)
    saga = passed()
    advance_saga(saga.pk)
    sent = len(account.posts())

    away_for_ten_minutes(account, saga)

    saga = advanced_to_its_end(saga.pk)
    assert (saga.status, decided(saga)) == ("compensated", ("failed", "order_never_taken"))
    assert len(account.posts()) == sent
    assert account.positions() == {}


def test_order_that_had_filled_in_part_is_settled_to_that_part(account: Outside) -> None:
    account.venue.fault(kind="partial_fill", fraction=0.4, seconds=None)
    saga = passed()
    advance_saga(saga.pk)
    wait_until(account.positions, what="a part is filled")

    away_for_ten_minutes(account, saga)

    saga = advanced_to_its_end(saga.pk)
    order = order_of(saga)
    assert (saga.status, order.status, decided(saga)) == ("completed", "canceled", ("executed", ""))
    assert order.quantity is not None
    assert Decimal(0) < order.filled_quantity < order.quantity
    assert Trade.objects.get().quantity == order.filled_quantity == account.positions()[STOCK]
