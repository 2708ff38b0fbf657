"""How single values of the environment are read: a ``ValueError`` carries what was expected."""

import os
import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from ai.domain.text import LONGEST_MODEL_NAME

SECRETS = frozenset(
    {
        "DATABASE_RESERVE_PASSWORD",
        "DJANGO_SECRET_KEY",
        "ALPACA_API_KEY",
        "ALPACA_SECRET_KEY",
        "FINNHUB_API_KEY",
        "COINGECKO_API_KEY",
        "AI_API_KEY",
        "APPRISE_URLS",
    }
)
DATABASE_FORM = (
    "postgresql://user:password@host:port/name, or by socket postgresql://user:@/name?host=/folder"
)


def masked(name: str, value: str) -> str:
    """Return the value as people may see it: nothing of a secret, and no password of an address."""
    if name in SECRETS:
        return "***" if value else ""
    shown = re.sub(r"^(\w+://)?.*@", r"\1***@", value)
    return re.sub(r"([?&](?:password|token|key|api_key|apikey)=)[^&]*", r"\1***", shown, flags=re.IGNORECASE)


def database_url(value: str) -> str:
    """Read a PostgreSQL address by host or by socket folder."""
    parts = _split(value, DATABASE_FORM)
    by_socket = "host" in parse_qs(parts.query)
    if (
        parts.scheme not in ("postgresql", "postgres")
        or not (parts.hostname or by_socket)
        or len(parts.path) < 2
    ):
        raise ValueError(DATABASE_FORM)
    return value


def redis_url(value: str) -> str:
    """Read a Redis address."""
    return _broker_url(value, ("redis", "rediss", "unix"), "redis://:password@host:port/0")


def events_url(value: str) -> str:
    """Read the address events are published to: Redis or AMQP."""
    schemes = ("redis", "rediss", "unix", "amqp", "amqps")
    return _broker_url(
        value, schemes, "redis://:password@host:port/0 or amqp://user:password@host:port/vhost"
    )


def web_url(value: str) -> str:
    """Read an http or https address; returned without a slash at the end."""
    form = "an http:// or https:// address without question mark or hash, e.g. http://127.0.0.1:8001/v1"
    parts = _split(value, form)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(form)
    return value.rstrip("/")


def public_url(value: str) -> str:
    """Read the address at which people reach the console through a proxy that speaks TLS: an origin."""
    form = "an https:// address without path, e.g. https://trading.example.com"
    parts = _split(value, form)
    if (
        parts.scheme != "https"
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise ValueError(form)
    if "@" in parts.netloc or "*" in parts.netloc:
        raise ValueError(form)
    return f"https://{parts.netloc.lower()}"


def networks(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Read a list of addresses and networks."""
    items = comma_separated(value)
    try:
        return tuple(str(ip_network(item)) if "/" in item else str(ip_address(item)) for item in items)
    except ValueError:
        raise ValueError("addresses or networks separated by commas, e.g. 127.0.0.1,172.16.0.0/12") from None


def provider_url(value: str) -> str:
    """Read a data provider's address: https, because the key travels with it, or loopback."""
    form = "an https:// address, or a loopback address such as http://127.0.0.1:8001/api/v1"
    address = web_url(value)
    parts = _split(address, form)
    if parts.scheme != "https" and not _is_loopback(parts):
        raise ValueError(form)
    return address


def paper_address(value: str) -> str:
    """Read the trading address: Alpaca's paper one or loopback. There is no switch to live."""
    from connectors.alpaca.addresses import require_paper_address  # late: few commands need it this early

    return _alpaca_address(value, require_paper_address, "https://paper-api.alpaca.markets")


def data_address(value: str) -> str:
    """Read the market data address: Alpaca's or loopback."""
    from connectors.alpaca.addresses import require_data_address

    return _alpaca_address(value, require_data_address, "https://data.alpaca.markets")


def comma_separated(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Read a comma-separated list; an empty item is a slip of the pen and is refused."""
    if isinstance(value, tuple):
        return value
    items = tuple(item.strip() for item in value.split(","))
    if not all(items):
        raise ValueError("a comma-separated list without empty items")
    return items


def model_names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Read a list of models; a name is stored with every decision, and only so much of it fits."""
    names = comma_separated(value)
    for name in names:
        if len(name) > LONGEST_MODEL_NAME:
            raise ValueError(
                f"names of models of at most {LONGEST_MODEL_NAME} characters, {name[:40]}… has {len(name)}"
            )
    return names


def apprise_urls(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Read a list of apprise addresses, separated by commas or blanks."""
    if isinstance(value, tuple):
        return value
    items = tuple(re.split(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)", value))
    if not all("://" in item for item in items):
        raise ValueError("apprise addresses such as mailto://… separated by commas")
    return items


def state_folder(value: str | Path) -> Path:
    """Read the state folder's path, made absolute; it need not exist yet."""
    path = _whole_path(value)
    if path.exists() and not path.is_dir():
        raise ValueError("a folder, and this is a file")
    return path


def _whole_path(value: str | Path) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:  # neither HOME nor an entry in the passwd file, as under any user id of a container
        raise ValueError("the whole path: ~ stands for a home folder, and that user has none here") from None


def data_folder(value: str | Path) -> Path:
    """Read a folder of price files, made absolute; at least one of them must be readable."""
    path = _whole_path(value)
    remedy = "a folder with .csv or .csv.gz files; leave it unset for a synthetic market"
    if not path.is_dir():
        raise ValueError(f"{remedy} (there is no such folder)")
    try:
        files = [file for file in path.iterdir() if file.name.endswith((".csv", ".csv.gz"))]
    except PermissionError:
        raise ValueError(f"{remedy} (this folder may not be read)") from None
    if not files:
        raise ValueError(f"{remedy} (this folder has none)")
    if not any(file.is_file() and os.access(file, os.R_OK) for file in files):
        raise ValueError(f"{remedy} (none of its files may be read)")
    return path


def _broker_url(value: str, schemes: tuple[str, ...], form: str) -> str:
    parts = _split(value, form)
    if parts.scheme not in schemes or not (parts.hostname or parts.scheme == "unix"):
        raise ValueError(form)
    return value


def _alpaca_address(value: str, require: Callable[[str], str], official: str) -> str:
    from connectors.errors import ConfigurationError

    try:
        return require(value)
    except ConfigurationError:
        form = f"{official}, or a loopback address such as http://127.0.0.1:8001 (no path)"
        raise ValueError(form) from None


def _split(value: str, form: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises where the port is no number
    except ValueError:
        raise ValueError(form) from None
    return parts


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
