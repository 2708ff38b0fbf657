"""How the console writes figures: thousands separated, signs shown, ages in words, stale ones marked."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from django import template
from django.contrib.admin.utils import quote
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from trading.domain.ages import TOLERANCE
from trading.labels import colour_of, with_thousands, words_of
from trading.models import Heartbeat
from trading.queries.overview import is_stale

register = template.Library()
UNKNOWN = "-"
NEVER_READ = SafeString('<span class="tc-stale">never read</span>')
STALE = SafeString(' <span class="tc-stale">stale</span>')
MINUTE, HOUR, DAY = 60, 3600, 86_400
MOMENTS = {"whole": "%Y-%m-%d %H:%M:%S", "time": "%H:%M:%S", "minute": "%H:%M", "day": "%a %H:%M"}


@register.filter
def money(value: Decimal | None) -> str:
    """Write an amount in USD with two decimals: 100,000.00."""
    return UNKNOWN if value is None else f"{value:,.2f}"


@register.filter
def signed(value: Decimal | None) -> str:
    """Write an amount with its sign: +12.30, -4.00, 0.00."""
    if value is None:
        return UNKNOWN
    rounded = round(value, 2)
    return f"{rounded:+,.2f}" if rounded else "0.00"


@register.filter
def percent(value: Decimal | float | None) -> str:
    """Write a percentage with one decimal."""
    return UNKNOWN if value is None else f"{value:.1f} %"


@register.filter
def ratio(value: Decimal | float | None, unknown: str = UNKNOWN) -> str:
    """Write a share of 1 as a percentage with its sign: +1.25 %."""
    if value is None:
        return unknown
    rounded = round(value * 100, 2)
    return f"{rounded:+.2f} %" if rounded else "0.00 %"


@register.filter
def quantity(value: Decimal | None) -> str:
    """Write a quantity without trailing zeros: 15.000750037, 20."""
    return UNKNOWN if value is None else with_thousands(value)


@register.filter
def price(value: Decimal | None) -> str:
    """Write a price with two decimals, small ones with up to eight."""
    if value is None:
        return UNKNOWN
    return f"{value:,.2f}" if abs(value) >= 1 else with_thousands(round(value, 8))


@register.filter
def sign_class(value: Decimal | None) -> str:
    """Return the CSS class of a gain or a loss."""
    if not value:
        return ""
    return "tc-gain" if value > 0 else "tc-loss"


@register.filter
def seconds(value: float | None) -> str:
    """Write a duration: 7.9 s, 3 min 5 s."""
    if value is None:
        return UNKNOWN
    if value < MINUTE:
        return f"{value:.1f} s"
    return f"{int(value) // MINUTE} min {int(value) % MINUTE} s"


@register.filter
def detail(value: object) -> str:
    """Write a recorded fact: numbers without the digits nobody reads, times to the second."""
    text = str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        pass
    else:
        return (
            with_thousands(number if number == number.to_integral_value() else round(number, 6))
            if number.is_finite()
            else text
        )
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC" if "T" in text else words_of(text)
    except ValueError:
        return text


@register.filter
def clock(value: float) -> str:
    """Write what is left of a time: 9:05."""
    whole = max(0, int(value))
    return f"{whole // MINUTE}:{whole % MINUTE:02}"


@register.filter
def room(value: Decimal, unit: str) -> str:
    """Write what a limit leaves in its unit: 1,306.89 USD, 4 positions, 2.1 %."""
    shown = with_thousands(value) if unit == "positions" else f"{value:,.2f}"
    return f"{shown} {unit}"


@register.filter
def age(moment: datetime | None) -> str:
    """Write how long ago a moment was: 12 s ago, 3 min ago, 2 h ago, 4 d ago; in the future, by a clock's step."""
    if moment is None:
        return "never"
    if moment > timezone.now() + TOLERANCE:
        return "in the future"
    passed = max(timezone.now() - moment, timedelta(0)).total_seconds()
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if passed >= size:
            return f"{int(passed // size)} {unit} ago"
    return f"{int(passed)} s ago"


@register.filter
def admin_quoted(pk: str) -> str:
    """Write a row's key as the console's addresses have it: BTC/USD holds a slash."""
    return str(quote(pk))


@register.filter
def ahead(moment: datetime) -> str:
    """Write how far a moment lies ahead: in 9 min, in 40 s, now."""
    left = max((moment - timezone.now()).total_seconds(), 0.0)
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if left >= size:
            return f"in {int(left // size)} {unit}"
    return f"in {int(left)} s" if left >= 1 else "now"


@register.filter
def words(value: str) -> str:
    """Write a stable word as people read it."""
    return words_of(value)


@register.filter
def colour(status: str) -> str:
    """Return a status's colour of the one mapping."""
    return colour_of(status)


@register.simple_tag
def signs_of_life(beats: Sequence[Heartbeat]) -> SafeString | str:
    """Say whether all processes that give a sign of life are alive, or which are silent."""
    silent = [beat.process for beat in beats if is_stale(beat.beaten_at)]
    if silent:
        return format_html('<b class="tc-loss">silent: {}</b>', ", ".join(silent))
    return f"{len(beats)} processes alive" if beats else "no process has given a sign of life"


@register.filter
def moment(at: datetime | None, form: str = "whole") -> SafeString | str:
    """Write a moment of wall time, in UTC and saying so; times.js writes it in the reader's zone.

    Args:
        form: "whole" (date and time), "time" (to the second), "minute", or "day" (of the week, and the minute).
    """
    if at is None:
        return UNKNOWN
    utc = at.astimezone(UTC)
    return format_html(
        '<time class="tc-time" datetime="{}" data-form="{}" title="{} UTC">{} UTC</time>',
        utc.isoformat(),
        form,
        f"{utc:{MOMENTS['whole']}}",
        f"{utc:{MOMENTS[form]}}",
    )


@register.simple_tag
def as_of(at: datetime | None) -> SafeString:
    """Write a figure's time and age, marked when the figure is stale."""
    if at is None:
        return NEVER_READ
    return format_html("{} · {}{}", moment(at, "time"), age(at), STALE if is_stale(at) else "")
