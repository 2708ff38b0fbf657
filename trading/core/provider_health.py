"""How the providers stand: limits used, pauses, breakers, last answers; read from where all processes keep it."""

from dataclasses import dataclass

import redis

from connectors.throttle.shared import Health
from trading.core.providers import current_providers
from trading.errors import NotConfiguredError


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """A line per provider, or why nothing can be said."""

    lines: tuple[Health, ...]
    problem: str = ""

    @property
    def troubled(self) -> tuple[Health, ...]:
        """The providers that are not asked now, or whose last answers failed."""
        return tuple(line for line in self.lines if line.state != "ready")


def provider_health() -> ProviderHealth:
    """Read how every configured provider stands; never raises."""
    try:
        return ProviderHealth(tuple(throttle.health() for throttle in current_providers().throttles))
    except NotConfiguredError as error:
        return ProviderHealth((), str(error))
    except redis.RedisError as error:
        return ProviderHealth((), f"Redis is away, each process counts alone: {type(error).__name__}")


def in_words(line: Health) -> str:
    """Return one provider's standing as the doctor prints it."""
    limit = f"of {line.limit}" if line.limit else "and no limit"
    words = f"{line.provider} {line.state}, {line.used} {limit} in the last minute"
    if line.until is not None:
        words += f", until {line.until:%H:%M:%S} UTC"
    if line.state in ("open", "half-open"):
        words += f", after {line.failures} failures, the last: {line.failure or 'unknown'}"
    return words
