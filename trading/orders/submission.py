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
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError
from django.db.models import F, Q
from django.utils import timezone

from connectors.base import BrokerOrder
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
from trading.core.statements.compiled_reads import CompiledRead
from trading.core.statements.moved_rows import Beside, CompiledCondition, Statement
from trading.domain.ages import TOLERANCE, is_fresh
from trading.domain.order_ids import PROTECTIVE, Purpose
from trading.domain.statuses import OrderStatus
from trading.models import Order, Position
from trading.models.order import SideChoice
from trading.orders import counting, pacing, resting
from trading.orders.attempts import (
    INTENT_MAX_AGE,
    Attempt,
    StaleAttemptError,
    SwitchEngagedError,
    SwitchReleasedError,
    require_door,
)
from trading.orders.execution_reports import record_broker_order
from trading.orders.first_answer import NotedWith, record_answer
from trading.orders.posting import broker_for, post_order, read_broker

T = TypeVar("T")
TIME_FOR_ATTEMPTS = timedelta(seconds=5)  # of one visit: no try begins later, others wait for their turn
UNSENT = (OrderStatus.CREATED, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN)
UNPOSTED = Q(posts=0)  # nobody else has counted a request meanwhile
_ORDER = CompiledRead(lambda pk: Order.objects.filter(pk=pk), of=UUID)
NEVER_CLAIMED = CompiledCondition(Order, Q(lease_until__isnull=True))
_CLAIMED_NOW = (
    f"id = %(row_key)s AND status = '{OrderStatus.SUBMITTING}' AND lease_until = %(set_lease_until)s"
)
SALES = (Purpose.EXIT, Purpose.FLATTEN)
NOTHING_LEFT = "nothing of it is available to sell any more"


class _ToldMeanwhileError(Exception):
    """Somebody has written of a new order while its claim waited for the row: the event's place is taken."""


def submit_order(
    order_id: UUID,
    *,
    available: Decimal | None = None,
    attempts: int | None = None,
    read: Order | None = None,
    noted: NotedWith | None = None,
) -> Order:
    """Bring an unsent order to the broker, at most once, or to the truth about it.

    A visit is short: what cannot be concluded within ``TIME_FOR_ATTEMPTS`` is left to a later one, not before the
    order's ``next_try_at``.

    Args:
        available: for a sale: base units that the broker has just said can be sold; None: it is asked.
        attempts: at most so many tries in this visit, where the setting allows more.
        read: the order, as it was just read. One that is new is not read again under its lock: nothing of such a one
            changes but its status, and its claim takes it only where that is still the same.
        noted: what is noted with the answer to an entry's first request, where that is recorded in one message.

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
        if is_first and read is not None and _is_first_try_of_entry(read):
            outcome, is_first = _begin(read, noted), False
        else:
            with locks.attempt_alone(order_id) as alone:
                if not alone:
                    break
                is_new = read is not None and read.status == OrderStatus.CREATED
                order = read if read is not None and is_new and is_first else _ORDER.get(order_id)
                if order.status not in UNSENT:
                    return order
                pause = pacing.seconds_to_wait(order) if is_first else 0.0
                is_first = False
                if pause > 0:  # its next try is later: waited for without the lock
                    continue
                outcome, available = _attempt(order, available), None
        if isinstance(outcome, Order):
            return outcome
        pause, left = outcome, left - 1
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

    def conclude() -> Order | float | None:
        found = None if never_sent else _look_up(order)
        if found is None and not may_post:
            return _end(order) if is_quiet else _give_back(order, may_post=False)
        reported = found or _post_what_is_left(attempt, available, is_new)
        if reported is None:
            return None
        return read_broker(lambda: record_broker_order(order, reported))

    return _concluded(order, conclude, never_sent=never_sent)


def _is_first_try_of_entry(order: Order) -> bool:
    """Tell whether all that there is to do is to post it: nothing of it has left, and it is young."""
    is_new = order.status == OrderStatus.CREATED and order.lease_until is None and not order.posts
    is_due = order.next_try_at is None and is_fresh(order.created_at, timezone.now(), INTENT_MAX_AGE)
    return is_new and is_due and order.purpose == Purpose.ENTRY


def _begin(order: Order, noted: NotedWith | None) -> Order | float | None:
    """Try an entry for the first time, as ``_attempt`` does: locks, claim and count are one message."""
    broker_for(order)  # made before anything is held
    try:
        with locks.attempt_begun(order.pk, partial(_claim_first, order)) as (alone, sends):
            if not alone:
                return None
            attempt = Attempt(order, most_seconds=pacing.attempt_seconds())
            post = partial(_post_first, attempt, alone, sends, noted)
            return _concluded(order, post, never_sent=True)
    except _ToldMeanwhileError:
        return 0.0  # the general way waits for the row first


def _concluded(
    order: Order, conclude: Callable[[], Order | float | None], *, never_sent: bool
) -> Order | float | None:
    """Do what concludes something about an order that was claimed; what it raises is noted on the order."""
    try:
        return conclude()
    except StaleAttemptError as reason:
        _log("attempt_stale", order, reason)
        return None
    except DuplicateOrderError:
        return _give_back(order, again=True)  # the next try looks it up and adopts it
    except RejectedError as error:
        if _may_be_held(order):
            _log("order_not_taken", order, error)
            return _give_back(order, again=True)  # the next try takes it away first
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


def _claim_first(order: Order, alone: locks.Held, sends: locks.Held) -> bool:
    """Take the locks and the lease of an entry that is new, and count the request; False where somebody else has it.

    The switch's lock is taken last: nothing is waited for then. Who is killed between this and the request has posted
    once too often. Whether it is still ours is proved right before it leaves (``Attempt.prove``).
    """
    now = timezone.now()
    lease_until = now + pacing.request_lease()
    attempts = order.attempts + 1
    changes = {"lease_until": lease_until, "attempts": attempts, "posts": 1, "submitted_at": now}
    take = f"SELECT {sends.take} FROM orders WHERE {_CLAIMED_NOW}"  # noqa: S608 - ours
    send = Statement(take, {**sends.values, **alone.values})
    claimed = Beside(guard=alone.take, then=[send])
    try:
        is_claimed = transitions.apply(
            order, "submit", changes=changes, where=NEVER_CLAIMED, is_within=True, beside=claimed
        )
    except IntegrityError as error:
        raise _ToldMeanwhileError(str(order.pk)) from error
    if not is_claimed:
        return False
    order.status = OrderStatus.SUBMITTING
    for name, value in changes.items():
        setattr(order, name, value)
    return True


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
    broker = broker_for(order)
    with time_limit(pacing.look_up_seconds()):
        return read_broker(lambda: broker.order_by_client_order_id(order.client_order_id))


def _post_what_is_left(attempt: Attempt, available: Decimal | None, is_new: bool) -> BrokerOrder | None:
    """Post; a sale for no more than the broker says can be sold now. None: there is nothing left to sell."""
    order = attempt.order
    if order.side == SideChoice.SELL and order.quantity is not None:
        engagement = switch.current_engagement()
        # Asked again when it leaves, as it is of every order; this spares the requests before it.
        require_door(order, engagement.pk if engagement else None)
        if order.purpose in SALES:
            _take_away_what_rests(order)
        left = available if available is not None else _available(order)
        if left <= 0:
            if _may_be_held(order):
                raise _held_by_protection(order)
            _nothing_left(order, is_new)
            return None
        order.quantity = min(left, order.quantity)
    counting.count_post(order)
    with counting.counted(attempt):
        return post_order(attempt)


def _post_first(attempt: Attempt, alone: locks.Held, sends: locks.Held, noted: NotedWith | None) -> Order:
    """Post an entry of which no request has left, and record the answer; the claim has counted it."""
    order = attempt.order
    row: Order | None = None
    with counting.counted(attempt), locks.given_back(sends):
        reported = post_order(attempt, sends)
        row = record_answer(order, reported, sends=sends, alone=alone, noted=noted)
    return row or read_broker(lambda: record_broker_order(order, reported))


def _take_away_what_rests(order: Order) -> None:
    """Free what stops and targets hold of the symbol.

    Raises:
        UnavailableError: the broker still has some: another try goes on with it.
    """
    broker = broker_for(order)
    with time_limit(resting.WITHIN_SECONDS + pacing.look_up_seconds()):
        left = read_broker(lambda: resting.take_away([order.symbol], broker=broker))
    if left:
        raise _held_by_protection(order)


def _may_be_held(order: Order) -> bool:
    return order.purpose in SALES and resting.may_hold(order.symbol)


def _held_by_protection(order: Order) -> UnavailableError:
    words = f"{order.symbol}: what protects it is not cancelled yet"
    return UnavailableError(broker_for(order).name, "cancel_order", words)


def _available(order: Order) -> Decimal:
    with time_limit(pacing.look_up_seconds()):
        position = read_broker(lambda: broker_for(order).position(order.symbol))
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
