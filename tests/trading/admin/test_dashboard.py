"""The home page tells the truth at a glance: figures with their times, stale ones marked."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connectors.errors import UnavailableError
from tests import factories
from tests.venue_process import VenueProcess
from trading.admin.chart import line_chart
from trading.core.providers import current_providers
from trading.domain.statuses import CycleStatus, DecisionStatus, OrderStatus, SagaStatus
from trading.labels import COLOURS, colour_of
from trading.models import EquitySnapshot, SagaStep
from trading.queries import overview
from trading.templatetags import console as tags

INDEX = reverse("admin:index")


def test_login_page_opened_by_itself_leads_to_the_dashboard(prepared: None) -> None:
    user = factories.make_user(group="viewer")
    user.set_password("a long one")
    user.save()

    answer = Client().post(reverse("admin:login"), {"username": user.username, "password": "a long one"})

    assert (answer.status_code, answer.headers.get("Location")) == (302, INDEX)


def test_dashboard_of_an_empty_system_says_what_is_missing(login: Callable[..., Client]) -> None:
    page = login("viewer").get(INDEX).content.decode()

    for words in (
        "The account was never read",
        "No open positions",
        "No cycle has run yet",
        "unknown",
        "None.",
    ):
        assert words in page


def test_dashboard_shows_how_the_providers_stand(login: Callable[..., Client], venue: VenueProcess) -> None:
    venue.fault(kind="rate_limit", retry_after=60, route="*finnhub*")
    with suppress(UnavailableError):
        current_providers().stock_quotes[1].quotes(["ALSQ"])

    page = login("viewer").get(INDEX).content.decode()

    table = page[page.index('id="providers"') :]
    assert all(name in table for name in ("alpaca trading", "alpaca data", "finnhub", "coingecko"))
    assert '<b class="tc-loss">paused</b> until' in table
    assert "1 of 60" in table


def test_dashboard_without_a_world_says_why_no_provider_is_shown(login: Callable[..., Client]) -> None:
    assert "the local venue does not run" in login("viewer").get(INDEX).content.decode()


def test_decisions_page_shows_what_was_doubtful_about_its_price(login: Callable[..., Client]) -> None:
    decision = factories.make_decision(price_warning="alpaca says 1, coingecko 2")
    factories.make_snapshot(cycle=decision.cycle, symbol=decision.symbol)

    page = login("viewer").get(reverse("admin:trading_aidecision_change", args=[decision.pk]))

    assert '<p class="tc-loss" role="alert">alpaca says 1, coingecko 2</p>' in page.content.decode()


def test_dashboard_says_that_prices_are_simulated_and_who_decides(login: Callable[..., Client]) -> None:
    factories.make_agent(world="synthetic market of seed 7")

    page = login("viewer").get(INDEX).content.decode()

    assert "SIMULATED" in page
    assert "local venue, synthetic prices" in page
    assert "built-in technical analyst (not a language model)" in page


@pytest.mark.parametrize("simulated", [True, False])
def test_every_profit_of_a_replay_says_that_days_are_drawn(
    login: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, simulated: bool
) -> None:
    """At a real account nothing is drawn, and nothing is said."""
    environment = settings.ENVIRONMENT.model_copy(update={} if simulated else {"alpaca_api_key": "key"})
    monkeypatch.setattr(settings, "ENVIRONMENT", environment)
    agent = factories.make_agent()
    factories.make_equity()
    position = factories.make_position()
    decision = factories.make_decision(status="executed")
    order = factories.make_order(decision=decision, status="filled", side="sell", purpose="exit")
    trade = factories.make_trade(order=order, realised_pnl=Decimal(5))
    rows = {"position": position, "trade": trade, "agentstatus": agent}
    lists = [reverse(f"admin:trading_{name}_changelist") for name in rows]
    pages = [reverse(f"admin:trading_{name}_change", args=[row.pk]) for name, row in rows.items()]

    for url in (INDEX, *lists, *pages, reverse("admin:trading_aidecision_change", args=[decision.pk])):
        page = login("viewer").get(url).content.decode()
        assert ("inside a day are drawn" in page) == simulated, url


def test_replayed_real_prices_are_called_so(prepared: None) -> None:
    factories.make_agent(world="replay of marketdata")

    assert overview.agent_standing().world == "local venue, replayed real prices"


def test_dashboard_shows_money_exposure_positions_cycles_and_decisions(login: Callable[..., Client]) -> None:
    factories.make_agent(market_time=timezone.now(), market_time_read_at=timezone.now(), market_open=True)
    factories.make_equity(equity=Decimal("100250.5"), created_at=timezone.now() - timedelta(minutes=1))
    factories.make_equity(equity=Decimal(100_500), session_start_equity=Decimal(100_000))
    factories.make_position("NVDA", market_value=Decimal(20_100), unrealised_pnl=Decimal("-12.5"))
    cycle = factories.make_cycle(
        metrics={"decisions_count": 140, "trades_count": 3, "decisions_by_status": {"held": 137}}
    )
    factories.make_decision(cycle=cycle, symbol="TSLA", status="executed")
    factories.make_decision(cycle=cycle, symbol="NKE", status="denied", reason="stale_price")

    page = login("viewer").get(INDEX).content.decode()

    assert "NKE" not in page  # one of a cycle's many denials is no news
    for words in (
        "100,500.00",
        "+500.00",
        "20.0 %",
        "NVDA",
        "-12.50",
        "broker live",
        "140",
        "TSLA",
    ):
        assert words in page
    assert "stocks open" in page
    assert "<polyline" in page
    assert "tc-stale" not in page


def test_stale_figures_are_marked(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-24: what is old is never shown as if it were live."""
    old = timezone.now() - timedelta(minutes=6)
    factories.make_equity(created_at=old)
    factories.make_position("NVDA", synced_at=old)

    page = login("viewer").get(INDEX).content.decode()

    assert page.count('<span class="tc-stale">stale</span>') >= 3
    assert "6 min ago" in page


def test_stale_position_is_marked_in_its_list(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-24: the list of positions marks them as well."""
    factories.make_position("NVDA", synced_at=timezone.now() - timedelta(minutes=6))
    factories.make_position("TSLA")

    rows = login("viewer").get(reverse("admin:trading_position_changelist"))

    model_admin = rows.context["cl"].model_admin
    said = {p.symbol: model_admin.freshness(p) for p in rows.context["cl"].result_list}
    assert said == {"NVDA": "stale", "TSLA": "live"}


def test_market_time_that_is_not_known_is_not_invented(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-24: a clock that was not read for five minutes is unknown."""
    read = timezone.now() - timedelta(minutes=6)
    factories.make_agent(market_time=read, market_time_read_at=read, market_open=True)

    page = login("viewer").get(INDEX).content.decode()

    assert "unknown" in page
    assert "stocks open" not in page


def test_unrealised_profit_is_shown_for_open_positions(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-15: open positions have their profit or loss."""
    factories.make_position("NVDA", unrealised_pnl=Decimal("34.56"))

    assert "+34.56" in login("viewer").get(INDEX).content.decode()


def test_problems_in_the_same_words_are_one_line(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-13: what failed on the way is told."""
    error = {
        "operation": "fetch_stocks",
        "symbol": "",
        "message": "HTTP 500",
        "at": "2026-11-22T19:00:00+00:00",
    }
    factories.make_cycle(errors=[error, error, error | {"operation": "fetch_news"}])
    factories.make_cycle(
        status="aborted", reason="deadline", started_at=timezone.now() - timedelta(minutes=1)
    )

    seen = overview.overview().problems

    assert [(p.operation, p.count, p.message) for p in seen] == [
        ("fetch_news", 1, "HTTP 500"),
        ("fetch_stocks", 2, "HTTP 500"),
        ("cycle aborted", 1, "deadline"),
    ]
    assert "(2 times)" in login("viewer").get(INDEX).content.decode()


def test_dashboard_costs_the_same_whatever_the_tables_hold(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-11: no query per row on the home page."""
    client = login("viewer")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(INDEX).status_code == 200
        return len(captured)

    def fill(start: int, end: int) -> None:
        for n in range(start, end):
            factories.make_decision(cycle=factories.make_cycle())
            factories.make_position(f"AA{n}")
            factories.make_equity()

    fill(0, 2)
    queries()
    few = queries()
    fill(2, 30)

    assert queries() == few
    assert few <= 27  # two of them the verdict's tile, which another room fills


def test_approvals_that_wait_are_counted_in_the_navigation(login: Callable[..., Client]) -> None:
    client = login("viewer")
    assert "tc-badge" not in client.get(INDEX).content.decode()

    factories.make_approval()

    assert '<span class="tc-badge">1</span>' in client.get(INDEX).content.decode()


@pytest.mark.parametrize("words", [CycleStatus, DecisionStatus, OrderStatus, SagaStatus, SagaStep.Status])
def test_every_status_has_a_colour(words: type[CycleStatus]) -> None:
    assert {word.value for word in words} <= set(COLOURS)


def test_colours_are_the_owners() -> None:
    said = {word: colour_of(word) for word in ("completed", "pending", "skipped", "failed", "no such word")}

    assert said == {
        "completed": "success",
        "pending": "warning",
        "skipped": "default",
        "failed": "danger",
        "no such word": "default",
    }


def test_chart_spans_time_and_values() -> None:
    start = timezone.now()
    points = [
        (start, Decimal(100)),
        (start + timedelta(seconds=30), Decimal(90)),
        (start + timedelta(seconds=60), Decimal(110)),
    ]

    chart = line_chart(points)

    assert chart is not None
    assert chart.line == "0.0,60.0 320.0,114.0 640.0,6.0"
    assert (chart.lowest, chart.highest) == (Decimal(90), Decimal(110))


@pytest.mark.parametrize("count", [0, 1])
def test_chart_needs_two_points(count: int) -> None:
    assert line_chart([(timezone.now(), Decimal(1))] * count) is None


def test_flat_line_is_drawn() -> None:
    start = timezone.now()

    chart = line_chart([(start, Decimal(5)), (start + timedelta(seconds=1), Decimal(5))])

    assert chart is not None
    assert chart.line == "0.0,114.0 640.0,114.0"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (tags.money(None), "-"),
        (tags.money(Decimal("1234567.891")), "1,234,567.89"),
        (tags.signed(Decimal("0.001")), "0.00"),
        (tags.signed(Decimal("-3.456")), "-3.46"),
        (tags.quantity(Decimal("20.000000000")), "20"),
        (tags.quantity(Decimal("1500.50")), "1,500.5"),
        (tags.price(Decimal("0.000012345678")), "0.00001235"),
        (tags.price(Decimal("11316.48")), "11,316.48"),
        (tags.seconds(7.91), "7.9 s"),
        (tags.seconds(185), "3 min 5 s"),
        (tags.age(None), "never"),
        (tags.percent(None), "-"),
    ],
)
def test_figures_are_written_plainly(shown: str, expected: str) -> None:
    assert shown == expected


def test_curve_is_the_newest_readings_in_order(prepared: None) -> None:
    start = timezone.now() - timedelta(hours=1)
    for n in range(3):
        factories.make_equity(equity=Decimal(100 + n), created_at=start + timedelta(minutes=n))

    curve = overview.overview().curve

    assert [value for _, value in curve] == [100, 101, 102]
    assert EquitySnapshot.objects.count() == 3
