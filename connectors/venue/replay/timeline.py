"""When the market is open, and how replay time runs through it: pure arithmetic on epoch seconds."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

from connectors.venue.errors import VenueInputError
from connectors.venue.wire import NEW_YORK, new_york, stamp
from connectors.venue.world.model import World, day_date, epoch_day

DAY_SECONDS = 86_400
DEFAULT_START = "2020-10-15T09:31"
HISTORY_DAYS = 120  # what is asked for before the first day, where the data has so many
SESSION_SECONDS = 23_400
SPLITS_BEFORE_OPEN = 19_800  # at 4 in the morning: brokers book them in the night before the ex-day
_OPENING = time(9, 30)
# what clock and calendar name as the next session once the data has ended
FAR_FUTURE = 4_102_444_800.0


@dataclass(frozen=True, slots=True)
class Boundary:
    """A session's opening or closing, at ``at`` epoch seconds."""

    at: float
    is_open: bool


class Timeline:
    """The stock sessions, and the spans of time through which the replay clock runs.

    A world with stocks runs through its sessions only; one of coins alone, or a start behind the last
    stock session, runs around the clock to the end of the coins' data.
    """

    def __init__(self, opens: Sequence[int], spans: Sequence[tuple[float, float]]) -> None:
        self.opens = list(opens)
        self.closes = [opening + SESSION_SECONDS for opening in opens]
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    @property
    def first(self) -> float:
        """The first moment the clock may show."""
        return self._starts[0]

    @property
    def end(self) -> float:
        """The moment at which the data ends."""
        return self._ends[-1]

    def is_open(self, moment: float) -> bool:
        """Tell whether a stock session is on; its close is outside."""
        row = bisect_right(self.opens, moment) - 1
        return row >= 0 and moment < self.closes[row]

    def next_open(self, moment: float) -> float:
        """Return the next opening after ``moment``."""
        row = bisect_right(self.opens, moment)
        return float(self.opens[row]) if row < len(self.opens) else FAR_FUTURE

    def next_close(self, moment: float) -> float:
        """Return the next close after ``moment``."""
        row = bisect_right(self.closes, moment)
        return float(self.closes[row]) if row < len(self.closes) else FAR_FUTURE + SESSION_SECONDS

    def day_of(self, opening: float) -> int:
        """Return the epoch day, New York's, of a session's opening."""
        return epoch_day(new_york(opening).date())

    def day_before(self, opening: float) -> int:
        """Return the epoch day of the session before the one that opens; the day before, for the first."""
        row = bisect_left(self.opens, opening) - 1
        return self.day_of(self.opens[row]) if row >= 0 else self.day_of(opening) - 1

    def boundaries(self, after: float, until: float) -> list[Boundary]:
        """Return openings and closings in ``(after, until]``, in order of time."""
        found = [
            Boundary(float(at), is_open)
            for times, is_open in ((self.opens, True), (self.closes, False))
            for at in times[bisect_right(times, after) : bisect_right(times, until)]
        ]
        return sorted(found, key=lambda boundary: boundary.at)

    def advance(self, moment: float, seconds: float) -> float:
        """Return where the clock stands ``seconds`` of running time after ``moment``.

        Time between two spans is skipped; behind the last span the clock stands still.
        """
        row = bisect_right(self._ends, moment)
        if row == len(self._ends):
            return moment
        moment = max(moment, self._starts[row])
        while moment + seconds >= self._ends[row]:
            seconds -= self._ends[row] - moment
            row += 1
            if row == len(self._ends):
                return self._ends[-1]
            moment = self._starts[row]
        return moment + seconds

    def sessions_between(self, first_day: int, last_day: int) -> list[tuple[int, int]]:
        """Return (opening, close) of the sessions on New York dates from ``first_day`` to ``last_day``."""
        low = bisect_left(self.opens, first_day * DAY_SECONDS)
        high = bisect_left(self.opens, (last_day + 1) * DAY_SECONDS)
        return list(zip(self.opens[low:high], self.closes[low:high], strict=True))


def build_timeline(world: World, start: float) -> Timeline:
    """Lay out the sessions of ``world`` for a replay from ``start``.

    Raises:
        VenueInputError: ``start`` lies outside the data.
    """
    opens = [
        int(datetime.combine(day_date(int(day)), _OPENING, NEW_YORK).timestamp())
        for day in world.session_days
    ]
    spans: list[tuple[float, float]] = [(float(at), float(at + SESSION_SECONDS)) for at in opens]
    data_end = float((world.last_day + 1) * DAY_SECONDS)
    if not world.has_stocks:
        spans = [(float(world.first_day * DAY_SECONDS), data_end)]
    elif start >= spans[-1][1]:
        spans = [(spans[-1][1], data_end)]
    if not spans or not spans[0][0] - DAY_SECONDS <= start < spans[-1][1]:
        low, high = (spans[0][0], spans[-1][1]) if spans else (0.0, 0.0)
        raise VenueInputError(
            f"The start {stamp(start)} (--start) lies outside the data, which runs from {stamp(low)} to "
            f"{stamp(high)}; choose a start between them."
        )
    return Timeline(opens, spans)


def usual_start(world: World) -> float:
    """Return where a replay begins that nobody gave a start: on the default day, else within the data.

    Then behind 120 days of history, or in the middle of shorter data, at the same time of day.
    """
    usual = datetime.fromisoformat(DEFAULT_START).replace(tzinfo=NEW_YORK)
    days = world.session_days if world.has_stocks else range(world.first_day, world.last_day + 1)
    first, last = int(days[0]), int(days[-1])
    if first <= epoch_day(usual.date()) <= last:
        return usual.timestamp()
    wanted = first + min(HISTORY_DAYS, (last - first) // 2)
    day = next(int(day) for day in days if day >= wanted)
    return datetime.combine(day_date(day), usual.time(), NEW_YORK).timestamp()


def parse_start(text: str) -> float:
    """Read ``--start``: ISO 8601, New York time where it names no zone.

    Raises:
        VenueInputError: it cannot be read.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise VenueInputError(
            f"The start '{text}' (--start) cannot be read; expected a time such as 2020-10-15T09:31 "
            "(New York time); correct it."
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=NEW_YORK)).timestamp()
