"""How many requests a caller of the API may make: counted in Redis, for all processes together."""

import time
from functools import lru_cache

import redis
import structlog

from trading.core import settings
from trading.core.redis_client import redis_client

log = structlog.get_logger(__name__)
PREFIX = "api-requests"
WINDOW_SECONDS = 60
SETTING = "limit_api"
REMEMBERED_SECONDS = 5.0


def seconds_to_wait(caller: str) -> int:
    """Count a request of ``caller``; return 0, or after how many seconds the next one is answered.

    Where Redis is away nobody is held back: a limiter must not take the API down with it.
    """
    now = time.time()
    window, into = divmod(now, WINDOW_SECONDS)
    key = f"{PREFIX}:{caller}:{int(window)}"
    try:
        with redis_client().pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.expire(key, WINDOW_SECONDS * 2)
            count, _ = pipe.execute()
    except redis.RedisError as error:
        log.warning("api_limit_not_counted", error_type=type(error).__name__)
        return 0
    return 0 if count <= _limit(int(now / REMEMBERED_SECONDS)) else max(1, round(WINDOW_SECONDS - into))


@lru_cache(maxsize=4)
def _limit(moment: int) -> int:
    """Return the limit; asked for once in five seconds, not at every request."""
    return settings.count(SETTING)
