"""One price file as a table, or why it cannot be used: with file, line, field and what was expected."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from connectors.venue.errors import VenueInputError
from connectors.venue.world.model import Ints

PRICES = ("open", "high", "low", "close")
STOCK_HEADER = ("symbol", "date", *PRICES, "adj_close", "volume", "dividend", "split")
COIN_HEADER = ("symbol", "timestamp", *PRICES, "volume")
HEADERS = f"{','.join(COIN_HEADER)} or {','.join(STOCK_HEADER)}"
GZIP_MAGIC = b"\x1f\x8b"
FIRST_LINE = 2  # of the rows, below the header
QUOTE, COMMA, NEWLINE, RETURN = b'"', ord(","), ord("\n"), ord("\r")
READING_ERRORS = (ValueError, OSError, EOFError, zlib.error)
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


def read_frame(path: Path) -> tuple[pd.DataFrame, str]:
    """Read a file's columns that the venue uses, and return which of them is the time.

    The index counts the rows of the file, blank lines included: line ``index + 2``.

    Raises:
        VenueInputError: it is no CSV file, or none of the two shapes.
    """
    _require_kind(path)
    header = _header(path)
    is_stock = "date" in header
    time_column = "date" if is_stock else "timestamp"
    wanted = [c for c in dict.fromkeys((*COIN_HEADER, *STOCK_HEADER)) if c in header]
    types: Any = {"symbol": "category", time_column: "category"}
    try:
        _require_fields(path, header)
        frame = pd.read_csv(path, usecols=wanted, dtype=types, skip_blank_lines=False, low_memory=False)
    except READING_ERRORS as error:
        raise VenueInputError(
            f"The file {path} cannot be read as CSV ({_said(error)}); expected the columns {','.join(header)}; "
            "repair the file or take it out of the folder."
        ) from error
    frame = frame[frame.notna().any(axis=1)]
    _require_rows(path, frame)
    _require_symbols(path, frame["symbol"], is_stock)
    return frame, time_column


def require_order(path: Path, frame: pd.DataFrame, at: Ints, time_column: str) -> None:
    """Refuse rows of a symbol that are doubled or out of order: the file was put together wrongly.

    Args:
        at: the rows' times, in the unit of their bars.
    """
    codes = frame["symbol"].cat.codes.to_numpy()
    order = np.argsort(codes, kind="stable")
    later, earlier = order[1:], order[:-1]
    wrong = np.zeros(len(at), dtype=bool)
    wrong[later] = (codes[later] == codes[earlier]) & (at[later] <= at[earlier])
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    before = earlier[np.flatnonzero(later == row)[0]]
    symbol, moment = frame["symbol"].iloc[row], frame[time_column].iloc[row]
    kind = "doubled" if at[row] == at[before] else "out of order"
    raise VenueInputError(
        f"The file {path} has {int(wrong.sum())} rows that are doubled or out of order (first: line "
        f"{line_of(frame, row)}, {time_column} '{moment}' of {symbol} is {kind} after line "
        f"{line_of(frame, int(before))}); expected one row for each symbol and {time_column}, in order of time; "
        "sort the file and remove what is doubled."
    )


def first_of(column: "pd.Series[Any]", bad: Mask) -> str:
    """Return where the first bad value stands and what it is."""
    row = int(np.argmax(bad))
    value = column.iloc[row]
    return f"first: line {line_of(column, row)}, '{'' if pd.isna(value) else value}'"


def line_of(rows: "pd.DataFrame | pd.Series[Any]", row: int) -> int:
    """Return the line of the file that a row came from."""
    return int(rows.index[row]) + FIRST_LINE


def _require_kind(path: Path) -> None:
    """Refuse an empty file, and one whose name says otherwise than its bytes."""
    with path.open("rb") as file:
        magic = file.read(len(GZIP_MAGIC))
    named_gzip = path.name.lower().endswith(".gz")
    if not magic:
        raise VenueInputError(
            f"The file {path} is empty; expected a header in line 1 ({HEADERS}) and rows below it; "
            "put data into it or take it out of the folder."
        )
    if (magic == GZIP_MAGIC) is not named_gzip:
        is_, name = ("is not gzip", ".csv") if named_gzip else ("is gzip", ".csv.gz")
        raise VenueInputError(
            f"The file {path} {is_}; expected what its name says; rename it to end in {name}, "
            "or take it out of the folder."
        )


def _header(path: Path) -> list[str]:
    try:
        header = [str(name) for name in pd.read_csv(path, nrows=0, index_col=False).columns]
    except READING_ERRORS as error:
        raise VenueInputError(
            f"The file {path} cannot be read as CSV ({_said(error)}); expected a header {HEADERS} in line 1; "
            "repair the file or take it out of the folder."
        ) from error
    if {"date", "timestamp"} <= set(header):
        raise VenueInputError(
            f"The file {path} has both the columns date and timestamp (line 1); expected {HEADERS}; "
            "put stocks and coins into files of their own."
        )
    expected = STOCK_HEADER[:8] if "date" in header else COIN_HEADER
    missing = [name for name in expected if name not in header]
    if missing:
        raise VenueInputError(
            f"The file {path} has no column {', '.join(missing)} (line 1); expected {HEADERS}; "
            "correct its header or take it out of the folder."
        )
    return header


def _require_fields(path: Path, header: list[str]) -> None:
    """Refuse lines with more or fewer fields than the header: pandas would fill or drop them in silence."""
    content = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        content = gzip.decompress(content)
    if QUOTE in content:
        return  # a comma may be part of a quoted field
    content += b"\n"
    letters = np.frombuffer(content, dtype=np.uint8)
    ends = np.flatnonzero(letters == NEWLINE)
    commas = np.diff(np.searchsorted(np.flatnonzero(letters == COMMA), ends), prepend=0)
    lengths = np.diff(ends, prepend=-1) - 1
    has_text = (lengths > 1) | ((lengths == 1) & (letters[ends - 1] != RETURN))
    bad = has_text & (commas != commas[0])
    if bad.any():
        line = int(np.argmax(bad))
        raise VenueInputError(
            f"The file {path} has {int(bad.sum())} lines with another number of fields than its header (first: "
            f"line {line + 1} with {commas[line] + 1}); expected the {len(header)} fields {','.join(header)}; "
            "correct or remove these lines."
        )


def _require_rows(path: Path, frame: pd.DataFrame) -> None:
    if frame.empty:
        raise VenueInputError(
            f"The file {path} has a header and no rows; expected rows from line {FIRST_LINE} on; "
            "put data into it or take it out of the folder."
        )


def _require_symbols(path: Path, column: "pd.Series[str]", is_stock: bool) -> None:
    """Refuse rows without a symbol, and coins among stocks or stocks among coins."""
    names = [str(name).strip() for name in column.cat.categories]
    fits = np.array([bool(n) and n.upper().endswith("/USD") is not is_stock for n in names], dtype=bool)
    codes = column.cat.codes.to_numpy()
    bad = codes < 0 if not len(fits) else (codes < 0) | ~fits[codes]
    if bad.any():
        kind = "a stock like AAPL, as its column date says" if is_stock else "a coin like BTC/USD"
        raise VenueInputError(
            f"The file {path} has {int(bad.sum())} rows whose symbol does not fit ({first_of(column, bad)}); "
            f"expected {kind}; correct them, or put stocks and coins into files of their own."
        )


def _said(error: BaseException) -> str:
    """Return an error's words in one line."""
    return " ".join(str(error).split())
