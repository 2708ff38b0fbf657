"""Read query parameters, refusing what cannot be read the way Alpaca does."""

from datetime import date

from aiohttp import web

from connectors.venue.errors import bad_parameter
from connectors.venue.wire import parse_time
from connectors.venue.world.model import epoch_day


def read_int(request: web.Request, name: str, *, default: int, low: int, high: int) -> int:
    """Read a whole number in [low, high].

    Raises:
        ApiError: 422.
    """
    text = request.query.get(name)
    if text is None or text == "":
        return default
    try:
        value = int(text)
    except ValueError as error:
        raise bad_parameter(f"invalid {name}: must be an integer") from error
    if not low <= value <= high:
        raise bad_parameter(f"invalid {name}: must be between {low} and {high}")
    return value


def read_choice(request: web.Request, name: str, choices: tuple[str, ...], default: str) -> str:
    """Read one of ``choices``.

    Raises:
        ApiError: 422.
    """
    value = request.query.get(name) or default
    if value not in choices:
        raise bad_parameter(f"invalid {name}: must be one of {', '.join(choices)}")
    return value


def read_moment(request: web.Request, name: str) -> float | None:
    """Read a time in epoch seconds, None where it is not given.

    Raises:
        ApiError: 422.
    """
    text = request.query.get(name)
    if not text:
        return None
    try:
        return parse_time(text)
    except (ValueError, OverflowError) as error:
        raise bad_parameter(f"invalid {name}: expected RFC 3339 or a date") from error


def read_day(request: web.Request, name: str, default: int) -> int:
    """Read a date as an epoch day; a time is cut to its date.

    Raises:
        ApiError: 422.
    """
    text = request.query.get(name)
    if not text:
        return default
    try:
        return epoch_day(date.fromisoformat(text[:10]))
    except ValueError as error:
        raise bad_parameter(f"invalid {name}: expected a date") from error
