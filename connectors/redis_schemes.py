"""What addresses of Redis mean to kombu here; the transport itself is loaded where one is used."""

from kombu.transport import TRANSPORT_ALIASES

SCHEMES = ("redis", "rediss")
TRANSPORT = "connectors.redis_transport:Transport"


def use_our_transport() -> None:
    """Have kombu take our transport for these schemes in this process; before the first connection."""
    TRANSPORT_ALIASES.update(dict.fromkeys(SCHEMES, TRANSPORT))
