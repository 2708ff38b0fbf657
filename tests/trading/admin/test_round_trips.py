"""Round trips: what each came to in USD, percent and R, filtered, summed up and taken away as it is filtered."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import factories as make
from tests.trading.performance.booked import traded
from trading.models import RoundTrip
from trading.queries.pages.round_trips import totals_of, with_outcome

Login = Callable[..., Client]
PAGE = reverse("admin:trading_roundtrip_changelist")
FILE = reverse("list_csv", args=["trading", "roundtrip"])
OPENED = datetime(2026, 11, 2, 15, tzinfo=UTC)
MOST_QUERIES = 12


@pytest.fixture
def two_trips(prepared: None) -> None:
    """AAPL: 100 to 120 with a stop at 95 (4 R), seen at 99 and 121; KO, a month before: 100 to 90, no decision."""
    seen = make.make_decision(
        price=Decimal(99),
        status="executed",
        strategy=make.make_strategy(name="Dips"),
        stop_percent=Decimal(5),
    )
    sold = make.make_decision(price=Decimal(121), action="sell", status="executed")
    traded("buy", "2", "100", decision=seen, at=OPENED)
    traded("sell", "2", "120", decision=sold, at=OPENED + timedelta(hours=2))
    make.make_round_trip(
        symbol="KO", cost=Decimal(100), proceeds=Decimal(90), realised_pnl=Decimal(-10), exit_reason="stop_loss",
        opened_at=OPENED - timedelta(days=31), closed_at=OPENED - timedelta(days=30), number=77,
    )  # fmt: skip
    make.make_equity(market_time=OPENED + timedelta(hours=3))


@pytest.mark.usefixtures("two_trips")
def test_each_has_percent_r_slippage_and_time() -> None:
    won, lost = with_outcome(RoundTrip.objects.order_by("-closed_at"))

    assert (won.percent, won.r_multiple) == (20, 4)  # type: ignore[attr-defined]  # of the query
    assert won.slippage_bps == round(Decimal(2) / Decimal(220) * 10_000, 4)  # type: ignore[attr-defined]
    assert won.held_for == timedelta(hours=2)  # type: ignore[attr-defined]
    assert (lost.percent, lost.r_multiple, lost.slippage_bps) == (-10, None, None)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("two_trips")
def test_totals_are_of_all_that_is_asked_for() -> None:
    totals = totals_of(with_outcome(RoundTrip.objects.all()))
    nothing = totals_of(with_outcome(RoundTrip.objects.none()))

    assert (totals.count, totals.won, totals.lost, totals.earned, totals.mean_r, totals.n_r) == (
        2,
        1,
        1,
        30,
        4,
        1,
    )
    assert totals.percent == 10
    assert (nothing.count, nothing.percent, nothing.won_percent, nothing.mean_r) == (0, None, None, None)


@pytest.mark.usefixtures("two_trips")
@pytest.mark.parametrize(
    ("asked", "symbols"),
    [
        ({}, ["AAPL", "KO"]),
        ({"result": "won"}, ["AAPL"]),
        ({"result": "lost"}, ["KO"]),
        ({"exit_reason__exact": "stop_loss"}, ["KO"]),
        ({"days": "7"}, ["AAPL"]),
        ({"symbol__icontains": "ko"}, ["KO"]),
        ({"q": "aapl"}, ["AAPL"]),
        ({"result": "nonsense", "days": "x"}, ["AAPL", "KO"]),
    ],
)
def test_filters_totals_and_file_go_together(login: Login, asked: dict[str, str], symbols: list[str]) -> None:
    client = login("viewer")

    page = client.get(PAGE, asked)
    file = list(csv.DictReader(io.StringIO(client.get(FILE, asked).content.decode())))

    assert [row.symbol for row in page.context["cl"].result_list] == symbols
    assert [row["symbol"] for row in file] == symbols
    assert page.context["totals"].count == len(symbols)
    assert ("of what is filtered" in page.content.decode()) is bool(asked)


@pytest.mark.usefixtures("two_trips")
def test_file_has_plain_numbers_and_zones(login: Login) -> None:
    row = next(iter(csv.DictReader(io.StringIO(login("viewer").get(FILE).content.decode()))))

    assert (row["earned, USD"], row["of its cost"], row["R"]) == ("40", "20", "4")
    assert row["closed (market time)"] == "2026-11-02T17:00:00.000000+00:00".replace(".000000", "")


@pytest.mark.usefixtures("two_trips")
def test_both_decisions_are_links_and_queries_do_not_grow(login: Login) -> None:
    client = login("viewer")
    trip = RoundTrip.objects.get(symbol="AAPL")
    page = client.get(PAGE).content.decode()
    for pk in (trip.entry_decision_id, trip.exit_decision_id):
        assert reverse("admin:trading_aidecision_change", args=[pk]) in page
    with CaptureQueriesContext(connection) as few:
        client.get(PAGE)
    for number in range(40):
        make.make_round_trip(number=100 + number)

    with CaptureQueriesContext(connection) as many:
        client.get(PAGE)

    assert len(few) == len(many) <= MOST_QUERIES, [query["sql"][:120] for query in many]
