"""Rate limit, pauses and breaker in a real Valkey; nothing is faked but, here and there, a provider's words."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.conf import settings

from connectors.throttle.base import NoSlotError, Priority, Report, RequestOutcome
from connectors.throttle.shared import Health, Limits, SharedThrottle, connect
from tests.connectors.throttle.crowd import crowd
from tests.venue_process import VenueProcess
from tests.waiting import wait_until

ANSWERED = Report(RequestOutcome.ANSWERED)
FAILED = Report(RequestOutcome.FAILED, "HTTP 500: broken")
READ, ORDER, CANCEL, SWITCH = Priority


@pytest.fixture
def client() -> Iterator["redis.Redis"]:
    with connect(settings.REDIS_URL) as opened:
        yield opened


@pytest.fixture
def identity() -> str:
    return uuid.uuid4().hex


def throttle(client: "redis.Redis", identity: str, requests: int = 10, **limits: float) -> SharedThrottle:
    return SharedThrottle(client, "test", identity, Limits(requests, **limits))  # type: ignore[arg-type]


def ask(
    door: SharedThrottle, priority: Priority = READ, report: Report = ANSWERED, patience: float = 0
) -> None:
    door.admit(priority, patience_seconds=patience, lease_seconds=5).close(report)


def is_refused(door: SharedThrottle, priority: Priority = READ) -> bool:
    try:
        ask(door, priority)
    except NoSlotError:
        return True
    return False


def state(door: SharedThrottle) -> Health:
    return door.health()


def test_eight_processes_keep_the_limit_over_any_window_and_use_it() -> None:
    """docs/lessons.md#lesson-4, in short windows."""
    limit, window = 80, 4
    with VenueProcess(is_forked=True, rate_limit=limit, rate_window=window) as venue:
        seen = crowd(venue, settings.REDIS_URL, processes=8, limit=limit, window=window, windows=3)

    assert seen.most_in_a_window <= limit
    assert seen.refused == 0
    assert seen.used >= 0.9


def test_two_processes_share_one_window(client: "redis.Redis", identity: str) -> None:
    """docs/lessons.md#lesson-4."""
    with connect(settings.REDIS_URL) as other:
        here, there = throttle(client, identity, 2), throttle(other, identity, 2)
        ask(here)
        ask(there)

        assert is_refused(here)
        assert is_refused(there)


def test_keys_do_not_share_a_window(client: "redis.Redis", identity: str) -> None:
    ask(throttle(client, identity, 1))

    assert not is_refused(throttle(client, f"{identity} of another", 1))


def test_slot_is_free_again_one_window_after_the_answer(client: "redis.Redis", identity: str) -> None:
    """Not after the start: the provider may have counted it at any moment in between."""
    door = throttle(client, identity, 1, window_seconds=0.3)
    slot = door.admit(READ, patience_seconds=0, lease_seconds=5)

    with pytest.raises(NoSlotError):
        door.admit(READ, patience_seconds=0.29, lease_seconds=5)
    slot.close(ANSWERED)
    ask(door, patience=60)


def test_request_that_never_left_gives_its_slot_back(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 1)

    ask(door, report=Report(RequestOutcome.UNSENT, "connection refused"))

    assert not is_refused(door)


def test_reads_leave_the_reserve_to_orders(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 3, reserve=2)
    ask(door)

    assert is_refused(door)
    ask(door, ORDER)
    ask(door, CANCEL)
    assert is_refused(door, ORDER)


def test_refusal_says_when_to_come_back(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 1)
    ask(door)

    with pytest.raises(NoSlotError, match="rate limit is used up") as refused:
        ask(door, patience=5)

    assert 55 < refused.value.retry_after_seconds <= 60


def test_waiter_goes_on_when_a_slot_is_free(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 1, window_seconds=2)
    ask(door)

    ask(door, patience=60)

    assert state(door).used == 1


def test_provider_that_says_less_remains_is_believed(client: "redis.Redis", identity: str) -> None:
    """Another program may use the same key: its requests are in the provider's count, not in ours."""
    door = throttle(client, identity, 100)
    seconds, _ = client.time()

    ask(door, report=Report(RequestOutcome.ANSWERED, remaining=2, reset_at=seconds + 30))
    ask(door)
    ask(door)

    with pytest.raises(NoSlotError, match="nothing remains"):
        ask(door)


def test_late_answer_does_not_raise_what_remains(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 100)
    reset_at = client.time()[0] + 30
    early, late = (door.admit(READ, patience_seconds=0, lease_seconds=5) for _ in range(2))
    late.close(Report(RequestOutcome.ANSWERED, remaining=0, reset_at=reset_at))

    early.close(Report(RequestOutcome.ANSWERED, remaining=1, reset_at=reset_at))

    assert is_refused(door)


def test_retry_after_stops_every_process_but_not_a_cancel(client: "redis.Redis", identity: str) -> None:
    with connect(settings.REDIS_URL) as other:
        here, there = throttle(client, identity), throttle(other, identity)
        ask(here, report=Report(RequestOutcome.LIMITED, "HTTP 429", retry_after_seconds=30))

        with pytest.raises(NoSlotError, match="asked to wait") as refused:
            ask(there)
        assert 29 < refused.value.retry_after_seconds <= 30
        assert is_refused(there, ORDER)
        ask(there, CANCEL)
        assert (state(there).state, state(there).limited) == ("paused", 1)


def test_retry_after_of_days_is_cut(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity)
    ask(door, report=Report(RequestOutcome.LIMITED, "HTTP 429", retry_after_seconds=1e9))

    with pytest.raises(NoSlotError) as refused:
        ask(door)

    assert refused.value.retry_after_seconds <= 900


def test_failures_in_a_row_open_the_breaker_for_reads_alone(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, breaker_failures=3)
    for _ in range(2):
        ask(door, report=FAILED)
    ask(door)
    for _ in range(3):
        ask(door, report=FAILED)

    with pytest.raises(NoSlotError, match="breaker is open"):
        ask(door)
    assert (state(door).state, state(door).failure) == ("open", "HTTP 500: broken")
    ask(door, CANCEL, FAILED)
    ask(door, ORDER, ANSWERED)
    assert state(door).state == "ready"


def test_open_breaker_lets_one_probe_through_and_closes_on_its_answer(
    client: "redis.Redis", identity: str
) -> None:
    door = throttle(client, identity, 100, breaker_failures=1, breaker_seconds=0.2)
    ask(door, report=FAILED)
    wait_until(lambda: state(door).state == "half-open", what="the breaker is half open")
    probes, together = [], threading.Barrier(8)

    def probe() -> None:
        together.wait()
        try:
            probes.append(door.admit(READ, patience_seconds=0, lease_seconds=30))
        except NoSlotError:
            return

    threads = [threading.Thread(target=probe) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(probes) == 1
    probes[0].close(ANSWERED)

    ask(door)
    assert state(door).state == "ready"


def test_failed_probe_opens_the_breaker_again(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 100, breaker_failures=1, breaker_seconds=2)
    ask(door, report=FAILED)
    wait_until(lambda: state(door).state == "half-open", what="the breaker is half open")

    ask(door, report=FAILED)

    assert state(door).state == "open"


def test_probe_that_died_is_followed_by_another(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 100, breaker_failures=1, breaker_seconds=0.1)
    ask(door, report=FAILED)
    wait_until(lambda: state(door).state == "half-open", what="the breaker is half open")
    door.admit(READ, patience_seconds=0, lease_seconds=2)  # and its process dies

    assert is_refused(door)
    wait_until(lambda: not is_refused(door), what="the next probe passes")


def test_redis_away_leaves_reads_a_share_and_orders_the_limit(identity: str) -> None:
    """A limiter that is away must not stop a cancel, nor an order."""
    door = throttle(connect("redis://127.0.0.1:1/0"), identity, 16)

    ask(door)
    ask(door)
    assert is_refused(door)
    for _ in range(14):
        ask(door, ORDER)
    assert is_refused(door, ORDER)
    ask(door, CANCEL)


def test_redis_that_is_back_counts_again(client: "redis.Redis", identity: str) -> None:
    door, where = throttle(client, identity, 1000), client.connection_pool.connection_kwargs
    port = where["port"]
    where["port"] = 1
    client.connection_pool.reset()
    ask(door)
    where["port"] = port
    client.connection_pool.reset()
    assert state(door).used == 0

    def counted() -> bool:
        ask(door)
        return state(door).used > 0

    wait_until(counted, what="requests are counted in Redis again")


def test_no_limit_counts_but_refuses_nothing(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 0)

    for _ in range(30):
        ask(door)

    assert state(door).used == 30


def test_orders_leave_the_switch_its_part_and_the_switch_waits_for_nothing(
    client: "redis.Redis", identity: str
) -> None:
    door = throttle(client, identity, 10, reserve=4, for_switch=2)
    taken = {READ: 0, ORDER: 0, CANCEL: 0}
    for priority in taken:
        while not is_refused(door, priority):
            taken[priority] += 1

    assert taken == {READ: 6, ORDER: 2, CANCEL: 2}
    assert not any(is_refused(door, SWITCH) for _ in range(5))
    assert state(door).used == 15


def test_switch_waits_for_no_pause_and_no_breaker(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 10, breaker_failures=1, breaker_seconds=60)
    ask(door, report=Report(RequestOutcome.LIMITED, "HTTP 429", retry_after_seconds=60))
    ask(door, CANCEL, report=FAILED)

    assert is_refused(door, ORDER)
    assert not is_refused(door, SWITCH)


def test_request_that_was_withdrawn_counts_for_nothing(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 10, breaker_failures=1)

    ask(door, report=Report(RequestOutcome.WITHDRAWN))

    assert (state(door).used, state(door).failures, state(door).state) == (0, 0, "ready")


def step_back(client: "redis.Redis", door: SharedThrottle, seconds: int) -> None:
    """Leave what is stored as it is after the server's clock has stepped back: all of it by the time before."""
    by = seconds * 1_000_000
    window, kept = door._keys
    for name, value in client.hgetall(kept).items():
        if name.endswith(("_until", "_at")):
            client.hset(kept, name, int(float(value)) + by)
    for member, score in client.zrange(window, 0, -1, withscores=True):
        client.zadd(window, {member: score + by})


@pytest.mark.parametrize("hours", [1, 4])
def test_pause_is_no_longer_where_the_clock_stepped_back(
    client: "redis.Redis", identity: str, hours: int
) -> None:
    """A pause of a second lasted for as long as the step, and orders and reads with it."""
    door = throttle(client, identity)
    ask(door, report=Report(RequestOutcome.LIMITED, retry_after_seconds=120))
    step_back(client, door, hours * 3600)
    until = state(door).until
    assert until is None or until < datetime.now(UTC) + timedelta(seconds=180)

    with pytest.raises(NoSlotError) as refused:
        ask(door, ORDER)

    assert 0 < refused.value.retry_after_seconds <= 120


def test_used_up_limit_and_open_breaker_are_no_longer_where_the_clock_stepped_back(
    client: "redis.Redis", identity: str
) -> None:
    door = throttle(client, identity, 2, window_seconds=3, breaker_failures=2, breaker_seconds=3)
    ask(door, report=Report(RequestOutcome.FAILED))
    ask(door, report=Report(RequestOutcome.FAILED))
    step_back(client, door, 7200)

    ask(door, patience=120)  # told at once where it takes longer


def test_requests_before_a_step_back_still_count(client: "redis.Redis", identity: str) -> None:
    door = throttle(client, identity, 2)
    ask(door)
    ask(door)
    step_back(client, door, 85)

    with pytest.raises(NoSlotError) as refused:
        ask(door)

    assert 0 < refused.value.retry_after_seconds <= 60
