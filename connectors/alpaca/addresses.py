"""Which addresses may be spoken to: Alpaca's paper account and this machine, nothing else.

The check is a whitelist of spellings, not a parser: parsers disagree about user info, escapes and odd
IP notations, and a disagreement here would send orders to a live account.
"""

import re
from ipaddress import AddressValueError, IPv4Address

from connectors.errors import ConfigurationError
from connectors.redaction import redact

PAPER_URL = "https://paper-api.alpaca.markets"
DATA_URL = "https://data.alpaca.markets"

_LOOPBACK = re.compile(r"https?://(localhost|\[::1\]|127(?:\.[0-9]{1,3}){3}):([1-9][0-9]{0,4})")
_LOOPBACK_FORMS = "http(s)://localhost:PORT, http(s)://127.x.x.x:PORT or http(s)://[::1]:PORT, without a path"


def require_paper_address(url: str) -> str:
    """Return ``url`` unchanged when orders may be sent there.

    Accepted, letter for letter: ``https://paper-api.alpaca.markets``; and http or https to ``localhost``,
    127.0.0.0/8 or ``[::1]`` with a port. No path, query, user info or slash at the end.

    Raises:
        ConfigurationError: anything else, with the accepted forms.
    """
    return _require(url, PAPER_URL, "ALPACA_TRADING_URL")


def require_data_address(url: str) -> str:
    """Return ``url`` unchanged when it is ``https://data.alpaca.markets`` or a loopback address.

    Raises:
        ConfigurationError: anything else, with the accepted forms.
    """
    return _require(url, DATA_URL, "ALPACA_DATA_URL")


def _require(url: str, official: str, name: str) -> str:
    if isinstance(url, str) and (url == official or _is_loopback(url)):
        return url
    raise ConfigurationError(
        "alpaca",
        "configure",
        f"{name} must be {official} or a loopback address ({_LOOPBACK_FORMS}), was {redact(repr(url))}",
    )


def _is_loopback(url: str) -> bool:
    found = _LOOPBACK.fullmatch(url)
    if found is None or int(found[2]) > 65535:
        return False
    if not found[1].startswith("127"):
        return True
    try:
        return IPv4Address(found[1]).is_loopback
    except AddressValueError:  # an octet above 255, or with a leading zero (octal to some parsers)
        return False
