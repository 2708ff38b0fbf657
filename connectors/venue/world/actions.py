"""Splits and dividends: what a file says of them, and prices as they were before they were adjusted for them."""

import csv
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from connectors.venue.errors import VenueInputError
from connectors.venue.world.model import Action, Floats, Series, epoch_day

FILE_NAME = "corporate_actions.csv"
HEADER = ("symbol", "ex_date", "kind", "value")
SPLIT, DIVIDEND = "split", "dividend"


def read_actions(path: Path) -> list[Action]:
    """Read ``corporate_actions.csv``.

    Raises:
        VenueInputError: it cannot be read; the text names the line and what was expected.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != HEADER:
        raise VenueInputError(
            f"The file {path} has another header (line 1); expected {','.join(HEADER)}; correct it."
        )
    return [_action(path, line, row) for line, row in enumerate(rows[1:], 2) if row]


def _action(path: Path, line: int, row: list[str]) -> Action:
    try:
        symbol, ex_date, kind, value = (field.strip() for field in row)
        made = Action(symbol.upper(), epoch_day(date.fromisoformat(ex_date)), kind, Decimal(value))
    except (ValueError, InvalidOperation) as error:
        raise _unreadable(path, line, row) from error
    is_stock = bool(made.symbol) and "/" not in made.symbol
    if kind not in (SPLIT, DIVIDEND) or not made.value.is_finite() or made.value <= 0 or not is_stock:
        raise _unreadable(path, line, row)
    return made


def _unreadable(path: Path, line: int, row: list[str]) -> VenueInputError:
    return VenueInputError(
        f"The file {path} has a line that cannot be read (line {line}: '{','.join(row)}'); expected a stock, a date "
        f"such as 2020-10-27, {SPLIT} or {DIVIDEND}, and the new shares for an old one or USD a share; "
        "correct or remove it."
    )


def actions_of_columns(symbol: str, at: np.ndarray, dividends: Floats, splits: Floats) -> list[Action]:
    """Return what the columns ``dividend`` and ``split`` of a stock's rows say."""
    found = []
    for row in np.flatnonzero((dividends > 0) | ((splits > 0) & (splits != 1))):
        day = int(at[row])
        if splits[row] > 0 and splits[row] != 1:
            found.append(Action(symbol, day, SPLIT, Decimal(str(float(splits[row])))))
        if dividends[row] > 0:
            found.append(Action(symbol, day, DIVIDEND, Decimal(str(float(dividends[row])))))
    return found


def unadjusted(series: Series, actions: list[Action]) -> Series:
    """Return adjusted daily prices as they were quoted: the last ones as they are, those before each action higher."""
    factor, shares = np.ones(len(series.at)), np.ones(len(series.at))
    for action in sorted(actions, key=lambda one: one.ex_day, reverse=True):
        rows = int(np.searchsorted(series.at, action.ex_day))
        if not rows:
            continue
        value = float(action.value)
        if action.kind == SPLIT:
            factor[:rows] *= value
            shares[:rows] *= value
        else:
            after = float(series.close[rows - 1] * factor[rows - 1])
            factor[:rows] *= (after + value) / after
    prices = (getattr(series, name) * factor for name in ("open", "high", "low", "close"))
    opened, high, low, close = prices
    return replace(
        series, open=opened, high=high, low=low, close=close, volume=np.asarray(series.volume / shares)
    )
