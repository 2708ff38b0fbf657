"""The project's Redis for what all processes count together; whatever is lost with it costs nothing."""

from functools import lru_cache

import redis
from django.conf import settings

from connectors.throttle.shared import connect


def redis_client() -> "redis.Redis":
    """Return this process's client: it gives up fast, and its connections are kept from one call to the next.

    Its calls raise ``redis.RedisError`` where Redis is away.
    """
    return _client(settings.REDIS_URL)


@lru_cache(maxsize=4)
def _client(url: str) -> "redis.Redis":
    return connect(url)
