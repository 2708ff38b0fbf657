"""A position's page says what it is worth, why it is held and what protects it; pages of rows are for people."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests import factories as make
from tests.trading.performance.booked import traded
from trading.models import Lot

Login = Callable[..., Client]
MOST_QUERIES = 12
OPENED = datetime(2026, 11, 2, 15, tzinfo=UTC)


def url_of(model: str, pk: object) -> str:
    return reverse(f"admin:trading_{model}_change", args=[pk])


def a_position(symbol: str = "AAPL") -> None:
    make.make_agent(market_time=OPENED + timedelta(hours=3), market_time_read_at=timezone.now())
    decision = make.make_decision(symbol=symbol, status="executed", reasoning="A dip in a rising trend.")
    traded("buy", "2", "100", symbol=symbol, decision=decision, at=OPENED)
    make.make_position(
        symbol, quantity=Decimal(2), market_value=Decimal(211), unrealised_pnl=Decimal(11), opened_at=OPENED,
        stop_price=Decimal(95), protected_by="broker",
    )  # fmt: skip
    make.make_snapshot(symbol=symbol, price=Decimal("105.5"))


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
def test_page_says_price_profit_time_thesis_and_what_opened_it(login: Login, symbol: str) -> None:
    a_position(symbol)
    client = login("viewer")
    address = client.get(reverse("admin:trading_position_changelist")).content.decode()

    page = client.get(
        reverse("admin:trading_position_change", args=[symbol.replace("/", "_2F")])
    ).content.decode()

    lot = Lot.objects.get()
    for words in (
        "105.50", "+5.50 %", "held for 3 h", "A dip in a rising trend.", "stop 95.00", "UTC market time",
        reverse("admin:trading_symbol", args=[symbol]), url_of("aidecision", lot.decision_id),
        url_of("order", lot.order_id),
    ):  # fmt: skip
        assert words in page, words
    assert "/change/" in address, "rows of the list are links"


def test_queries_are_few_and_do_not_grow(login: Login) -> None:
    client = login("viewer")
    a_position()
    client.get(url_of("position", "AAPL"))
    with CaptureQueriesContext(connection) as few:
        client.get(url_of("position", "AAPL"))
    for _ in range(20):
        traded("buy", "1", "100")
        make.make_order(status="accepted", purpose="entry")

    with CaptureQueriesContext(connection) as many:
        client.get(url_of("position", "AAPL"))

    assert len(few) == len(many) <= MOST_QUERIES, [query["sql"][:120] for query in many]


def test_record_is_shown_as_people_read_it(login: Login) -> None:
    client = login("viewer")
    order = make.make_order(quantity=Decimal("1.500000000"), reference_price=Decimal("39.680000000000"))

    page = client.get(url_of("order", order.pk)).content.decode()

    assert "39.68<" in page.replace(" ", "").replace("\n", "")
    assert "000000" not in page.split("content-main")[1].split("client_order_id")[0]
    assert url_of("cycle", order.cycle_id) in page
    assert reverse("admin:trading_order_history", args=[order.pk]) not in page, (
        "a fact has no history of changes"
    )


def test_stored_json_is_told_in_words_and_folded(login: Login) -> None:
    client = login("viewer")
    event = make.make_event(payload={"is_open": True, "skipped": {"hold": 90}, "price": "39.680000000000"})
    saga = make.make_saga()
    saga.steps.update(input={"client_order_id": "abc"}, result={"held": "0.000000000"})
    check = make.make_risk_check(
        reason="low_confidence", figures={"confidence": "0.66", "min_confidence": "0.7"}
    )
    call = make.make_model_call(prompt=[{"role": "user", "content": "first line\nsecond line"}])

    told = client.get(url_of("event", event.pk)).content.decode()
    steps = client.get(url_of("saga", saga.pk)).content.decode()
    checked = client.get(reverse("admin:risk_riskcheck_change", args=[check.pk])).content.decode()
    asked = client.get(reverse("admin:ai_modelcall_change", args=[call.pk])).content.decode()

    assert "39.68" in told
    assert "<details" in told
    assert "{&#x27;" not in told
    assert "client order id" in steps
    assert "0.000000000" not in steps
    assert "0.66 &lt; 0.70" in checked
    assert "reducing" not in checked.lower()
    assert "user:\nfirst line\nsecond line" in asked
