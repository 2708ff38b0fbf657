"""The page that says how well it does: the same figures as the command's, by time and group, to take away."""

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

from tests.factories import make_equity
from tests.trading.performance.booked import traded
from trading.admin.holdings import performance_page
from trading.performance.comparison import begin_comparison

PAGE = reverse("admin:trading_equitysnapshot_performance")
Login = Callable[..., Client]


@pytest.fixture
def sessions(prepared: None) -> None:
    """An account at five closes, with a round trip."""
    for number, equity in enumerate((100_000, 101_000, 99_000, 102_000, 102_500)):
        moment = datetime(2026, 11, 2, 20, 30, tzinfo=UTC) + timedelta(days=number)
        make_equity(market_time=moment, equity=Decimal(equity), cash=Decimal(equity))
        if not number:
            begin_comparison()
    traded("buy", "2", "100")
    traded("sell", "2", "120")


@pytest.mark.usefixtures("sessions")
def test_page_shows_curve_months_groups_and_figures(login: Login) -> None:
    page = login("viewer").get(PAGE).content.decode()

    for words in ("+2,500.00", "Deepest fall", "-1.98 %", "2026", "10 % and more", "Total return"):
        assert words in page, words
    assert '"time": "2026-11-04", "value": 99000.0' in page


@pytest.mark.usefixtures("sessions")
@pytest.mark.parametrize("by", ["symbol", "exit", "holding", "confidence", "day"])
def test_each_group_has_its_rows(login: Login, by: str) -> None:
    page = login("viewer").get(PAGE, {"by": by}).content.decode()

    assert "What each came to" in page
    assert {"symbol": "AAPL", "holding": "below an hour", "day": "2026-11-02"}.get(by, "+40.00") in page


@pytest.mark.usefixtures("sessions")
def test_curve_and_rows_are_taken_away_as_files(login: Login) -> None:
    client = login("viewer")

    curve = client.get(PAGE, {"csv": "curve"})
    rows = client.get(PAGE, {"csv": "rows", "by": "symbol"})

    assert curve.headers["Content-Disposition"] == 'attachment; filename="performance-all-curve.csv"'
    read = list(csv.DictReader(io.StringIO(curve.content.decode())))
    assert [(row["day"], row["equity_usd"]) for row in read][2] == ("2026-11-04", "99000.00")
    assert read[2]["below_peak"] == f"{99 / 101 - 1:.6f}"
    assert next(csv.DictReader(io.StringIO(rows.content.decode())))["key"] == "AAPL"


@pytest.mark.usefixtures("sessions")
def test_page_shows_the_best_decisions_and_says_how_many_there_are(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    traded("buy", "1", "100", symbol="MSFT")
    traded("sell", "1", "101.25", symbol="MSFT")
    client = login("viewer")
    whole = client.get(PAGE, {"by": "decision"}).content.decode()
    monkeypatch.setattr(performance_page, "MOST_ROWS", 1)

    page = client.get(PAGE, {"by": "decision"}).content.decode()
    rows = client.get(PAGE, {"csv": "rows", "by": "decision"}).content.decode()

    assert ("buy AAPL" in page, "buy MSFT" in page) == (True, False)
    assert "1 of 2 are shown" in page
    assert "are shown" not in whole
    assert whole.index("buy AAPL") < whole.index("buy MSFT")
    assert [row["label"] for row in csv.DictReader(io.StringIO(rows))].count("buy MSFT") == 1


@pytest.mark.parametrize("asked", [{}, {"period": "day"}, {"period": "nonsense", "by": "-", "csv": "x"}])
def test_empty_system_and_odd_addresses_say_what_is_missing(login: Login, asked: dict[str, str]) -> None:
    answer = login("viewer").get(PAGE, asked)

    assert answer.status_code == 200
    assert "Nothing was traded in this time" in answer.content.decode()


def test_who_may_not_look_at_the_account_may_not_look_here(login: Login) -> None:
    assert login("nobody").get(PAGE).status_code in (302, 403)


@pytest.mark.usefixtures("sessions")
def test_queries_do_not_grow_with_the_sessions(login: Login) -> None:
    client = login("viewer")
    client.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        client.get(PAGE)
    for number in range(60):
        make_equity(market_time=datetime(2026, 7, 1, 15, tzinfo=UTC) + timedelta(days=number))
    with CaptureQueriesContext(connection) as many:
        client.get(PAGE)

    assert len(many) == len(few)
