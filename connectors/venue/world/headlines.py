"""Seeded headlines: generic text about what a price did before, never about what it does next."""

from collections.abc import Iterable
from dataclasses import dataclass

from connectors.venue import seeded
from connectors.venue.world.model import Instrument, World

SOURCE = "venue"
MAX_DAYS = 60
_DAY_SECONDS = 86_400
_RISING = (
    "{name} extends gains as buyers return",
    "Analysts lift their view of {name} after a strong session",
    "{name} draws fresh interest on heavy volume",
)
_FALLING = (
    "{name} slips as traders take profits",
    "Concerns over demand weigh on {name}",
    "{name} under pressure after a weak session",
)
_FLAT = (
    "{name} little changed as traders wait for news",
    "What to watch in {name} this week",
    "{name} confirms its outlook",
)
_NOTABLE_MOVE = 0.008


@dataclass(frozen=True, slots=True)
class Headline:
    """A made-up news item; ``published_at`` in epoch seconds of market time."""

    headline_id: int
    symbol: str
    published_at: int
    title: str
    summary: str

    @property
    def url(self) -> str:
        """Return an address that leads nowhere."""
        return f"https://venue.invalid/news/{self.headline_id}"


def headlines(world: World, instruments: Iterable[Instrument], start: float, end: float) -> list[Headline]:
    """Return the headlines published in ``[start, end]``, newest first; at most the last 60 days of it."""
    first = max(int(start // _DAY_SECONDS), int(end // _DAY_SECONDS) - MAX_DAYS)
    last = int(end // _DAY_SECONDS)
    found = [
        headline
        for instrument in instruments
        for day in range(first, last + 1)
        for headline in _of_day(world, instrument, day)
        if start <= headline.published_at <= end
    ]
    return sorted(found, key=lambda one: (one.published_at, one.headline_id), reverse=True)


def _of_day(world: World, instrument: Instrument, day: int) -> list[Headline]:
    """Make the headlines of a UTC day; they look back at the last daily move completed before it."""
    move = _last_move(world, instrument, day)
    if move is None:
        return []
    symbol, seed = instrument.symbol, world.seed
    chance = seeded.unit(seed, "news", symbol, day)
    count = 2 if chance > 0.95 else int(chance > 0.6) + int(abs(move) > 3 * _NOTABLE_MOVE)
    made = []
    for number in range(count):
        texts = _RISING if move > _NOTABLE_MOVE else _FALLING if move < -_NOTABLE_MOVE else _FLAT
        text = texts[seeded.index(len(texts), seed, "text", symbol, day, number)]
        second = seeded.index(_DAY_SECONDS, seed, "second", symbol, day, number)
        name = instrument.name.removesuffix(" / US Dollar")
        made.append(
            Headline(
                headline_id=seeded.index(2**40, seed, "id", symbol, day, number),
                symbol=symbol,
                published_at=day * _DAY_SECONDS + second,
                title=text.format(name=name),
                summary=f"Synthetic headline: {symbol} moved {move:+.1%} in its last session.",
            )
        )
    return made


def _last_move(world: World, instrument: Instrument, day: int) -> float | None:
    series = world.daily[instrument.symbol]
    row = series.last_before(day)
    if row is None or row < 1 or int(series.at[row]) < day - 7:
        return None
    return float(series.close[row] / series.close[row - 1] - 1)
