"""How often an order is posted, when it is tried again, and how long one attempt may take: by the runtime settings."""

import random
from datetime import datetime, timedelta

from django.utils import timezone

from trading.core import settings
from trading.domain.ages import in_force
from trading.domain.backoff import backoff_seconds
from trading.domain.order_ids import Purpose
from trading.domain.runtime_settings import NUMBERS
from trading.models import Order
from trading.orders.attempts import ATTEMPT_SECONDS, INTENT_MAX_AGE

REQUEST_LEASE = timedelta(seconds=30)  # longer than an attempt up to its first byte, and its reply
QUIET = timedelta(seconds=30)  # a request this old has reached the broker, or never will
USUAL_SECONDS = 10.0  # the order_timeout that the three limits above are made for
A_MOMENT = timedelta(milliseconds=10)


def request_lease() -> timedelta:
    """Return how long an attempt keeps its order: the longer a request may take, the longer."""
    return REQUEST_LEASE + timedelta(seconds=2 * _beyond_usual())


def longest_lease() -> timedelta:
    """Return the longest lease that any value of ``order_timeout`` gives: what ends later is from before a clock
    stepped back.
    """
    return REQUEST_LEASE + timedelta(seconds=2 * (float(NUMBERS["order_timeout"].maximum) - USUAL_SECONDS))


def quiet_after() -> timedelta:
    """Return how old a request must be to have reached the broker, or never to reach it."""
    return QUIET + timedelta(seconds=2 * _beyond_usual())


def attempt_seconds() -> float:
    """Return how long an attempt may take from its claim to its first byte."""
    return ATTEMPT_SECONDS + _beyond_usual()


def look_up_seconds() -> float:
    """Return how long a look-up may take: half of an order request, for a look-up that hangs holds others up."""
    return settings.seconds("order_timeout") / 2


def is_used_up(order: Order) -> bool:
    """Tell whether the order was posted as often as it may be, by all processes together.

    What the switch sells is never: it goes on until nothing is held.
    """
    return order.purpose != Purpose.FLATTEN and order.posts >= settings.count("order_attempts")


def pause_after(order: Order, asked_seconds: float | None = None) -> float:
    """Return the pause after the order's tries so far; as long as the broker asks for, where that is longer.

    What the switch sells never waits longer than after a first try.
    """
    is_switchs = order.purpose == Purpose.FLATTEN
    chosen = settings.retries()
    pause = backoff_seconds(
        1 if is_switchs else order.attempts,
        base=chosen.base,
        factor=chosen.factor,
        cap=chosen.cap,
        jitter=random.random(),  # noqa: S311 - spreads tasks, keeps no secret
    )
    return pause if is_switchs else max(pause, min(asked_seconds or 0.0, INTENT_MAX_AGE.total_seconds()))


def next_try(order: Order, pause: float, *, may_post: bool) -> datetime:
    """Return when the order is tried again: after the pause, or when something can be concluded, if that is sooner.

    Args:
        may_post: whether the next try may post; else it can but look the order up, until it is quiet.
    """
    now = timezone.now()
    moments = [now + timedelta(seconds=pause)]
    too_old = order.created_at + INTENT_MAX_AGE + A_MOMENT
    if too_old > now:
        moments.append(too_old)
    if not may_post and order.submitted_at is not None:
        quiet = order.submitted_at + quiet_after() + A_MOMENT
        if quiet > now:
            moments.append(quiet)
    return min(moments)


def seconds_to_wait(order: Order) -> float:
    """Return how long it is until the order's next try; 0 where it is due, or a clock has stepped back since.

    What the switch sells is always due.
    """
    now = timezone.now()
    waits = order.next_try_at is not None and in_force(order.next_try_at, now, INTENT_MAX_AGE)
    if order.next_try_at is None or not waits or order.purpose == Purpose.FLATTEN:
        return 0.0
    return (order.next_try_at - now).total_seconds()


def _beyond_usual() -> float:
    return max(0.0, settings.seconds("order_timeout") - USUAL_SECONDS)
