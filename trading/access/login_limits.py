"""How often a wrong password or token may be tried: counted in Redis by user and by address, with growing pauses.

Where Redis is away this process counts for itself: nobody is kept out who tried little, and nobody may try without end.
The right password is refused during a pause, too: who guesses learns nothing from it.
"""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from threading import Lock

import redis
import structlog

from trading.core.redis_client import redis_client

log = structlog.get_logger(__name__)
PREFIX = "login"
WINDOW_SECONDS = 900
FIRST_PAUSE_SECONDS = 60
LONGEST_PAUSE_SECONDS = 3600
MOST_REMEMBERED = 10_000  # by this process, while Redis is away
TOKENS_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Guesser:
    """Whose wrong passwords are counted: a user's name as typed, or an address; ``limit`` without a pause."""

    kind: str
    name: str
    limit: int

    @property
    def key(self) -> str:
        """Where the count is kept; names are hashed, because what is typed there may be a password."""
        return f"{PREFIX}:{self.kind}:{hashlib.sha256(self.name.encode()).hexdigest()[:32]}"


def by_user(name: str) -> Guesser:
    """Return whom a user's name is counted as; in whatever case it was typed."""
    return Guesser("user", name.strip().casefold(), 5)


def by_address(address: str) -> Guesser:
    """Return whom an address is counted as: IPv6 by its network, of which one machine has all addresses."""
    return Guesser("address", _network(address), 20)


def _network(address: str) -> str:
    with suppress(ValueError):
        if ip_address(address).version == 6:
            return str(ip_network(f"{address}/64", strict=False))
    return address


class _OwnCounts:
    """What this process counts while Redis is away."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, tuple[int, float]] = {}  # and until when

    def add(self, key: str, seconds: float) -> int:
        """Count one more; return how many there are."""
        with self._lock:
            now = time.monotonic()
            count, until = self._counts.pop(key, (0, 0.0))
            count = count + 1 if until > now else 1
            self._counts[key] = (count, now + seconds)
            if len(self._counts) > MOST_REMEMBERED:
                del self._counts[next(iter(self._counts))]
            return count

    def hold(self, key: str, seconds: float) -> None:
        """Remember something for so long from now on."""
        with self._lock:
            count, _ = self._counts.pop(key, (1, 0.0))
            self._counts[key] = (count, time.monotonic() + seconds)

    def left(self, key: str) -> float:
        """Return how many seconds something is remembered yet."""
        with self._lock:
            return max(self._counts.get(key, (0, 0.0))[1] - time.monotonic(), 0.0)

    def drop(self, *keys: str) -> None:
        """Forget."""
        with self._lock:
            for key in keys:
                self._counts.pop(key, None)


_own = _OwnCounts()


def seconds_paused(*guessers: Guesser) -> int:
    """Return for how long the longest of their pauses goes on, 0 where there is none."""
    keys = [_pause(guesser) for guesser in guessers]
    longest = max(_own.left(key) for key in keys)
    try:
        with redis_client().pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.pttl(key)
            longest = max(longest, *(left / 1000 for left in pipe.execute()))
    except redis.RedisError as error:
        log.warning("login_pause_not_read", error_type=type(error).__name__)
    return max(0, int(-(-longest // 1)))


def count_wrong_password(*guessers: Guesser) -> int:
    """Count a wrong password; return the pause that follows, in seconds, 0 for none.

    The first pause begins at the limit, each further wrong password doubles it. A count is forgotten a quarter of an
    hour after its last pause.
    """
    longest = 0
    for guesser in guessers:
        seconds = _pause_after(_count(guesser.key, WINDOW_SECONDS), guesser.limit)
        if seconds:
            longest = max(longest, seconds)
            _begin_pause(guesser, seconds)
            log.warning("login_paused", by=guesser.kind, seconds=seconds)
    return longest


def _pause_after(count: int, limit: int) -> int:
    if count < limit:
        return 0
    return int(min(FIRST_PAUSE_SECONDS * 2 ** min(count - limit, 16), LONGEST_PAUSE_SECONDS))


def forget_wrong_passwords(*guessers: Guesser) -> bool:
    """Count from the beginning, and end their pauses; return whether Redis answered."""
    keys = [key for guesser in guessers for key in (guesser.key, _pause(guesser))]
    _own.drop(*keys)
    try:
        redis_client().delete(*keys)
    except redis.RedisError as error:
        log.warning("login_count_not_forgotten", error_type=type(error).__name__)
        return False
    return True


def forget_all() -> int:
    """End all pauses and counts; return how many.

    Raises:
        redis.RedisError: it does not answer; what a web process counts for itself ends with it.
    """
    client = redis_client()
    keys = list(client.scan_iter(f"{PREFIX}:*"))
    return int(client.delete(*keys)) if keys else 0


def seconds_after_wrong_token(address: str) -> int:
    """Count a wrong token; return 0, or after how many seconds the next wrong one is told more than to wait."""
    window, into = divmod(time.time(), 60)
    guesser = Guesser("token", f"{_network(address)} {int(window)}", TOKENS_A_MINUTE)
    return 0 if _count(guesser.key, 120) <= TOKENS_A_MINUTE else max(1, round(60 - into))


def _count(key: str, seconds: int) -> int:
    try:
        with redis_client().pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.expire(key, seconds)
            count, _ = pipe.execute()
    except redis.RedisError as error:
        log.warning("login_not_counted_in_redis", error_type=type(error).__name__)
        return _own.add(key, seconds)
    return int(count)


def _begin_pause(guesser: Guesser, seconds: int) -> None:
    """Refuse everything for a while, and remember the count for longer than that: the next pause is to be longer."""
    key = _pause(guesser)
    try:
        with redis_client().pipeline(transaction=True) as pipe:
            pipe.set(key, 1, ex=seconds)
            pipe.expire(guesser.key, WINDOW_SECONDS + seconds)
            pipe.execute()
    except redis.RedisError:
        _own.hold(key, seconds)
        _own.hold(guesser.key, WINDOW_SECONDS + seconds)


def _pause(guesser: Guesser) -> str:
    return f"{guesser.key}:pause"
