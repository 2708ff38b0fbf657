"""What the market did over the same days: SPY where its bars are here, else the universe in equal weight."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from trading.domain.symbols import is_coin
from trading.market.exchange_calendar import NEW_YORK
from trading.models import BarHistory

SPY = "SPY"
EQUAL_WEIGHT = "equal weight"
CLOSE = 4  # its place in a stored bar


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Its returns from one day of ``days`` to the next; ``reason`` says why there are none.

    ``places`` are those of the days' steps that it has a return for, of which there may be fewer than were asked for.
    """

    name: str
    returns: Sequence[float]
    places: Sequence[int]
    reason: str = ""


def benchmark_over(days: Sequence[date], *, coins: bool) -> Benchmark:
    """Return the benchmark's returns between these days; bars are kept for 120 days.

    Args:
        coins: compare with coins, whose bars are of UTC days.
    """
    if len(days) < 2:
        return Benchmark("", [], [], "no two closes of a session are on record in this time")
    histories = {
        row.symbol: closes
        for row in BarHistory.objects.exclude(bars=[])
        if is_coin(row.symbol) == coins and (closes := _closes_of(row, coins=coins))
    }
    name, chosen = (SPY, {SPY: histories[SPY]}) if SPY in histories else (EQUAL_WEIGHT, histories)
    if not chosen:
        return Benchmark("", [], [], "no daily bars are on record")
    returns, places = [], []
    for place, (before, after) in enumerate(itertools.pairwise(days)):
        one_day = _mean_return(chosen, before, after)
        if one_day is not None:
            returns.append(one_day)
            places.append(place)
    label = name if name == SPY else f"{name} of {len(chosen)} symbols, rebalanced daily"
    return Benchmark(label, returns, places, "" if returns else "no daily bars are on record for these days")


def _mean_return(closes: Mapping[str, Mapping[date, float]], before: date, after: date) -> float | None:
    found = [of[after] / of[before] - 1 for of in closes.values() if of.get(before) and of.get(after)]
    return sum(found) / len(found) if found else None


def _closes_of(row: BarHistory, *, coins: bool) -> dict[date, float]:
    zone = UTC if coins else NEW_YORK
    return {datetime.fromisoformat(bar[0]).astimezone(zone).date(): float(bar[CLOSE]) for bar in row.bars}
