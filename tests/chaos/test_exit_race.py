"""Exits against the stop or target that fills: never sold twice, never short, nothing left resting, booked rightly."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import F, Sum
from django.utils import timezone

from risk.models import RiskReservation
from tests.chaos import racing
from tests.chaos.conftest import Length, Say
from tests.conftest import forget_throttles
from tests.factories import make_agent, make_limits, make_strategy, switch_guards_off
from tests.trading.outside import Outside
from tests.trading.scenes import forget_prices, open_cycle, price_of, wish
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.core.work import Work, WorkKind
from trading.domain.order_ids import PROTECTIVE, Purpose
from trading.execution import decision_execution
from trading.execution.portfolio import sync_portfolio
from trading.exits.closing import close_position
from trading.models import AIDecision, Cycle, Lot, Order, Position, RoundTrip, Saga, Strategy, Trade

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True), pytest.mark.timeout(7_200)]
REASONS = {
    Purpose.EXIT: {"signal", "operator", "time_stop", "stop_loss", "trailing_stop", "take_profit"},
    Purpose.STOP_LOSS: {"stop_loss", "trailing_stop"},
    Purpose.TAKE_PROFIT: {"take_profit"},
    Purpose.FLATTEN: {"flatten"},
}


@pytest.fixture
def outside(transactional_db: None) -> Iterator[Outside]:
    """A venue of the test's own whose fills come in pieces, and an autonomous agent."""
    address = Path(settings.ENVIRONMENT.orchestrator_home) / "venue.json"
    with VenueProcess(is_forked=True, partial_rate=0.3, fill_latency=0.05) as venue:
        address.write_text(json.dumps({"url": venue.url, "pid": venue.pid, "world": "synthetic"}))
        venue.clock(paused=True)
        make_agent(mode="autonomous")
        make_limits(max_daily_loss_percent=Decimal(99))
        switch_guards_off()
        for name, value in (("order_timeout", "3"), ("critical_errors", "100")):
            set_runtime_setting(name=name, value=value, actor="test")
        yield Outside(venue)
        address.unlink()


class Book:
    """What the venue says of a symbol since a moment: its fills in order, its position, what rests."""

    def __init__(self, outside: Outside, symbol: str) -> None:
        self._outside, self.symbol = outside, symbol

    def held(self) -> Decimal:
        return self._outside.positions().get(self.symbol, Decimal(0))

    def lowest(self) -> Decimal:
        """Return the least that was ever held, by the fills in their order."""
        running, lowest = Decimal(0), Decimal(0)
        for row in self._fills():
            running += Decimal(row["qty"]) * (1 if row["side"] == "buy" else -1)
            lowest = min(lowest, running)
        return lowest

    def resting(self) -> list[dict[str, str]]:
        rows = self._outside.venue.get("/v2/orders?status=all&limit=500&nested=false")
        closed = {"filled", "canceled", "expired", "rejected", "replaced", "done_for_day"}
        return [row for row in rows if row["symbol"] == self.symbol and row["status"] not in closed]

    def stopped(self) -> Decimal:
        stops = [row for row in self.resting() if row["type"] in ("stop", "stop_limit")]
        return sum((Decimal(row["qty"]) - Decimal(row["filled_qty"]) for row in stops), Decimal(0))

    def _fills(self) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        token = ""
        while True:
            path = f"/v2/account/activities/FILL?direction=asc&page_size=100&page_token={token}"
            page = self._outside.venue.get(path)
            rows += page
            if len(page) < 100:
                return [row for row in rows if row["symbol"] == self.symbol]
            token = page[-1]["id"]


def next_cycle() -> None:
    """A symbol is decided about once in each; prices are asked for anew."""
    Cycle.objects.open().update(status="completed", stage="ended", ended_at=timezone.now())
    forget_prices()
    open_cycle()


def passed_the_gate(symbol: str, action: str, strategy: Strategy) -> Saga:
    saga_id = decision_execution.execute_decision(wish(symbol, action, strategy=strategy).pk)
    assert saga_id is not None, AIDecision.objects.latest("created_at").reason
    return Saga.objects.get(pk=saga_id)


def ours_under_way(symbol: str) -> list[str]:
    orders = Order.objects.open().filter(symbol=symbol).exclude(purpose__in=PROTECTIVE)
    sagas = Saga.objects.open().filter(order__symbol=symbol)
    unbooked = Order.objects.filter(symbol=symbol, filled_quantity__gt=F("booked_quantity"))
    return [str(one) for rows in (orders, sagas, unbooked) for one in rows]


def misfits(book: Book) -> list[str]:
    """Return what does not fit between venue and book; empty once all is settled."""
    held = book.held()
    position = Position.objects.filter(pk=book.symbol).first()
    lots = Lot.objects.filter(symbol=book.symbol).aggregate(left=Sum("remaining"))["left"] or Decimal(0)
    our_stops = Order.objects.protecting().filter(symbol=book.symbol)
    return [
        *ours_under_way(book.symbol),
        *([f"position {position} for {held}"] if (position.quantity if position else 0) != held else []),
        *([f"lots {lots} for {held}"] if lots != held else []),
        *([f"stops for {book.stopped()} of {held}"] if book.stopped() != held else []),
        *([f"rests {row['id']}" for row in book.resting()] if not held else []),
        *([f"still open here {order}" for order in our_stops] if not held else []),
    ]


def settled(books: Sequence[Book], what: object) -> None:
    left: dict[str, list[str]] = {}

    def is_settled() -> bool:
        left.clear()
        left.update({book.symbol: found for book in books if (found := misfits(book))})
        return not left

    try:
        wait_until(is_settled, seconds=90)
    except AssertionError as error:
        raise AssertionError(f"{what}: {left}") from error


def check(book: Book) -> None:
    """Nothing was sold that was not held, and all is booked as it was; what a watch sells just now is waited for."""
    assert book.lowest() == 0, "sold more than was held"
    found: list[str] = []

    def is_right() -> bool:
        found[:] = wrong_bookings(book)
        return not found

    try:
        wait_until(is_right, seconds=60)
    except AssertionError as error:
        raise AssertionError(str(found)) from error


def wrong_bookings(book: Book) -> list[str]:
    found = []
    if _traded(book.symbol) != book.held():
        found.append(f"trades make {_traded(book.symbol)}, held are {book.held()}")
    for trade in Trade.objects.filter(symbol=book.symbol, side="sell").select_related("order"):
        trips = RoundTrip.objects.filter(exit_order=trade.order)
        if trade.exit_reason not in REASONS[Purpose(trade.order.purpose)]:
            found.append(f"{trade.order.purpose} is booked as {trade.exit_reason}")
        if {trip.exit_reason for trip in trips} != {trade.exit_reason}:
            found.append(f"round trips of {trade.exit_reason}: {[trip.exit_reason for trip in trips]}")
        quantities = {
            sum((trip.quantity for trip in trips), Decimal(0)),
            trade.quantity,
            trade.order.filled_quantity,
        }
        if len(quantities) > 1:
            found.append(f"round trips, trade and order of {quantities}")
    if RiskReservation.objects.filter(symbol=book.symbol, released_at=None).exists():
        found.append("room is still reserved")
    return found


def _traded(symbol: str) -> Decimal:
    rows = Trade.objects.filter(symbol=symbol).order_by().values("side").annotate(total=Sum("quantity"))
    sums = {row["side"]: row["total"] for row in rows}
    return sums.get("buy", Decimal(0)) - sums.get("sell", Decimal(0))


def test_an_exit_that_races_the_stop_or_the_target_sells_once(
    outside: Outside, length: Length, say: Say
) -> None:
    """Each heat is six races; the short form has two, the long one fifty."""
    heats = 50 if length.is_long else 2
    strategy = make_strategy(
        size_percent=Decimal(3),
        allows_fractions=False,
        stop_percent=Decimal("0.5"),
        target_percent=Decimal("0.5"),
        reward_to_risk=None,
        tightest_stop_percent=Decimal("0.5"),
    )
    symbols = raced_symbols(outside)
    sellers: Counter[str] = Counter()
    system = racing.System()
    with system.at_work():
        for number in range(length.first, length.first + heats):
            heat = racing.drawn(length.seed, number, symbols)
            books = [Book(outside, symbol) for symbol in heat.runners]
            began = time.monotonic()
            outside.venue.clock(to="open")
            next_cycle()
            for book in books:
                system.do(Work(WorkKind.ADVANCE, passed_the_gate(book.symbol, "buy", strategy).pk))
            settled(books, f"{heat}: the entries")
            since = timezone.now()
            entered = time.monotonic()
            next_cycle()
            sales = {
                symbol: passed_the_gate(symbol, "sell", strategy)
                for symbol, theirs in heat.runners.items()
                if "model" in dict(theirs)
            }
            for rule in heat.faults:
                outside.venue.fault(**rule)
            problems = racing.run(heat, outside, sales)
            raced = time.monotonic()
            outside.venue.clear_faults()
            forget_throttles()
            settled(books, heat)
            for book in books:
                check(book)
                sellers[sold_by(book.symbol, since)] += 1
            assert problems == system.unexpected == []
            done = time.monotonic()
            racing.release()
            sell_the_rest(outside, books, heat)
            say(
                f"{heat}: {dict(sellers)}; entry {entered - began:.1f} race {raced - entered:.1f}"
                f" settled {done - raced:.1f} rest {time.monotonic() - done:.1f}"
            )

    assert system.unexpected == []


def raced_symbols(outside: Outside) -> list[str]:
    """Return six stocks of which some shares can be bought."""
    found: list[str] = []
    for row in outside.venue.get("/v2/assets?status=active&asset_class=us_equity"):
        if row["tradable"] and Decimal(20) < price_of(row["symbol"]) < Decimal(300):
            found.append(row["symbol"])
        if len(found) == 6:
            return found
    raise AssertionError(f"the market has too few: {found}")


def sold_by(symbol: str, since: datetime) -> str:
    sales = Trade.objects.filter(symbol=symbol, side="sell", booked_at__gt=since)
    return "+".join(sorted(set(sales.values_list("exit_reason", flat=True)))) or "nobody"


def sell_the_rest(outside: Outside, books: Sequence[Book], heat: racing.Heat) -> None:
    """Close what is left, without faults."""
    left = [book for book in books if book.held()]
    if not left:
        return
    outside.venue.clock(to="open")
    sync_portfolio(None)
    for book in left:
        wait_until(lambda book=book: _closed(book), what=f"{heat}: the rest of {book.symbol} is sold")  # type: ignore[misc]  # a default binds the loop's name
    settled(left, f"{heat}: the rest")
    for book in left:
        check(book)


def _closed(book: Book) -> bool:
    if book.held() and not ours_under_way(book.symbol):
        try:
            close_position(book.symbol, reason="operator", actor="race")
        except racing.NEVER_MIND:
            return False
    return not book.held()
