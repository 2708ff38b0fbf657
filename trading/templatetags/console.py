"""How the console writes figures: thousands separated, signs shown, ages in words, stale ones marked."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from django import template
from django.contrib.admin.utils import quote
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from risk.domain.deciding_words import deciding_words
from trading.domain.ages import TOLERANCE
from trading.domain.words import in_words, to_the_minute
from trading.labels import colour_of, indicators_of, with_thousands, words_of
from trading.labels import symbol_link as linked_symbol
from trading.models import Cycle, Heartbeat
from trading.queries.overview import is_stale

register = template.Library()
UNKNOWN = "-"
NEVER_READ = SafeString('<span class="tc-stale">never read</span>')
STALE = SafeString(' <span class="tc-stale">stale</span>')
LARGE = 1000  # from here on two decimals say enough
MINUTE, HOUR, DAY = 60, 3600, 86_400
MOMENTS = {"whole": "%Y-%m-%d %H:%M:%S", "time": "%H:%M:%S", "minute": "%H:%M", "day": "%a %H:%M"}


@register.filter
def money(value: Decimal | None) -> str:
    """Write an amount in USD with two decimals: 100,000.00."""
    return UNKNOWN if value is None else f"{value:,.2f}"


@register.filter
def signed(value: Decimal | str | None) -> str:
    """Write an amount with its sign: +12.30, -4.00, 0.00; "" is what a template has where nothing is."""
    if value is None or isinstance(value, str):
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
def units(value: Decimal | None) -> str:
    """Write a quantity where a glance is enough, with four decimals at most: 395.2569, 20."""
    return UNKNOWN if value is None else with_thousands(round(value, 4))


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
        return _number(number) if number.is_finite() else text
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC" if "T" in text else words_of(text)
    except ValueError:
        return text


def _number(number: Decimal) -> str:
    if number == number.to_integral_value():
        return with_thousands(number)
    return f"{number:,.2f}" if abs(number) >= LARGE else with_thousands(round(number, 6))


@register.filter
def minute_of(stored: str) -> str:
    """Write a stored moment (ISO 8601) to the minute."""
    return to_the_minute(stored)


@register.filter
def indicators(stored: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return stored indicators as names and figures for people."""
    return indicators_of(stored)


@register.filter
def fact(value: object) -> str:
    """Write a stored value: yes and no, numbers and times as ``detail`` has them, nothing as ``-``."""
    if value is None or isinstance(value, bool) or value == "":
        return in_words(value)
    return detail(value)


@register.filter
def pretty(value: object) -> str:
    """Write stored JSON with its line breaks: a chat's messages as what each said, texts as they are."""
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except ValueError:
            return value
        return value if not isinstance(found, dict | list) else pretty(found)
    if isinstance(value, list) and value and all(_is_message(each) for each in value):
        return "\n\n".join(f"{each['role']}:\n{pretty(each['content'])}" for each in value)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and {"role", "content"} <= value.keys()


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
def symbol_link(symbol: str) -> SafeString:
    """Write a symbol as a link to its page."""
    return linked_symbol(symbol)


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


@register.filter
def cycle_colour(cycle: Cycle) -> str:
    """Return the colour of a cycle's status: one that the kill switch kept from starting did as it should."""
    return colour_of("skipped" if cycle.reason == "kill_switch" else cycle.status)


@register.simple_tag
def market_time(at: datetime | None) -> SafeString | str:
    """Write a moment of market time, and that it is one: a replay's clock is not the world's, so it stays UTC."""
    if at is None:
        return UNKNOWN
    words = f"{at.astimezone(UTC):{MOMENTS['whole']}}"
    return format_html('<time class="tc-time" datetime="{}">{} UTC market time</time>', at.isoformat(), words)


@register.simple_tag
def deciding(reason: str | None, figures: Mapping[str, str]) -> str:
    """Write the figures that decided a denial: 0.66 < 0.70."""
    return deciding_words(reason or "", figures)


@register.simple_tag
def after(start: datetime, moment: datetime) -> str:
    """Write how long after another a moment was: +1.2 s."""
    return f"{(moment - start).total_seconds():+.1f} s"


@register.simple_tag
def held(since: datetime, until: datetime | None = None) -> str:
    """Write for how long something was held: 40 s, 12 min, 3 h 5 min, 2 d 4 h."""
    return span((until or timezone.now()) - since)


@register.simple_tag
def span(length: timedelta) -> str:
    """Write a length of time: 40 s, 12 min, 3 h 5 min, 2 d 4 h."""
    passed = int(max(length, timedelta(0)).total_seconds())
    if passed < MINUTE:
        return f"{passed} s"
    if passed < HOUR:
        return f"{passed // MINUTE} min"
    large, small, size, words = (HOUR, MINUTE, "h", "min") if passed < DAY else (DAY, HOUR, "d", "h")
    rest = passed % large // small
    return f"{passed // large} {size}" + (f" {rest} {words}" if rest else "")


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
