"""The splits and dividends of the market: those of its data, and those that were announced while it ran."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from connectors.venue.replay.bars import BarRow
from connectors.venue.world.actions import DIVIDEND, SPLIT
from connectors.venue.world.model import Action

# what the parameter ``adjustment`` of bars takes out of past prices
ADJUSTMENTS = {"raw": (), "split": (SPLIT,), "dividend": (DIVIDEND,), "all": (SPLIT, DIVIDEND)}


class CorporateActions:
    """All actions by symbol.

    Args:
        close_before: gives the data's last close of a symbol before an epoch day, in USD.
    """

    def __init__(self, actions: Iterable[Action], close_before: Callable[[str, int], float | None]) -> None:
        self._known: defaultdict[str, list[Action]] = defaultdict(list)
        self._close_before = close_before
        self.announced: list[Action] = []
        for action in actions:
            self._known[action.symbol].append(action)

    def announce(self, action: Action) -> None:
        """Add an action of which the data knows nothing: its prices from the ex-day on are lower by it."""
        self.announced.append(action)
        self._known[action.symbol].append(action)

    def due(self, after_day: int, day: int) -> list[Action]:
        """Return the actions with an ex-day in ``(after_day, day]``, in order."""
        found = [one for rows in self._known.values() for one in rows if after_day < one.ex_day <= day]
        return sorted(found, key=lambda one: (one.ex_day, one.symbol, one.kind))

    def split_between(self, symbol: str, after_day: int, day: int) -> Decimal:
        """Return into how many shares one was split by actions with an ex-day in ``(after_day, day]``."""
        ratio = Decimal(1)
        for action in self._known.get(symbol, ()):
            if action.kind == SPLIT and after_day < action.ex_day <= day:
                ratio *= action.value
        return ratio

    def level(self, symbol: str, day: int) -> float:
        """Return by what the data's prices of ``day`` are multiplied for what was announced."""
        factor = 1.0
        for action in self.announced:
            if action.symbol == symbol and action.ex_day <= day:
                factor *= self._fall(action)
        return factor

    def adjusted(self, symbol: str, row: BarRow, day: int, today: int, adjustment: str) -> BarRow:
        """Return a bar of ``day`` as it is told ``today``: without the falls that were no losses.

        Args:
            adjustment: one of ``ADJUSTMENTS``.
        """
        for action in self._known.get(symbol, ()):
            if action.kind in ADJUSTMENTS[adjustment] and day < action.ex_day <= today:
                row = _lowered(row, self._fall(action), float(action.value) if action.kind == SPLIT else 1.0)
        return row

    def _fall(self, action: Action) -> float:
        if action.kind == SPLIT:
            return 1.0 / float(action.value)
        before = self._close_before(action.symbol, action.ex_day)
        return 1.0 if not before else max(1.0 - float(action.value) / before, 0.01)


def _lowered(row: BarRow, factor: float, shares: float) -> BarRow:
    return replace(
        row,
        open=row.open * factor,
        high=row.high * factor,
        low=row.low * factor,
        close=row.close * factor,
        volume=row.volume * shares,
    )
