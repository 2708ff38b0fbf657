"""Read a folder of CSV or CSV.gz files into a world.

Which file is which is told from its header and its rows, never from its name: stocks have a ``date``
column, coins a ``timestamp`` (with a time of day: minute bars) and a symbol that ends in ``/USD``.

Stock prices are multiplied by adj_close / close, so splits and dividends never show as jumps and no
corporate action has to be booked; volumes are divided by it, which keeps the dollar volume. Volumes of
coins come in USD and are divided by the close.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from connectors.venue.errors import VenueInputError
from connectors.venue.seeded import unit
from connectors.venue.world.coins import coin_name
from connectors.venue.world.files import PRICES, first_of, read_frame, require_order
from connectors.venue.world.model import Instrument, Ints, Series, World

DATE_LENGTH = len("2020-10-15")
_DAY_SECONDS = 86_400
_EXCHANGES = ("NASDAQ", "NYSE")


@dataclass(frozen=True, slots=True)
class _Table:
    """One file's rows, cleaned: ``at`` in epoch seconds, symbols as codes into ``symbols``."""

    is_minute: bool
    symbols: list[str]
    codes: Ints
    at: Ints
    columns: dict[str, "np.ndarray[tuple[int], np.dtype[np.float64]]"]


def load_world(folder: Path, seed: int) -> World:
    """Read every CSV file of ``folder``.

    Raises:
        VenueInputError: the folder or a file cannot be used; the text names it and the remedy.
    """
    files = _csv_files(folder)
    refused: Counter[str] = Counter()
    daily: dict[str, Series] = {}
    minute: dict[str, Series] = {}
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(_read_bytes(path)).digest())
        table = _read_table(path, refused)
        _split_by_symbol(table, minute if table.is_minute else daily, path)
    for symbol, series in minute.items():
        if symbol not in daily:
            daily[symbol] = _daily_from_minutes(series)
    if not daily:
        raise VenueInputError(
            f"The data folder {folder} holds no row with a positive price; expected daily or minute bars; "
            "give a folder with data, or none for the synthetic market."
        )
    return _assemble(daily, minute, seed, digest.hexdigest()[:16], refused)


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
    files = sorted(p for p in folder.iterdir() if p.name.lower().endswith((".csv", ".csv.gz")))
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


def _read_table(path: Path, refused: Counter[str]) -> _Table:
    frame, time_column = read_frame(path)
    times, is_minute = _times(path, frame[time_column])
    require_order(path, frame, times if is_minute else times // _DAY_SECONDS, time_column)
    numbers = [name for name in frame.columns if name not in ("symbol", time_column)]
    columns = {name: _floats(path, frame[name]) for name in numbers}
    if "adj_close" in columns:
        factor = columns.pop("adj_close") / np.where(columns["close"] > 0, columns["close"], np.nan)
        columns = {k: v / factor if k == "volume" else v * factor for k, v in columns.items()}
    else:
        columns["volume"] = columns["volume"] / np.where(columns["close"] > 0, columns["close"], np.nan)
    symbols = [str(name) for name in frame["symbol"].cat.categories]
    codes = frame["symbol"].cat.codes.to_numpy().astype(np.int64)
    keep = _usable(columns, codes, refused)
    columns = {name: values[keep] for name, values in columns.items()}
    return _Table(is_minute, symbols, codes[keep], times[keep], columns)


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


def _times(path: Path, column: "pd.Series[str]") -> tuple[Ints, bool]:
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
    has_time = np.array([len(text) > DATE_LENGTH for text in texts], dtype=bool)[codes]
    if has_time.any() and not has_time.all():
        odd = has_time if has_time.sum() * 2 < len(has_time) else ~has_time
        raise VenueInputError(
            f"The file {path} mixes daily and minute rows in {column.name} ({first_of(column, odd)}); expected "
            "days alone, or a time of day in every row; put them into two files."
        )
    seconds = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    return seconds[codes], bool(np.any(seconds % _DAY_SECONDS != 0))


def _floats(path: Path, column: "pd.Series[float]") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    numbers = pd.to_numeric(column, errors="coerce")
    unreadable = (numbers.isna() & column.notna()).to_numpy()
    if unreadable.any():
        raise VenueInputError(
            f"The file {path} has {int(unreadable.sum())} rows whose {column.name} is not a number "
            f"({first_of(column, unreadable)}); expected a decimal number; correct or remove these rows."
        )
    return np.array(numbers, dtype=np.float64)


def _split_by_symbol(table: _Table, into: dict[str, Series], path: Path) -> None:
    order = np.argsort(table.codes, kind="stable")  # in time already
    codes, at = table.codes[order], table.at[order]
    if not table.is_minute:
        at = at // _DAY_SECONDS
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
        into[symbol] = Series(at[rows], *(columns[c][rows] for c in (*PRICES, "volume")))


def _daily_from_minutes(series: Series) -> Series:
    """Aggregate minute bars of a coin that has no daily file, by UTC day."""
    days, starts = np.unique(series.at // _DAY_SECONDS, return_index=True)
    ends = np.append(starts[1:], len(series.at)) - 1
    return Series(
        days,
        series.open[starts],
        np.maximum.reduceat(series.high, starts),
        np.minimum.reduceat(series.low, starts),
        series.close[ends],
        np.add.reduceat(series.volume, starts),
    )
