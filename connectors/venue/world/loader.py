"""Read a folder of CSV or CSV.gz files into a world.

Which file is which is told from its header and its rows, never from its name: stocks have a ``date``
column, coins a ``timestamp`` (more than one a day: bars of minutes or hours) and a symbol that ends in ``/USD``.

Where a file of stocks has the columns dividend and split, its prices stay as they were quoted, and the splits and
dividends are booked as a broker does. Other stocks' prices are multiplied by adj_close / close, so that neither shows
as a jump and none has to be booked, save those that a file ``corporate_actions.csv`` beside them names; volumes are
divided by it, which keeps the dollar volume. Volumes of coins come in USD and are divided by the close.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from connectors.venue.errors import VenueInputError
from connectors.venue.seeded import unit
from connectors.venue.world.actions import FILE_NAME, actions_of_columns, read_actions, unadjusted
from connectors.venue.world.coins import coin_name
from connectors.venue.world.files import PRICES, first_of, read_frame
from connectors.venue.world.model import DAY_SECONDS, Action, Instrument, Ints, Series, World
from connectors.venue.world.times import read_times

_EXCHANGES = ("NASDAQ", "NYSE")
ACTION_COLUMNS = frozenset({"dividend", "split"})


@dataclass(frozen=True, slots=True)
class _Table:
    """One file's rows, cleaned: ``at`` and ``step`` as ``Times`` has them, symbols as codes into ``symbols``."""

    step: int
    symbols: list[str]
    codes: Ints
    at: Ints
    columns: dict[str, "np.ndarray[tuple[int], np.dtype[np.float64]]"]
    is_quoted: bool = False


def load_world(folder: Path, seed: int, *, books_actions: bool = False) -> World:
    """Read every CSV file of ``folder``.

    Args:
        books_actions: whether stocks split and pay dividends where the files say so; else all prices are adjusted, as
            before version 2 of the state file.

    Raises:
        VenueInputError: the folder or a file cannot be used; the text names it and the remedy.
    """
    files = _csv_files(folder)
    refused: Counter[str] = Counter()
    daily: dict[str, Series] = {}
    minute: dict[str, Series] = {}
    actions: list[Action] = []
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(_read_bytes(path)).digest())
        table = _read_table(path, refused, books_actions=books_actions)
        _split_by_symbol(table, minute if table.step else daily, path, actions)
    for symbol, series in minute.items():
        if symbol not in daily:
            daily[symbol] = _daily_from_minutes(series)
    if not daily:
        raise VenueInputError(
            f"The data folder {folder} holds no row with a positive price; expected daily or minute bars; "
            "give a folder with data, or none for the synthetic market."
        )
    beside = folder / FILE_NAME
    if books_actions and beside.exists():
        digest.update(hashlib.sha256(_read_bytes(beside)).digest())
        actions += _apart(beside, daily, {one.symbol for one in actions})
    world = _assemble(daily, minute, seed, digest.hexdigest()[:16], refused)
    if not actions:
        return world
    # other prices than the adjusted ones of the same files: another world
    return replace(world, name=f"{world.name}:actions", actions=tuple(actions))


def _apart(path: Path, daily: dict[str, Series], taken: set[str]) -> list[Action]:
    """Take in the actions of a file of their own: the prices before them become what was quoted."""
    given = read_actions(path)
    for symbol in {one.symbol for one in given}:
        if symbol not in daily or symbol in taken:
            why = (
                "are in no file of prices" if symbol not in daily else "are in the columns of its prices too"
            )
            raise VenueInputError(
                f"The file {path} names {symbol}, whose actions {why}; expected stocks of the folder that have no "
                "columns dividend and split; remove its lines."
            )
        daily[symbol] = unadjusted(daily[symbol], [one for one in given if one.symbol == symbol])
    return given


def _assemble(
    daily: dict[str, Series], minute: dict[str, Series], seed: int, digest: str, refused: Counter[str]
) -> World:
    stocks = [series for symbol, series in daily.items() if "/" not in symbol]
    first = min(int(series.at[0]) for series in daily.values())
    last = max(int(series.at[-1]) for series in daily.values())
    if stocks:
        sessions = np.unique(np.concatenate([series.at for series in stocks]))
    else:
        days = np.arange(first, last + 1, dtype=np.int64)
        sessions = days[(days + 3) % 7 < 5]
    return World(
        kind="replay",
        name=f"replay:{digest}:{seed}",
        seed=seed,
        instruments={symbol: _instrument(symbol) for symbol in sorted(daily)},
        daily=daily,
        minute=minute,
        session_days=sessions,
        has_stocks=bool(stocks),
        first_day=first,
        last_day=last,
        refused=dict(refused),
    )


def _instrument(symbol: str) -> Instrument:
    if "/" in symbol:
        return Instrument(symbol, f"{coin_name(symbol)} / US Dollar", "CRYPTO")
    exchange = _EXCHANGES[int(unit(0, "exchange", symbol) * len(_EXCHANGES))]
    return Instrument(symbol, f"{symbol} common stock", exchange, unit(0, "whole", symbol) >= 0.03)


def _csv_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise VenueInputError(
            f"The data folder {folder} does not exist; expected a folder of .csv or .csv.gz files; "
            "correct the path, or leave it out for the synthetic market."
        )
    every = (p for p in folder.iterdir() if p.name.lower().endswith((".csv", ".csv.gz")))
    files = sorted(p for p in every if p.name != FILE_NAME)
    if not files:
        raise VenueInputError(
            f"The data folder {folder} holds no .csv or .csv.gz file; expected at least one with bars; "
            "put files there, or leave the folder out for the synthetic market."
        )
    return files


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VenueInputError(
            f"The file {path} cannot be read ({error.strerror}); expected a readable CSV file; "
            "correct its permissions or take it out of the folder."
        ) from error


def _read_table(path: Path, refused: Counter[str], *, books_actions: bool) -> _Table:
    frame, time_column = read_frame(path)
    times = read_times(path, frame, time_column)
    numbers = [name for name in frame.columns if name not in ("symbol", time_column)]
    columns = {name: _floats(path, frame[name]) for name in numbers}
    is_quoted = books_actions and columns.keys() >= ACTION_COLUMNS
    if not is_quoted:
        columns = {name: values for name, values in columns.items() if name not in ACTION_COLUMNS}
    if is_quoted:
        del columns["adj_close"]
    elif "adj_close" in columns:
        factor = columns.pop("adj_close") / np.where(columns["close"] > 0, columns["close"], np.nan)
        columns = {k: v / factor if k == "volume" else v * factor for k, v in columns.items()}
    else:
        columns["volume"] = columns["volume"] / np.where(columns["close"] > 0, columns["close"], np.nan)
    symbols = [str(name) for name in frame["symbol"].cat.categories]
    codes = frame["symbol"].cat.codes.to_numpy().astype(np.int64)
    keep = _usable(columns, codes, refused)
    columns = {name: values[keep] for name, values in columns.items()}
    return _Table(times.step, symbols, codes[keep], times.at[keep], columns, is_quoted)


def _usable(
    columns: dict[str, "np.ndarray[tuple[int], np.dtype[np.float64]]"], codes: Ints, refused: Counter[str]
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Tell which rows can be traded on, and count the others by reason."""
    opened, high, low, close = (columns[name] for name in PRICES)
    with np.errstate(invalid="ignore"):
        positive = (opened > 0) & (high > 0) & (low > 0) & (close > 0) & np.isfinite(high) & (codes >= 0)
        slack = 1e-6 * high
        consistent = (high + slack >= np.maximum(opened, close)) & (low - slack <= np.minimum(opened, close))
    refused["no_positive_price"] += int((~positive).sum())
    refused["inconsistent"] += int((positive & ~consistent).sum())
    volume = columns["volume"]
    volume[~np.isfinite(volume) | (volume < 0)] = 0.0
    return positive & consistent


def _floats(path: Path, column: "pd.Series[float]") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    numbers = pd.to_numeric(column, errors="coerce")
    unreadable = (numbers.isna() & column.notna()).to_numpy()
    if unreadable.any():
        raise VenueInputError(
            f"The file {path} has {int(unreadable.sum())} rows whose {column.name} is not a number "
            f"({first_of(column, unreadable)}); expected a decimal number; correct or remove these rows."
        )
    return np.array(numbers, dtype=np.float64)


def _split_by_symbol(table: _Table, into: dict[str, Series], path: Path, actions: list[Action]) -> None:
    order = np.argsort(table.codes, kind="stable")  # in time already
    codes, at = table.codes[order], table.at[order]
    columns = {name: values[order] for name, values in table.columns.items()}
    starts = np.searchsorted(codes, np.arange(len(table.symbols) + 1))
    for code, name in enumerate(table.symbols):
        rows = slice(int(starts[code]), int(starts[code + 1]))
        if rows.start == rows.stop:
            continue
        symbol = name.strip().upper()
        if symbol in into:
            raise VenueInputError(
                f"The file {path} holds {symbol}, which another file of the folder holds too; expected every "
                "symbol in one daily file and at most one minute file; take one of them out."
            )
        opened, high, low, close, volume = (columns[c][rows] for c in (*PRICES, "volume"))
        into[symbol] = Series(at[rows], opened, high, low, close, volume, table.step)
        if table.is_quoted:
            actions += actions_of_columns(symbol, at[rows], columns["dividend"][rows], columns["split"][rows])


def _daily_from_minutes(series: Series) -> Series:
    """Aggregate the bars of a coin that has no daily file, by UTC day."""
    days, starts = np.unique(series.at // DAY_SECONDS, return_index=True)
    ends = np.append(starts[1:], len(series.at)) - 1
    return Series(
        days,
        series.open[starts],
        np.maximum.reduceat(series.high, starts),
        np.minimum.reduceat(series.low, starts),
        series.close[ends],
        np.add.reduceat(series.volume, starts),
    )
