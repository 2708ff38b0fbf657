"""Posting orders: the one function that does it, and the protocol that makes it happen once.

The row is committed before the request leaves. A request whose reply was lost leaves the order
*unknown*: it is looked up by its client_order_id before anything else is concluded. An intent that is
too old to be sent is looked up too, and expired when the broker has never heard of it.

One process at a time is at work on an order: it holds the order's lock for as long as its database session lives.
Right before the first byte leaves, one statement proves that this attempt is still the one that may send. So a
process that was stopped, for however long, meets what was concluded meanwhile.

How often it is posted is counted on the row, before the request, over all visits. One that was posted as often as it
may be is only looked up, and fails once the broker can be relied on to have never had it.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from connectors.base import (
    AssetClass,
    Broker,
    BrokerOrder,
    OrderClass,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from connectors.errors import (
    ConnectorError,
    DuplicateOrderError,
    OutcomeUnknownError,
    RejectedError,
    UnavailableError,
)
from connectors.transport import time_limit
from risk.services import locks, switch
from trading.core import settings, transitions
from trading.core.failures import log_order_failure
from trading.core.providers import current_providers
from trading.core.statements.compiled_reads import CompiledRead
from trading.core.trace_spans import span
from trading.domain.ages import TOLERANCE, is_fresh
from trading.domain.order_ids import PROTECTIVE, Purpose
from trading.domain.statuses import OrderStatus
from trading.domain.symbols import is_coin
from trading.models import Order, Position
from trading.models.order import SideChoice
from trading.orders import pacing, resting
from trading.orders.attempts import (
    INTENT_MAX_AGE,
    Attempt,
    StaleAttemptError,
    SwitchEngagedError,
    SwitchReleasedError,
    require_door,
)
from trading.orders.execution_reports import record_accepted, record_broker_order

T = TypeVar("T")
TIME_FOR_ATTEMPTS = timedelta(seconds=5)  # of one visit: no try begins later, others wait for their turn
UNSENT = (OrderStatus.CREATED, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN)
UNPOSTED = Q(posts=0)  # nobody else has counted a request meanwhile
_ORDER = CompiledRead(lambda pk: Order.objects.filter(pk=pk), of=UUID)
_COUNT = (
    "UPDATE orders SET posts = posts + 1, quantity = %s WHERE id = %s AND status = %s AND lease_until = %s"
)
NOTHING_LEFT = "nothing of it is available to sell any more"


def submit_order(
    order_id: UUID,
    *,
    available: Decimal | None = None,
    attempts: int | None = None,
    read: Order | None = None,
) -> Order:
    """Bring an unsent order to the broker, at most once, or to the truth about it.

    A visit is short: what cannot be concluded within ``TIME_FOR_ATTEMPTS`` is left to a later one, not before the
    order's ``next_try_at``.

    Args:
        available: for a sale: base units that the broker has just said can be sold; None: it is asked.
        attempts: at most so many tries in this visit, where the setting allows more.
        read: the order, as it was just read. One that is new is not read again under its lock: nothing of such a one
            changes but its status, and its claim takes it only where that is still the same.

    Returns:
        The order as it stands; still unsent when the broker could not be reached (a later call goes on)
        or when another process is at it.
    """
    give_up_at = time.monotonic() + TIME_FOR_ATTEMPTS.total_seconds()
    allowed = settings.count("order_attempts")
    left = min(allowed, attempts or allowed)
    pause: float | None = 0.0
    is_first = True
    while left and pause is not None and time.monotonic() + pause < give_up_at:
        time.sleep(pause)
        with locks.attempt_alone(order_id) as is_alone:
            if not is_alone:
                break
            is_new = read is not None and read.status == OrderStatus.CREATED
            order = read if read is not None and is_new and is_first else _ORDER.get(order_id)
            if order.status not in UNSENT:
                return order
            pause = pacing.seconds_to_wait(order) if is_first else 0.0
            is_first = False
            if pause > 0:  # its next try is later: waited for without the lock
                continue
            outcome = _attempt(order, available)
            if isinstance(outcome, Order):
                return outcome
            pause = outcome
            left, available = left - 1, None
    return _ORDER.get(order_id)


def _attempt(order: Order, available: Decimal | None) -> Order | float | None:
    """Try once; return the order as the broker's word was recorded.

    Else the pause, in seconds, after which another try is worth making, None where it is not now.
    """
    now = timezone.now()
    is_new = order.status == OrderStatus.CREATED
    never_sent = is_new or _is_unsent_sale(order)
    is_stale = not is_fresh(order.created_at, now, INTENT_MAX_AGE)
    if never_sent and is_stale:
        ended = _ended("never sent: too old")
        transitions.apply(order, "expire", changes=ended, where=UNPOSTED, reason="stale_intent")
        return None
    may_post = not is_stale and not pacing.is_used_up(order)
    is_quiet = order.submitted_at is None or now - order.submitted_at > pacing.quiet_after()
    if not _claim(order, may_post=may_post):
        return None
    attempt = Attempt(order, most_seconds=pacing.attempt_seconds())
    try:
        found = None if never_sent else _look_up(order)
        if found is None and not may_post:
            return _end(order) if is_quiet else _give_back(order, may_post=False)
        reported = found or _post_what_is_left(attempt, available, is_new)
        if reported is None:
            return None
        if found is None and is_new and order.purpose == Purpose.ENTRY and not reported.filled_quantity:
            order.posts += 1  # as it was counted before it left
            return record_accepted(order, reported)
        return _read(lambda: record_broker_order(order, reported))
    except StaleAttemptError as reason:
        _log("attempt_stale", order, reason)
        return None
    except DuplicateOrderError:
        return _give_back(order, again=True)  # the next try looks it up and adopts it
    except RejectedError as error:
        _log("order_rejected", order, error, is_final=True)
        transitions.apply(
            order, "reject", changes=_ended(error.detail), reason=error.detail, symbol=order.symbol
        )
    except SwitchEngagedError:
        return _hold_back(order, never_sent, "kill switch engaged", "kill_switch")
    except SwitchReleasedError:
        return _hold_back(order, never_sent, "kill switch released", "kill_switch_released")
    except UnavailableError as error:
        _log("order_not_taken", order, error)
        return _give_back(order, again=True, error=error)
    except OutcomeUnknownError as error:
        _log("order_outcome_unknown", order, error)
        return _lose(order, error)
    return None


def _log(
    event: str, order: Order, error: ConnectorError | StaleAttemptError, *, is_final: bool = False
) -> None:
    operation = error.operation if isinstance(error, ConnectorError) else "submit_order"
    log_order_failure(event, order=order, error=error, operation=operation, is_final=is_final)


def _claim(order: Order, *, may_post: bool) -> bool:
    """Take the lease, and read the order anew; False where somebody else has it.

    Only what may post counts as submitted, or looking it up would keep it from being quiet.

    A lease or a submission from the future is from before a clock stepped back: the first has run out, the
    second counts from now on. The lease of a sale that was never posted is no longer its holder's once we are alone
    with the order: what protected the position may be gone. A holder that was only stopped can count no request.
    """
    now = timezone.now()
    longest = now + pacing.longest_lease() + TOLERANCE
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now) | Q(lease_until__gt=longest)
    if _is_unsent_sale(order):
        free |= UNPOSTED
    lease_until = now + pacing.request_lease()
    changes: dict[str, Any] = {"lease_until": lease_until, "attempts": F("attempts") + 1}
    if may_post or (order.submitted_at is not None and order.submitted_at > now + TOLERANCE):
        changes["submitted_at"] = now
    is_first = order.status == OrderStatus.CREATED
    if not transitions.apply(order, "submit", changes=changes, where=free):
        return False
    if is_first and may_post:  # whether it is still ours is proved right before it leaves (``Attempt.prove``)
        order.status, order.lease_until, order.submitted_at = OrderStatus.SUBMITTING, lease_until, now
        order.attempts += 1
        return True
    order.refresh_from_db(fields=["status", *changes])
    return order.lease_until == lease_until  # else it ran out, and was taken over, in between


def _is_unsent_sale(order: Order) -> bool:
    """Tell whether it sells or protects, and no request of it has left: each is counted before it does."""
    return order.posts == 0 and (order.purpose == Purpose.EXIT or order.purpose in PROTECTIVE)


def _look_up(order: Order) -> BrokerOrder | None:
    broker = _broker_for(order)
    with time_limit(pacing.look_up_seconds()):
        return _read(lambda: broker.order_by_client_order_id(order.client_order_id))


def _read(call: Callable[[], T]) -> T:
    """Read from the broker; a refused read says as little about the order as one without an answer."""
    try:
        return call()
    except RejectedError as error:
        raise UnavailableError(error.provider, error.operation, error.detail) from error


def _post_what_is_left(attempt: Attempt, available: Decimal | None, is_new: bool) -> BrokerOrder | None:
    """Post; a sale for no more than the broker says can be sold now. None: there is nothing left to sell."""
    order = attempt.order
    if order.side == SideChoice.SELL and order.quantity is not None:
        engagement = switch.current_engagement()
        # Asked again when it leaves, as it is of every order; this spares the requests before it.
        require_door(order, engagement.pk if engagement else None)
        if order.purpose not in PROTECTIVE:
            _take_away_what_rests(order)
        left = available if available is not None else _available(order)
        if left <= 0:
            _nothing_left(order, is_new)
            return None
        order.quantity = min(left, order.quantity)
    _count_post(order)
    try:
        return post_order(attempt)
    finally:
        if not attempt.is_out:  # provably: not a byte has left
            Order.objects.filter(pk=order.pk, posts__gt=0).update(posts=F("posts") - 1)


def _take_away_what_rests(order: Order) -> None:
    """Free what stops and targets hold of the symbol.

    Raises:
        UnavailableError: the broker still has some: another try goes on with it.
    """
    broker = _broker_for(order)
    with time_limit(resting.WITHIN_SECONDS + pacing.look_up_seconds()):
        left = _read(lambda: resting.take_away([order.symbol], broker=broker))
    if left:
        words = f"{order.symbol}: {len(left)} orders that protect it are not cancelled yet"
        raise UnavailableError(broker.name, "cancel_order", words)


def _count_post(order: Order) -> None:
    """Count the request before it leaves: whoever is killed then has posted once too often, never once too seldom."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [order.quantity, order.pk, OrderStatus.SUBMITTING, order.lease_until])
        if not cursor.rowcount:
            raise StaleAttemptError(f"{order.client_order_id}: somebody else has it")


def _available(order: Order) -> Decimal:
    with time_limit(pacing.look_up_seconds()):
        position = _read(lambda: _broker_for(order).position(order.symbol))
    return position.quantity_available if position else Decimal(0)


def _nothing_left(order: Order, is_new: bool) -> None:
    is_gone = order.purpose == Purpose.EXIT or not Position.objects.filter(pk=order.symbol).exists()
    if is_new or (is_gone and _is_unsent_sale(order)):
        transitions.apply(order, "cancel", changes=_ended(NOTHING_LEFT), reason="nothing_available")
    else:
        _give_back(order)  # an earlier request may be what sold it: it is looked up until it is too old


def _end(order: Order) -> float | None:
    """End an order that the broker has never had: too old, or posted as often as it may be."""
    words, reason = "the broker never had it", "stale_intent"
    if pacing.is_used_up(order):
        times = "once" if order.posts == 1 else f"{order.posts} times"
        words, reason = f"posted {times}, and {words}", "attempts_used_up"
    if transitions.apply(order, "fail", changes=_ended(words), reason=reason, symbol=order.symbol):
        failure = UnavailableError("broker", "submit_order", words)
        _log("order_never_taken", order, failure, is_final=True)
    return None


def _give_back(
    order: Order, *, again: bool = False, may_post: bool = True, error: UnavailableError | None = None
) -> float | None:
    """Let another visit have it, after a pause; return the pause where this one may go on, too."""
    pause = pacing.pause_after(order, error.retry_after_seconds if error else None)
    due = pacing.next_try(order, pause, may_post=may_post and not _is_used_up_now(order))
    Order.objects.filter(pk=order.pk, status=OrderStatus.SUBMITTING, lease_until=order.lease_until).update(
        lease_until=None, next_try_at=due
    )
    return pause if again else None


def _lose(order: Order, error: OutcomeUnknownError) -> float:
    """Note that nobody knows whether the broker took it; return the pause before it is looked up."""
    pause = pacing.pause_after(order)
    due = pacing.next_try(order, pause, may_post=not _is_used_up_now(order))
    changes = {"lease_until": None, "next_try_at": due}
    transitions.apply(order, "lose", changes=changes, error=str(error))
    return pause


def _is_used_up_now(order: Order) -> bool:
    order.refresh_from_db(fields=["posts"])
    return pacing.is_used_up(order)


def _hold_back(order: Order, never_sent: bool, message: str, reason: str) -> float | None:
    """Stop at the switch; an earlier request that may be out is still looked up later."""
    if never_sent:
        transitions.apply(order, "cancel", changes=_ended(message), reason=reason)
        return None
    return _give_back(order)


def _ended(message: str) -> dict[str, object]:
    return {"ended_at": timezone.now(), "lease_until": None, "broker_message": message}


def _broker_for(order: Order) -> Broker:
    """Return the way to the broker; what the switch sells is held back by no limit of ours."""
    providers = current_providers()
    return providers.switch_broker if order.purpose == Purpose.FLATTEN else providers.broker


def post_order(attempt: Attempt) -> BrokerOrder:
    """Post the order: the only function that sends one, every path goes through it.

    Holds the switch's shared lock around the request, so that whoever engages sees that one is on its way, and
    proves right before the first byte that this attempt may send.

    Raises:
        SwitchEngagedError: the switch is engaged; nothing was sent.
        SwitchReleasedError: it was to flatten, and the switch is released; nothing was sent.
        StaleAttemptError: the attempt is not the one any more; nothing was sent.
        ConnectorError: as the broker's ``submit_order``.
    """
    order = attempt.order
    if order.quantity is None:
        raise ValueError(f"order {order.pk} has no quantity: an external order is never posted")
    request = OrderRequest(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        asset_class=AssetClass.CRYPTO if is_coin(order.symbol) else AssetClass.STOCK,
        side=Side(order.side),
        quantity=order.quantity,
        time_in_force=TimeInForce(order.time_in_force),
        order_type=OrderType(order.order_type),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        order_class=OrderClass(order.order_class),
        take_profit=order.take_profit_price if order.order_class else None,
        stop_loss=order.stop_loss_price if order.order_class else None,
    )
    broker = _broker_for(order)
    with span("submit", symbol=order.symbol, client_order_id=order.client_order_id), locks.switch_shared():
        return broker.submit_order(request, permit=attempt.prove)
