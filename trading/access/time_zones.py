"""In which zone a person reads times: the browser's, or one that they chose."""

from zoneinfo import available_timezones

from trading.models import ConsolePreference


def zones() -> list[str]:
    """Return the zones that can be chosen, UTC first; names of the zone database."""
    names = available_timezones()
    return [
        "UTC",
        *sorted(name for name in names if "/" in name and not name.startswith(("Etc/", "posix/", "right/"))),
    ]


def time_zone_of(user_id: int) -> str:
    """Return what a person chose, "" for the browser's own."""
    chosen = ConsolePreference.objects.filter(user_id=user_id).values_list("time_zone", flat=True).first()
    return chosen or ""


def choose_time_zone(user_id: int, name: str) -> None:
    """Keep a person's choice, "" for the browser's own.

    Raises:
        ValueError: no such zone.
    """
    if name and name not in zones():
        raise ValueError(f"time_zone: was {name!r}, expected a name like Europe/Berlin, UTC, or nothing")
    ConsolePreference.objects.update_or_create(user_id=user_id, defaults={"time_zone": name})
