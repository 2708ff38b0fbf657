"""The venue's state file: SQLite, written before any reply that promises something."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from decimal import Decimal
from pathlib import Path

from connectors.venue.errors import VenueInputError
from connectors.venue.paper.ledger import Holding, Ledger
from connectors.venue.paper.orders import Order
from connectors.venue.world.model import Action

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, client_order_id TEXT NOT NULL UNIQUE, submitted_at INTEGER NOT NULL,
    body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS holdings (symbol TEXT PRIMARY KEY, quantity TEXT NOT NULL, cost TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS activities (activity_id TEXT PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL);
"""
_DECIMALS = frozenset(
    {
        *("quantity", "notional", "reserve_price", "filled_quantity", "gross", "filled_before"),
        *("limit_price", "stop_price", "trail_price", "trail_percent", "high_water"),
    }
)
# 2: orders have types, classes and legs; files without a version are of before and are read
STATE_VERSION = 2


class Store:
    """One connection that owns the file; every public write happens inside ``transaction``.

    Write-ahead logging: what was committed survives kill -9 of the process.

    Raises:
        VenueInputError: the file cannot be used, e.g. another venue has it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "venue.sqlite3"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for known in folder.glob(f"{self._path.name}*"):  # an older version let everybody read it
                known.chmod(0o600)
            self._db = sqlite3.connect(self._path, isolation_level=None, timeout=1.0)
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise VenueInputError(
                f"The state file {self._path} (--state) cannot be used ({error}); expected a writable folder "
                "that no other venue is using; stop the other venue or name another folder."
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite rolls back by itself where the disk is full
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def claim(self, world: str) -> None:
        """Bind the state to ``world`` at its first use.

        Raises:
            VenueInputError: the state belongs to another world.
        """
        self._claim_version()
        known = self.fact("world")
        if known is None:
            self.set_fact("world", world)
        elif known != world:
            raise VenueInputError(
                f"The state in {self._path.parent} (--state) belongs to the world {known}, but {world} was "
                "asked for; give the data folder and seed it was made with, or name another state folder "
                "(ORCHESTRATOR_HOME where manage.py runs the venue)."
            )

    def _claim_version(self) -> None:
        version = int(self.fact("version") or 1)
        if version > STATE_VERSION:
            raise VenueInputError(
                f"The state in {self._path.parent} (--state) was written by a newer version of the venue, in format "
                f"{version}; expected {STATE_VERSION} or less; update this venue, or name another state folder "
                "(ORCHESTRATOR_HOME where manage.py runs the venue)."
            )
        self.set_fact("version", str(STATE_VERSION))

    def fact(self, name: str) -> str | None:
        """Return a stored fact, None when it was never stored."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def announced(self) -> list[Action]:
        """Return the splits and dividends that were announced while the venue ran."""
        rows = json.loads(self.fact("announced") or "[]")
        return [Action(symbol, int(day), kind, Decimal(value)) for symbol, day, kind, value in rows]

    def announce(self, action: Action) -> None:
        """Store an announced split or dividend."""
        known = [*self.announced(), action]
        self.set_fact("announced", json.dumps([[a.symbol, a.ex_day, a.kind, str(a.value)] for a in known]))

    def save_order(self, order: Order) -> None:
        """Insert or replace an order."""
        body = json.dumps(asdict(order), default=str)
        self._db.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?) "
            "ON CONFLICT (order_id) DO UPDATE SET body = excluded.body",
            (order.order_id, order.client_order_id, order.submitted_at, body),
        )

    def orders(self) -> list[Order]:
        """Return all orders, oldest first."""
        rows = self._db.execute("SELECT body FROM orders ORDER BY submitted_at")
        return [_order(json.loads(body)) for (body,) in rows]

    def save_ledger(self, ledger: Ledger, symbol: str) -> None:
        """Store the cash and one symbol's holding."""
        self.set_fact("cash", str(ledger.cash))
        holding = ledger.holdings.get(symbol)
        if holding is None:
            self._db.execute("DELETE FROM holdings WHERE symbol = ?", (symbol,))
        else:
            row = (symbol, str(holding.quantity), str(holding.cost))
            self._db.execute("INSERT OR REPLACE INTO holdings VALUES (?, ?, ?)", row)

    def ledger(self) -> Ledger:
        """Return the account's books, new ones where there are none."""
        ledger = Ledger()
        cash = self.fact("cash")
        if cash is not None:
            ledger.cash = Decimal(cash)
        for symbol, quantity, cost in self._db.execute("SELECT symbol, quantity, cost FROM holdings"):
            ledger.holdings[symbol] = Holding(Decimal(quantity), Decimal(cost))
        return ledger

    def forget_account(self) -> None:
        """Delete orders, holdings, activities and cash; the market, its time and what was booked of it stay."""
        for table in ("orders", "holdings", "activities"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
        self._db.execute("DELETE FROM facts WHERE name IN ('cash', 'last_equity')")

    def forget_replay(self) -> None:
        """Delete how far the replay has come, what was announced on the way, and what was booked."""
        self._db.execute(
            "DELETE FROM facts WHERE name IN ('market_time', 'last_stamp', 'announced') OR name LIKE 'booked:%'"
        )

    def add_activity(self, activity: dict[str, object]) -> None:
        """Append an activity; its ids sort by time."""
        row = (activity["id"], activity["activity_type"], json.dumps(activity))
        self._db.execute("INSERT INTO activities VALUES (?, ?, ?)", row)

    def activities(
        self, kinds: list[str], *, after: str, until: str, token: str | None, descending: bool, limit: int
    ) -> list[dict[str, object]]:
        """Return a page of activities with ids in [``after``, ``until``), those beyond ``token``."""
        marks = ",".join("?" * len(kinds))
        bound = "" if token is None else f"AND activity_id {'<' if descending else '>'} ?"
        direction = "DESC" if descending else "ASC"
        rows = self._db.execute(
            f"SELECT body FROM activities WHERE kind IN ({marks}) AND activity_id >= ? AND activity_id < ? "  # noqa: S608 - only placeholders and constants are put in
            f"{bound} ORDER BY activity_id {direction} LIMIT ?",
            [*kinds, after, until, *([token] if token is not None else []), limit],
        )
        return [json.loads(body) for (body,) in rows]

    def fill_count(self) -> int:
        """Return the number of fills ever booked."""
        row = self._db.execute("SELECT count(*) FROM activities WHERE kind = 'FILL'").fetchone()
        return int(row[0])


def _order(body: dict[str, object]) -> Order:
    known = {field.name for field in fields(Order)}
    values = {
        name: Decimal(str(value)) if name in _DECIMALS and value is not None else value
        for name, value in body.items()
        if name in known
    }
    return Order(**values)  # type: ignore[arg-type]  # the body was written from an Order, field by field
