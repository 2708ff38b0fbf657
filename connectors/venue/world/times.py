"""When the bars of a file are: of which day, or from which second on and how long, told from the rows themselves.

Tools write a day's bar with a clock time, too: yfinance midnight in New York, others the last second of the day. A
file in which no symbol has two rows of one day is one of daily bars, whatever the clock says; stocks always are.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from connectors.venue.errors import VenueInputError
from connectors.venue.wire import NEW_YORK
from connectors.venue.world.files import first_of, require_order
from connectors.venue.world.model import DAY_SECONDS, MINUTE_SECONDS, Ints

DATE_LENGTH = len("2020-10-15")
# A bar that ends with its day, or begins with it, is of the day that is written, in whatever zone.
_EDGE_OF_DAY = re.compile(
    r"\d{4}-\d\d-\d\d[T ](?:00:00(?::00(?:\.0+)?)?|23:59(?::\d\d(?:\.\d+)?)?)(?P<zone>\D.*|)"
)
_ZONE = re.compile(r"[T ].*(Z|[+-]\d\d:?(\d\d)?)$")


@dataclass(frozen=True, slots=True)
class Times:
    """``at`` of each row: epoch days where ``step`` is 0, else epoch seconds of bars that last ``step`` seconds."""

    at: Ints
    step: int


def read_times(path: Path, frame: pd.DataFrame, time_column: str) -> Times:
    """Read a file's time column.

    Raises:
        VenueInputError: a time cannot be read, days and times are mixed, or two rows of a symbol are of the same
            day or minute or out of order: line and field are named.
    """
    texts, seconds, has_time = _parsed(path, frame[time_column])
    codes = frame[time_column].cat.codes.to_numpy()
    days = _days(texts, seconds, is_stock=time_column == "date")[codes]
    if not has_time or time_column == "date" or not _has_two_a_day(frame, days):
        require_order(path, frame, days, time_column)
        return Times(days, 0)
    at = seconds[codes]
    require_order(path, frame, at // MINUTE_SECONDS, time_column)
    return Times(at, _step(frame, at))


def _parsed(path: Path, column: "pd.Series[str]") -> tuple[list[str], Ints, bool]:
    """Return the column's different texts, their epoch seconds, and whether they have a time of day."""
    texts = [str(text) for text in column.cat.categories]
    parsed = pd.to_datetime(pd.Series(texts, dtype="object"), errors="coerce", format="ISO8601", utc=True)
    codes = column.cat.codes.to_numpy()
    bad = (codes < 0) | np.isin(codes, np.flatnonzero(parsed.isna().to_numpy()))
    if bad.any():
        raise VenueInputError(
            f"The file {path} has {int(bad.sum())} rows whose {column.name} cannot be read "
            f"({first_of(column, bad)}); expected 2020-10-15 or 2020-10-15 13:31:00 (UTC); "
            "correct or remove these rows."
        )
    has_time = np.array([len(text.strip()) > DATE_LENGTH for text in texts], dtype=bool)[codes]
    if has_time.any() and not has_time.all():
        odd = has_time if has_time.sum() * 2 < len(has_time) else ~has_time
        raise VenueInputError(
            f"The file {path} mixes daily and minute rows in {column.name} ({first_of(column, odd)}); expected "
            "days alone, or a time of day in every row; put them into two files."
        )
    seconds = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    return texts, seconds, bool(has_time.any())


def _days(texts: list[str], seconds: Ints, *, is_stock: bool) -> Ints:
    """Return the epoch day of each text: the one written where it stands at the edge of a day or has no zone.

    Any other moment with a zone is of the day it falls on, in New York for stocks and in UTC for coins.
    """
    if all(len(text.strip()) <= DATE_LENGTH or _EDGE_OF_DAY.fullmatch(text.strip()) for text in texts):
        return _written(texts, seconds)
    if not is_stock:
        return seconds // DAY_SECONDS
    local = (
        pd.to_datetime(pd.Series(seconds), unit="s", utc=True).dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    )
    in_new_york = local.to_numpy().astype("datetime64[D]").astype(np.int64)
    has_zone = np.array([_ZONE.search(text.strip()) is not None for text in texts], dtype=bool)
    return np.where(has_zone, in_new_york, seconds // DAY_SECONDS)


def _written(texts: list[str], seconds: Ints) -> Ints:
    stripped = [text.strip() for text in texts]
    if any(text[4:5] != "-" for text in stripped):  # 20201015: no time, and so no zone
        return seconds // DAY_SECONDS
    return np.array([text[:DATE_LENGTH] for text in stripped], dtype="datetime64[D]").astype(np.int64)


def _has_two_a_day(frame: pd.DataFrame, days: Ints) -> bool:
    codes = frame["symbol"].cat.codes.to_numpy().astype(np.int64)
    return len(np.unique(np.column_stack((codes, days)), axis=0)) < len(days)


def _step(frame: pd.DataFrame, at: Ints) -> int:
    """Return how long the file's bars last: what all distances between a symbol's rows are multiples of.

    It divides a day; a minute where nothing longer does.
    """
    codes = frame["symbol"].cat.codes.to_numpy()
    order = np.argsort(codes, kind="stable")
    minutes = at[order] // MINUTE_SECONDS
    same = np.diff(codes[order]) == 0
    distances = np.append(np.diff(minutes)[same], DAY_SECONDS // MINUTE_SECONDS)
    return int(np.gcd.reduce(distances)) * MINUTE_SECONDS
