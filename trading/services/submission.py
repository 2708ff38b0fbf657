"""Posting orders: the one function that does it, and the protocol that makes it happen once.

The row is committed before the request leaves. A request whose reply was lost leaves the order
*unknown*: it is looked up by its client_order_id before anything else is concluded. An intent that is
too old to be sent is looked up too, and expired when the broker has never heard of it.
"""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from connectors.base import AssetClass, BrokerOrder, OrderRequest, Side, TimeInForce
from connectors.errors import (
    ConnectorError,
    DuplicateOrderError,
    OutcomeUnknownError,
    RejectedError,
    UnavailableError,
)
from risk.services import locks, switch
from trading.domain.backoff import backoff_seconds
from trading.domain.order_ids import Purpose
from trading.domain.statuses import OrderStatus
from trading.domain.symbols import is_coin
from trading.models import Order
from trading.services import settings, transitions
from trading.services.failures import log_failure
from trading.services.order_truth import record_broker_order
from trading.services.providers import current_providers
from trading.services.spans import stage

T = TypeVar("T")
REQUEST_LEASE = timedelta(seconds=30)  # longer than a look-up and a request, 10 s each in total
INTENT_MAX_AGE = timedelta(seconds=60)
QUIET = timedelta(seconds=30)  # a request this old has reached the broker, or never will
TIME_FOR_ATTEMPTS = timedelta(seconds=20)
UNSENT = (OrderStatus.CREATED, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN)


def submit_order(order_id: UUID) -> Order:
    """Bring an unsent order to the broker, at most once, or to the truth about it.

    Returns:
        The order as it stands; still unsent when the broker could not be reached (a later call goes on)
        or when another process is at it.
    """
    give_up_at = timezone.now() + TIME_FOR_ATTEMPTS
    for attempt in range(settings.count("order_attempts")):
        pause = _pause(attempt)
        if timezone.now() + timedelta(seconds=pause) >= give_up_at:
            break
        time.sleep(pause)
        order = Order.objects.get(pk=order_id)
        if order.status not in UNSENT or not _attempt(order):
            break
    return Order.objects.get(pk=order_id)


def _pause(attempt: int) -> float:
    return backoff_seconds(
        attempt,
        base=settings.seconds("retry_base"),
        factor=float(settings.runtime_value("retry_factor")),
        cap=settings.seconds("retry_cap"),
        jitter=random.random(),  # noqa: S311 - spreads tasks, keeps no secret
    )


def _attempt(order: Order) -> bool:
    """Try once; return whether another try is worth making."""
    now = timezone.now()
    never_sent = order.status == OrderStatus.CREATED
    stale = now - order.created_at > INTENT_MAX_AGE
    if never_sent and stale:
        transitions.apply(order, "expire", changes=_ended("never sent: too old"), reason="stale_intent")
        return False
    quiet = order.submitted_at is None or now - order.submitted_at > QUIET
    if not _claim(order, may_post=not stale):
        return False
    try:
        found = None if never_sent else _look_up(order)
        if found is None and stale:
            return _conclude(order) if quiet else _give_back(order)
        told = found or post_order(order)
        _read(lambda: record_broker_order(order, told))
    except DuplicateOrderError:
        return _give_back(order, again=True)  # the next try looks it up and adopts it
    except RejectedError as error:
        _log("order_rejected", order, error)
        transitions.apply(
            order, "reject", changes=_ended(error.detail), reason=error.detail, symbol=order.symbol
        )
    except SwitchEngagedError:
        return _hold_back(order, never_sent)
    except UnavailableError as error:
        _log("order_not_taken", order, error)
        return _give_back(order, again=True)
    except OutcomeUnknownError as error:
        _log("order_outcome_unknown", order, error)
        transitions.apply(order, "lose", changes={"lease_until": None}, error=str(error))
        return True
    return False


def _log(event: str, order: Order, error: ConnectorError) -> None:
    log_failure(
        event,
        error=error,
        operation=error.operation,
        state=order.status,
        cycle_id=order.cycle_id,
        symbol=order.symbol,
        client_order_id=order.client_order_id,
    )


def _claim(order: Order, *, may_post: bool) -> bool:
    """Take the lease; only what may post counts as submitted, or looking it up would keep it from QUIET."""
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    changes: dict[str, Any] = {"lease_until": now + REQUEST_LEASE, "attempts": F("attempts") + 1}
    if may_post:
        changes["submitted_at"] = now
    return transitions.apply(order, "submit", changes=changes, where=free)


def _look_up(order: Order) -> BrokerOrder | None:
    broker = current_providers().broker
    return _read(lambda: broker.order_by_client_order_id(order.client_order_id))


def _read(call: Callable[[], T]) -> T:
    """Read from the broker; a refused read says as little about the order as one without an answer."""
    try:
        return call()
    except RejectedError as error:
        raise UnavailableError(error.provider, error.operation, error.detail) from error


def _conclude(order: Order) -> bool:
    transitions.apply(order, "fail", changes=_ended("the broker never had it"), reason="stale_intent")
    return False


def _give_back(order: Order, *, again: bool = False) -> bool:
    Order.objects.filter(pk=order.pk, status=OrderStatus.SUBMITTING).update(lease_until=None)
    return again


def _hold_back(order: Order, never_sent: bool) -> bool:
    """Stop at the engaged switch; an earlier request that may be out is still looked up later."""
    if never_sent:
        transitions.apply(order, "cancel", changes=_ended("kill switch engaged"), reason="kill_switch")
    return False if never_sent else _give_back(order)


def _ended(message: str) -> dict[str, object]:
    return {"ended_at": timezone.now(), "lease_until": None, "broker_message": message}


class SwitchEngagedError(Exception):
    """The kill switch was engaged when the order was about to leave: nothing was sent."""


def post_order(order: Order) -> BrokerOrder:
    """Post the order: the only function that sends one, every path goes through it.

    Holds the switch's shared lock, and nothing else, around the request, so that when ``engage`` has
    the exclusive lock no order is on its way.

    Raises:
        SwitchEngagedError: the switch is engaged; nothing was sent.
        ConnectorError: as the broker's ``submit_order``.
    """
    if order.quantity is None:
        raise ValueError(f"order {order.pk} has no quantity: an external order is never posted")
    request = OrderRequest(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        asset_class=AssetClass.CRYPTO if is_coin(order.symbol) else AssetClass.STOCK,
        side=Side(order.side),
        quantity=order.quantity,
        time_in_force=TimeInForce(order.time_in_force),
    )
    broker = current_providers().broker
    with stage("submit", symbol=order.symbol, client_order_id=order.client_order_id), locks.switch_shared():
        if switch.is_engaged() and order.purpose != Purpose.FLATTEN:
            raise SwitchEngagedError(order.client_order_id)
        return broker.submit_order(request)
