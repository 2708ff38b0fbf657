"""A cycle's page tells what happened: when, what was decided and why not traded, orders, and what went wrong."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests import factories as make
from trading.models import Cycle, Event

Login = Callable[..., Client]
MOST_QUERIES = 12


def url_of(cycle: Cycle) -> str:
    return reverse("admin:trading_cycle_change", args=[cycle.pk])


def told(cycle: Cycle, number: int, kind: str, **facts: object) -> None:
    """Write an event of the cycle, ``number`` seconds after its start."""
    event = make.make_event(
        aggregate_id=str(cycle.pk), cycle_id=cycle.pk, sequence=100 + number, type=kind, payload=facts
    )
    Event.objects.filter(pk=event.pk).update(occurred_at=cycle.started_at + timedelta(seconds=number))


def a_cycle() -> Cycle:
    """Ten seconds, six of them the analysis: one bought, two denied, one held; a provider failed twice."""
    started = timezone.now() - timedelta(minutes=1)
    error = {
        "operation": "quotes finnhub",
        "message": "429 too many requests",
        "type": "X",
        "symbol": "",
        "at": "",
    }
    cycle = make.make_cycle(
        started_at=started,
        ended_at=started + timedelta(seconds=10),
        symbols=["AAPL", "MSFT"],
        metrics={"decisions_count": 4, "skipped": {"low_confidence": 2}},
        errors=[error, error],
    )
    told(cycle, 2, "cycle.step.stocks", seconds=1.5, count=2, sources=["alpaca"], missing=[])
    told(cycle, 8, "cycle.step.analysis", seconds=6.0, decisions=4, buy=3, hold=1)
    strategy = make.make_strategy(name="Dips")
    call = make.make_model_call(
        cycle_id=cycle.pk, model="openai/gpt", started_at=started + timedelta(seconds=2), latency_ms=5500
    )
    check = make.make_risk_check(
        cycle_id=cycle.pk, reason="low_confidence", figures={"confidence": "0.66", "min_confidence": "0.7"}
    )
    bought = make.make_decision(cycle=cycle, strategy=strategy, status="executed", model_call=call)
    order = make.make_order(decision=bought, status="filled", filled_quantity=1, average_price=Decimal(101))
    make.make_trade(order=order)
    for symbol in ("MSFT", "BTC/USD"):
        make.make_decision(
            cycle=cycle,
            strategy=strategy,
            symbol=symbol,
            status="denied",
            reason="low_confidence",
            risk_check=check,
        )
    make.make_decision(
        cycle=cycle, strategy=strategy, symbol="KO", action="hold", status="held", reason="hold"
    )
    return cycle


def test_page_tells_steps_outcomes_orders_and_what_to_do(login: Login) -> None:
    page = login("viewer").get(url_of(a_cycle())).content.decode()

    for words in (
        "Slow: <b>Analysis</b> 6.0 s",
        "Dips · openai/gpt",
        "Decisions: 4",
        "3 buy, 0 sell, 1 hold",
        "<b>low confidence</b> 0.66 &lt; 0.70",
        "429 too many requests",
        "(2 times)",
        "The next source in the chain was asked.",
        "buy, entry",
        "Raw facts",
    ):
        assert words in page, words
    assert page.index("What it did when") < page.index("Orders and trades") < page.index("Raw facts")
    assert "reason=low_confidence" in page, "counts lead to their decisions"


def test_bars_stand_where_their_steps_were(login: Login) -> None:
    answer = login("viewer").get(url_of(a_cycle()))

    bars = {one.step.title: (round(one.left), round(one.width)) for one in answer.context["story"].steps}
    assert bars["Prices of stocks"] == (5, 15)
    assert bars["Analysis"] == (20, 60)
    assert bars["Dips · openai/gpt"] == (20, 55)


def test_cycle_that_the_switch_ended_says_what_to_do(login: Login) -> None:
    page = (
        login("viewer").get(url_of(make.make_cycle(status="aborted", reason="kill_switch"))).content.decode()
    )

    assert "Release the kill switch when its reason is gone" in page
    assert "None was made." in page


def test_queries_are_few_and_do_not_grow(login: Login) -> None:
    client, cycle = login("viewer"), a_cycle()
    client.get(url_of(cycle))
    with CaptureQueriesContext(connection) as few:
        client.get(url_of(cycle))
    strategy = make.make_strategy()
    for number in range(40):
        decision = make.make_decision(cycle=cycle, strategy=strategy, symbol=f"AA{number}", status="executed")
        make.make_trade(order=make.make_order(decision=decision, status="filled"))
        make.make_model_call(cycle_id=cycle.pk)

    with CaptureQueriesContext(connection) as many:
        client.get(url_of(cycle))

    assert len(few) == len(many) <= MOST_QUERIES, [query["sql"][:120] for query in many]


def test_search_finds_why_a_cycle_ended_and_who_started_it(login: Login) -> None:
    make.make_cycle(started_at=timezone.now() - timedelta(hours=1), ended_at=timezone.now(), mode="manual")
    make.make_cycle(status="aborted", reason="the broker was away", ended_at=timezone.now())
    make.make_cycle(started_by="berta", ended_at=timezone.now())
    client = login("viewer")
    url = reverse("admin:trading_cycle_changelist")

    shown = {
        words: [
            cycle.reason or cycle.started_by
            for cycle in client.get(url, {"q": words}).context["cl"].result_list
        ]
        for words in ("WAS away", "berta", "manual", "")
    }

    assert shown == {
        "WAS away": ["the broker was away"],
        "berta": ["berta"],
        "manual": [],
        "": ["berta", "the broker was away", ""],
    }
