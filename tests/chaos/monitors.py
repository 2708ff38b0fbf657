"""Judges of a run, apart from the product's own code: plain SQL on a connection of their own, and the venue.

Each returns what it found wrong, a sentence each; nothing found is an empty list. ``at_rest`` is for a
system that has nothing left to do; ``LimitSampler`` and ``orders_after`` judge moments while it runs.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg2

from tests.venue_process import VenueProcess
from trading.domain.order_ids import PROTECTIVE

OURS = re.compile(r"^(?P<decision>[0-9a-f-]{36})-(?P<purpose>[a-z_]+)-(?P<number>\w+)$")
UNSETTLED = ("pending", "claimed", "executing")
UNENDED = ("created", "submitting", "unknown", "accepted", "partially_filled")
NEVER_AT_BROKER = ("created", "failed")
TABLES = {"cycle": "cycles", "decision": "ai_decisions", "order": "orders", "saga": "sagas"}
VENUE_PAGE = 500
GRACE_SECONDS = 15.0  # the database itself may be down at a deadline
PRICE_TOLERANCE = Decimal("1.02")  # prices move after the gate's answer; a broken gate is out by far more

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong, by the promise it breaks."""

    doubled: list[str]
    lost: list[str]
    leaked: list[str]
    positions: list[str]
    events: list[str]
    cycles: list[str]

    def all(self) -> list[str]:
        """Return every sentence."""
        named = ("doubled", "lost", "leaked", "positions", "events", "cycles")
        return [f"{name}: {words}" for name in named for words in getattr(self, name)]


class Monitors:
    """The judges of one database and one venue."""

    def __init__(self, database_url: str, venue: VenueProcess) -> None:
        self.spans_a_step: Callable[[datetime, datetime], bool] = lambda began, ended: False
        self.database_url = database_url
        self.venue = venue

    def at_rest(self) -> Findings:
        """Judge a system that has nothing left to do."""
        orders = self.venue_orders()
        return Findings(
            doubled=self.doubled(orders),
            lost=self.lost(orders),
            leaked=self.leaked(),
            positions=self.positions(),
            events=self.events() + self.outbox(),
            cycles=self.cycles(),
        )

    def doubled(self, orders: Iterable[dict[str, Any]]) -> list[str]:
        """One order per client_order_id, one entry per decision, at the venue."""
        ids = [str(order["client_order_id"]) for order in orders]
        found = [f"{name} is at the venue {n} times" for name, n in Counter(ids).items() if n > 1]
        entries = Counter(m["decision"] for m in map(OURS.match, ids) if m and m["purpose"] == "entry")
        return found + [f"decision {pk} has {n} entries at the venue" for pk, n in entries.items() if n > 1]

    def lost(self, orders: Iterable[dict[str, Any]]) -> list[str]:
        """Every decision ends with a reason or an order; what we hold taken is at the venue, and back."""
        told = {str(order["client_order_id"]): order for order in orders}
        found = [
            f"decision {pk} is still {status}"
            for pk, status in self._rows("SELECT id, status FROM ai_decisions WHERE status IN %s", UNSETTLED)
        ]
        found += [
            f"decision {pk} is {status} without a reason or a filled order"
            for pk, status in self._rows(
                "SELECT id, status FROM ai_decisions d WHERE reason = '' AND status NOT IN %s AND NOT EXISTS"
                " (SELECT 1 FROM orders o WHERE o.decision_id = d.id AND o.filled_quantity > 0)",
                (*UNSETTLED, "awaiting_approval"),
            )
        ]
        return found + self._compare_orders(told)

    def _compare_orders(self, told: dict[str, dict[str, Any]]) -> list[str]:
        found = []
        ours = self._rows(
            "SELECT client_order_id, status, acknowledged_at, filled_quantity, purpose FROM orders"
        )
        for name, status, acknowledged_at, filled, purpose in ours:
            if status in UNENDED and not (purpose in PROTECTIVE and name in told):
                found.append(f"order {name} is still {status}")
            if (acknowledged_at is not None or filled > 0) and name not in told:
                found.append(f"order {name} ({status}) is not at the venue")
            if name in told and status in NEVER_AT_BROKER:
                found.append(f"order {name} is at the venue, we hold it {status}")
            if name in told and Decimal(told[name]["filled_qty"]) != filled:
                found.append(f"order {name}: {filled} filled here, {told[name]['filled_qty']} at the venue")
            if purpose == "external" and OURS.match(name):
                found.append(f"order {name} came back as a stranger's")
        found += [
            f"order {name} is at the venue, not here" for name in told.keys() - {row[0] for row in ours}
        ]
        short = self._rows(
            "SELECT o.client_order_id, o.filled_quantity, coalesce(sum(f.quantity), 0) FROM orders o"
            " LEFT JOIN fills f ON f.order_id = o.id GROUP BY o.id"
            " HAVING o.filled_quantity <> coalesce(sum(f.quantity), 0)"
        )
        return found + [f"order {name}: {filled} filled, fills say {rows}" for name, filled, rows in short]

    def leaked(self) -> list[str]:
        """No reservation counts when nothing is under way."""
        rows = self._rows(
            "SELECT symbol, notional, decision_id FROM risk_reservations WHERE released_at IS NULL"
        )
        return [f"{notional} USD of {symbol} reserved for decision {pk}" for symbol, notional, pk in rows]

    def positions(self) -> list[str]:
        """Our positions are the venue's."""
        ours = {symbol: Decimal(n) for symbol, n in self._rows("SELECT symbol, quantity FROM positions")}
        told = self.venue_positions()
        return [
            f"{symbol}: {ours.get(symbol, 0)} here, {told.get(symbol, 0)} at the venue"
            for symbol in sorted(ours.keys() | told.keys())
            if ours.get(symbol, 0) != told.get(symbol, 0)
        ]

    def events(self) -> list[str]:
        """Statuses rebuilt from the events are those of the tables; no gap, no break in the chain."""
        found = []
        for kind, table in TABLES.items():
            log: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
            for pk, sequence, payload in self._rows(
                "SELECT aggregate_id, sequence, payload FROM events WHERE aggregate_type = %s"
                " ORDER BY aggregate_id, sequence",
                kind,
            ):
                facts = payload if isinstance(payload, dict) else json.loads(payload)
                log[pk].append((sequence, facts))
            for pk, status in self._rows(f"SELECT id::text, status FROM {table}"):  # noqa: S608 - a name from above
                found += [f"{kind} {pk}: {words}" for words in _replay(log[pk], status)]
        return found

    def outbox(self) -> list[str]:
        """Everything public is published, and its sequences have no gap."""
        waiting = self._rows(
            "SELECT type, count(*) FROM events WHERE public_sequence IS NOT NULL AND published_at IS NULL"
            " GROUP BY type"
        )
        gaps = self._rows(
            "SELECT aggregate_type, aggregate_id FROM events WHERE public_sequence IS NOT NULL"
            " GROUP BY 1, 2 HAVING max(public_sequence) <> count(*)"
        )
        found = [f"{count} of {kind} were never published" for kind, count in waiting]
        return found + [f"{kind} {pk}: its published events have gaps" for kind, pk in gaps]

    def cycles(self) -> list[str]:
        """Every cycle ended, within its deadline, or a clock was stepped meanwhile: then its times say nothing."""
        late = self._rows(
            "SELECT id, status, started_at, deadline_at, ended_at FROM cycles WHERE ended_at IS NULL"
            " OR ended_at > deadline_at + make_interval(secs => %s)",
            GRACE_SECONDS,
        )
        return [
            f"{pk} ({status}): began {start}, due {due}, ended {end}"
            for pk, status, start, due, end in late
            if end is None or not self.spans_a_step(start, end)
        ]

    def orders_after(self, moment: float, until: float) -> list[str]:
        """Return the order requests that reached the venue in (moment, until], unix seconds."""
        first, last = datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(until, UTC)
        posts = self.venue.requests(method="POST", path="/v2/orders")
        return [f"{p['client_order_id']} at {p['at']}" for p in posts if first < moment_of(p["at"]) <= last]

    def exceeded(self) -> list[str]:
        """Judge this moment: the venue's positions and what is reserved beyond them, against the limits.

        Positions are read between two readings of the reservations, and only what counted in both is
        added, less what its order had filled: never more than what was true when the positions were read.
        """
        before = self._counting()
        positions = self.venue.get("/v2/positions")
        equity = Decimal(self.venue.get("/v2/account")["equity"])
        filled = {o["client_order_id"]: _filled_notional(o) for o in self.venue_orders(newest=True)}
        after = self._counting()
        book: dict[str, Decimal] = defaultdict(Decimal)
        for position in positions:
            cost = Decimal(position["avg_entry_price"]) * Decimal(position["qty"])
            book[_symbol(position)] += min(abs(cost), abs(Decimal(position["market_value"])))
        for pk, (symbol, notional, client_order_id) in before.items():
            if pk in after:
                book[symbol] += max(notional - filled.get(client_order_id, Decimal(0)), Decimal(0))
        return self._over_limits(book, equity)

    def _over_limits(self, book: dict[str, Decimal], equity: Decimal) -> list[str]:
        (position, exposure, count), *_ = self._rows(
            "SELECT max_position_percent, max_exposure_percent, max_positions FROM risk_limits"
            " ORDER BY version DESC LIMIT 1"
        )
        share = {symbol: value / equity * 100 for symbol, value in book.items()}
        found = [
            f"{symbol} is {percent:.2f} % of equity, the limit {position}"
            for symbol, percent in share.items()
            if percent > position * PRICE_TOLERANCE
        ]
        total = sum(share.values(), Decimal(0))
        if total > exposure * PRICE_TOLERANCE:
            found.append(f"exposure is {total:.2f} % of equity, the limit {exposure}")
        if len(book) > count:
            found.append(f"{len(book)} positions, the limit {count}")
        return found

    def _counting(self) -> dict[str, tuple[str, Decimal, str]]:
        rows = self._rows(
            "SELECT r.id::text, r.symbol, r.notional, coalesce(o.client_order_id, '') FROM risk_reservations r"
            " LEFT JOIN orders o ON o.reservation_id = r.id WHERE r.released_at IS NULL AND r.side = 'buy'"
        )
        return {pk: (symbol, notional, name) for pk, symbol, notional, name in rows}

    def venue_orders(self, *, newest: bool = False) -> list[dict[str, Any]]:
        """Return all orders of the venue, or the newest page."""
        if newest:
            return list(self.venue.get(f"/v2/orders?status=all&limit={VENUE_PAGE}"))
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.venue.get(f"/v2/orders?status=all&direction=asc&limit={VENUE_PAGE}{after}")
            found += page
            if len(page) < VENUE_PAGE:
                return found
            after = f"&after={page[-1]['submitted_at']}"

    def venue_positions(self) -> dict[str, Decimal]:
        """Return the venue's positions in base units, by our symbols."""
        return {_symbol(p): Decimal(p["qty"]) for p in self.venue.get("/v2/positions")}

    def _rows(self, statement: str, *values: Any) -> Rows:
        session = psycopg2.connect(self.database_url, connect_timeout=120)
        try:
            with session, session.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall())
        finally:
            session.close()


def _replay(log: list[tuple[int, dict[str, Any]]], status: str) -> list[str]:
    """Return what is wrong with one aggregate's events, beside events that move nothing."""
    found = []
    if [sequence for sequence, _ in log] != list(range(1, len(log) + 1)):
        found.append("its events have gaps")
    current: str | None = None
    for sequence, facts in log:
        if "to" not in facts:
            continue
        if facts.get("from") != current:
            found.append(f"event {sequence} begins at {facts.get('from')}, it was {current}")
        current = str(facts["to"])
    if current != status:
        found.append(f"its events say {current}, the table {status}")
    return found


def moment_of(text: str) -> datetime:
    """Return a time the venue wrote; it may carry nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))


def _filled_notional(order: dict[str, Any]) -> Decimal:
    price = order.get("filled_avg_price")
    return Decimal(order["filled_qty"]) * Decimal(price) if price else Decimal(0)


def _symbol(position: dict[str, Any]) -> str:
    name = str(position["symbol"])
    is_short = position["asset_class"] == "crypto" and "/" not in name
    return f"{name.removesuffix('USD')}/USD" if is_short else name
