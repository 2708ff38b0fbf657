"""Odd rows in every list that a provider answers, switched on in turn while real processes run cycles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from tests.e2e.system import System
from tests.e2e.truth import assert_books_agree, wait_for_end, wait_for_rest
from tests.factories import make_user
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading import tasks
from trading.access.api_tokens import issue_token
from trading.cycle.cycles import start_cycle
from trading.domain.statuses import CycleStatus
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.models import Asset, BarHistory, Cycle, Event, SetAsideRow
from trading.work.maintenance import maintain

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

POSITIONS = "^GET /v2/positions$"
SNAPSHOTS, BARS, NEWS = "GET /v2/stocks/snapshots", "GET /v2/stocks/bars", "GET /v1beta1/news"
NOW = "2020-10-15T13:00:00Z"
HEADLINE = {
    "id": 7,
    "headline": "Sound",
    "created_at": NOW,
    "updated_at": NOW,
    "symbols": [],
    "source": "wire",
}
REST = ("/status", "/positions", "/orders", "/fills", "/trades", "/equity", "/cycles/history", "/kill-switch")
PAGES = ("admin:index", "admin:trading_position_changelist", "admin:trading_cycle_changelist")


@dataclass(frozen=True)
class Odd:
    """A list that has an odd row: where, which, and the words it is named by."""

    route: str
    body: dict[str, Any]
    named: str
    rows: list[str] | None = None
    before: Callable[[], object] = field(default=lambda: None)


def odd_rows(held: str, other: str) -> Iterator[Odd]:
    for change, named in (
        ({"market_value": None}, "market_value is None"),
        ({"market_value": "NaN"}, "market_value is 'NaN'"),
        ({"qty": "1e40"}, "qty is '1e40'"),
        ({"avg_entry_price": -1}, "avg_entry_price is -1"),
        ({"side": "\x00"}, "side is '\ufffd'"),
        ({"asset_class": "us_option"}, "another kind (us_option)"),
    ):
        yield Odd(POSITIONS, change, f"{held}: {named}" if "kind" not in named else named, [held])
    yield Odd(POSITIONS, {"symbol": None}, "a row without a name: symbol is None", [held])
    orders = "^GET /v2/orders$"
    yield Odd(orders, {"filled_qty": 1e40}, "filled_qty is 1e+40", [held])
    yield Odd(orders, {"id": None, "client_order_id": None}, "id is None", [held])
    yield Odd(orders, {"order_class": "mleg", "symbol": "", "side": ""}, "another kind (mleg)", [held])
    trade = {"latestTrade": {"t": NOW, "p": -1}, "minuteBar": None}
    yield Odd(SNAPSHOTS, {other: trade}, f"{other}: latestTrade.p is -1")
    yield Odd(SNAPSHOTS, {other: 7}, f"{other}: the row is int")
    bars = {"bars": {other: [{"t": None, "o": 1}]}, "next_page_token": None}
    yield Odd(BARS, bars, f"{other}: t is None", before=BarHistory.objects.all().delete)
    for broken in ({"created_at": None}, {"headline": 7}, {"id": []}):
        (name,) = broken
        news = {"news": [HEADLINE, HEADLINE | {"id": 8} | broken], "next_page_token": None}
        yield Odd(NEWS, news, f"{name} is {broken[name]!r}")
    coins = "GET /coingecko/api/v3/simple/price"
    yield Odd(coins, {"bitcoin": {"usd": "n/a", "last_updated_at": 1}}, "BTC/USD: usd is 'n/a'")


def named_by(cycle: Cycle) -> str:
    warnings = Event.objects.filter(type="cycle.warning", aggregate_id=str(cycle.pk))
    return "\n".join(
        [*(event.payload["message"] for event in warnings), *map(str, SetAsideRow.objects.all())]
    )


def look_everywhere() -> None:
    """Ask every list over REST and open the pages: none may fail."""
    user = make_user(is_superuser=True)
    api, console = APIClient(), Client()
    api.credentials(HTTP_AUTHORIZATION=f"Token {issue_token(user=user).text}")
    console.force_login(user)
    answers = {path: api.get(path).status_code for path in (*REST, "/api/ai-decisions/enriched")}
    answers |= {page: console.get(reverse(page)).status_code for page in PAGES}
    assert set(answers.values()) == {200}, answers


def test_cycles_go_on_whatever_row_is_odd(system: System, market: VenueProcess) -> None:
    """No cycle is lost, no page fails, and each odd row is named."""
    symbols = list(
        Asset.objects.filter(asset_class="stock").order_by("-dollar_volume")[:4].values_list("pk", flat=True)
    )
    held, other = symbols[0], symbols[1]
    order = {"symbol": held, "qty": "2", "side": "buy", "type": "market", "time_in_force": "day"}
    market.request("POST", "/v2/orders", order)
    wait_until(lambda: market.state_report()["positions"], what="the venue holds a position")
    lost, unnamed = [], []
    for odd in odd_rows(held, other):
        reconcile()
        odd.before()
        market.fault(kind="alter", route=odd.route, body=odd.body, rows=odd.rows)

        cycle = start_cycle(trigger="test", symbols=[*symbols, "BTC/USD"])
        tasks.launch(cycle)
        wait_for_end(cycle)
        reconcile()

        if (cycle.status, cycle.reason) != (CycleStatus.COMPLETED, ""):
            lost.append((odd, cycle.status, cycle.reason))
        if odd.named not in named_by(cycle):
            unnamed.append((odd, named_by(cycle)))
        look_everywhere()
        market.clear_faults()
    wait_for_rest()
    sync_portfolio(None)
    reconcile()

    assert lost == []
    assert unnamed == []
    assert not SetAsideRow.objects.exists()
    assert_books_agree(market)


def test_maintenance_names_the_odd_rows_of_the_listing(seeded: None, market: VenueProcess) -> None:
    symbol = Asset.objects.filter(asset_class="stock").order_by("-dollar_volume")[0].pk
    for change in (
        {"exchange": ""},
        {"fractionable": None},
        {"tradable": 1e40},
        {"name": 7},
        {"symbol": "n/a"},
        {"symbol": 7},
    ):
        (field_name,) = change
        market.fault(kind="alter", route="GET /v2/assets", body=change, rows=[symbol])
        cycle = start_cycle(trigger="test", cycle_type=Cycle.Type.MAINTENANCE)

        assert maintain(cycle.pk)

        assert f"{field_name} is" in named_by(cycle)
        assert Asset.objects.get(pk=symbol).tradable
        market.clear_faults()
