"""A provider's rate limit, pauses and breaker in Redis, for all processes together.

One round trip before a request and one after. See ADR 0010 for why this is ours, and for what holds when Redis
is away.
"""

import hashlib
import logging
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic, sleep

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.throttle import scripts
from connectors.throttle.base import NoSlotError, Priority, Report, RequestOutcome, Slot
from connectors.throttle.local import LocalWindow

log = logging.getLogger(__name__)

PREFIX = "outside"
MICRO = 1_000_000
LONGEST_PAUSE_SECONDS = (
    900.0  # a Retry-After of days is a mistake, and must not switch a provider off for days
)
PAUSE_UNLESS_REPORTED_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.25
REDIS_TIMEOUT_SECONDS = 0.5
REDIS_AWAY_SECONDS = 1.0
SHARE_WITHOUT_REDIS = 0.125
_WORDS = {
    "open": "not asked: the breaker is open after failures",
    "paused": "not asked: the provider asked to wait",
    "full": "not asked: its rate limit is used up",
    "told": "not asked: the provider says that nothing remains",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """A provider's limits.

    Args:
        requests: allowed in any window; 0: no limit.
        reserve: of these, kept for orders, cancels and their look-ups.
        for_switch: of these, kept for cancels and for what the kill switch asks and sells.
        breaker_failures: so many in a row open the breaker.
        breaker_seconds: until an open one lets a single probe through.
    """

    requests: int
    reserve: int = 0
    for_switch: int = 0
    window_seconds: float = 60
    breaker_failures: int = 5
    breaker_seconds: float = 10


@dataclass(frozen=True, slots=True)
class Health:
    """How a provider stands; times are Redis's wall time, None where it never happened."""

    provider: str
    limit: int
    used: int
    failures: int
    state: str
    until: datetime | None
    answered_at: datetime | None
    failed_at: datetime | None
    failure: str
    limited_at: datetime | None
    limited: int


def connect(url: str) -> "redis.Redis":
    """Return a client that gives up fast: a request must not wait for its limiter."""
    return redis.Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),  # once more: a connection from before a restart is dead
        decode_responses=True,
    )


class SharedThrottle:
    """The ``Throttle`` of one provider and key, shared through Redis; safe for threads and after a fork.

    Args:
        identity: what the provider counts by, key and address; only its hash is stored.
    """

    def __init__(self, client: "redis.Redis", provider: str, identity: str, limits: Limits) -> None:
        self.provider = provider
        self.limits = limits
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._keys = [f"{PREFIX}:{{{provider}:{digest}}}:{part}" for part in ("window", "state")]
        self._client = client
        self._admit = client.register_script(scripts.ADMIT)
        self._close = client.register_script(scripts.CLOSE)
        self._local = LocalWindow(limits.requests, limits.window_seconds, SHARE_WITHOUT_REDIS)
        self._away_until = 0.0

    def admit(self, priority: Priority, *, patience_seconds: float, lease_seconds: float) -> Slot:
        """Wait for a slot.

        Raises:
            NoSlotError: none comes in time; said at once where that is known.
        """
        gives_up_at = monotonic() + patience_seconds
        member = uuid.uuid4().hex
        while True:
            answer = self._ask(priority, member, lease_seconds)
            if answer is None:
                self._local.take(priority)
                return _Slot(self, None)
            verdict, wait_seconds = answer
            if verdict == "ok":
                return _Slot(self, member)
            if monotonic() + wait_seconds > gives_up_at:
                words = f"{_WORDS[verdict]}, {wait_seconds:.1f} s to go"
                raise NoSlotError(words, wait_seconds, is_own_limit=verdict == "full")
            # In small steps: an answer that came meanwhile may have freed a slot earlier than foretold.
            spread = 0.5 + random.random() / 2  # noqa: S311 - spreads processes, keeps no secret
            sleep(max(0.001, min(wait_seconds, LOOK_AGAIN_SECONDS * spread)))

    def close(self, member: str, report: Report) -> None:
        """Record how an admitted request ended; where Redis is away, its lease ends by itself."""
        limits = self.limits
        arguments: list[str | int] = [
            member,
            report.outcome.value,
            report.detail[:200],
            int(_pause(report) * MICRO),
            -1 if report.remaining is None or report.reset_at is None else report.remaining,
            int((report.reset_at or 0) * MICRO),
            limits.breaker_failures,
            int(limits.breaker_seconds * MICRO),
            int(limits.window_seconds * MICRO),
        ]
        try:
            self._close(keys=self._keys, args=arguments)
        except redis.RedisError as error:
            self._say_away(error)

    def health(self) -> Health:
        """Read how the provider stands.

        Raises:
            redis.RedisError: Redis is away.
        """
        seconds, micros = self._client.time()
        now = seconds + micros / MICRO
        stored: dict[str, str] = {str(k): str(v) for k, v in self._client.hgetall(self._keys[1]).items()}
        used = self._client.zcount(self._keys[0], (now - self.limits.window_seconds) * MICRO, "+inf")
        stepped_back = max(0.0, float(stored.get("seen_at", 0)) / MICRO - now)  # the next request heals it
        opened, paused = (
            float(stored[name]) / MICRO - stepped_back if name in stored else 0.0
            for name in ("open_until", "paused_until")
        )
        state, until = "ready", None
        if opened:
            state, until = ("open", opened) if opened > now else ("half-open", None)
        elif paused > now:
            state, until = "paused", paused
        return Health(
            provider=self.provider,
            limit=self.limits.requests,
            used=int(used),
            failures=int(stored.get("failures", 0)),
            state=state,
            until=datetime.fromtimestamp(until, UTC) if until else None,
            answered_at=_moment(stored.get("answered_at")),
            failed_at=_moment(stored.get("failed_at")),
            failure=stored.get("failure", ""),
            limited_at=_moment(stored.get("limited_at")),
            limited=int(stored.get("limited", 0)),
        )

    def _ask(self, priority: Priority, member: str, lease_seconds: float) -> tuple[str, float] | None:
        """Return the verdict and the seconds to wait; None where Redis is away."""
        if monotonic() < self._away_until:
            return None
        limits = self.limits
        arguments: list[str | int] = [
            limits.requests,
            limits.reserve,
            int(limits.window_seconds * MICRO),
            int(priority),
            member,
            int(lease_seconds * MICRO),
            limits.for_switch,
        ]
        try:
            verdict, wait = self._admit(keys=self._keys, args=arguments)
        except redis.RedisError as error:
            self._say_away(error)
            return None
        return str(verdict), int(wait) / MICRO

    def _say_away(self, error: Exception) -> None:
        self._away_until = monotonic() + REDIS_AWAY_SECONDS
        log.warning("%s: the shared rate limit cannot be reached, each process counts alone: %s",
                    self.provider, type(error).__name__)  # fmt: skip


class _Slot:
    def __init__(self, throttle: SharedThrottle, member: str | None) -> None:
        self._throttle = throttle
        self._member = member

    def close(self, report: Report) -> None:
        """Tell how it ended; a slot of the process's own window ends by itself."""
        if self._member is not None:
            self._throttle.close(self._member, report)


def _pause(report: Report) -> float:
    """Return for how many seconds the provider wants no request: what it said, or a little where it did not."""
    reported = report.retry_after_seconds
    if reported is None:
        reported = PAUSE_UNLESS_REPORTED_SECONDS if report.outcome is RequestOutcome.LIMITED else 0.0
    return min(reported, LONGEST_PAUSE_SECONDS)


def _moment(micros: str | None) -> datetime | None:
    return datetime.fromtimestamp(float(micros) / MICRO, UTC) if micros else None
