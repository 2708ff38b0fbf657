"""The best that fit: ticked by the queue's own order, as many as were asked for, and never what the gate would deny."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import (
    make_agent,
    make_approval,
    make_asset,
    make_cycle,
    make_decision,
    make_equity,
    make_position,
    make_snapshot,
    make_strategy,
)
from tests.trading.scenes import ago
from trading.admin.hands.picking import CARDS_A_PAGE
from trading.models import Approval

QUEUE = reverse("admin:trading_approval_queue")
Login = Callable[..., Client]


@pytest.fixture
def requests(prepared: None) -> None:
    """Four requests that pass alone, with room for two of them together; the surest has no price."""
    make_agent(mode="semi_auto", market_time=ago(), market_time_read_at=ago(), market_open=True)
    make_equity()  # 100,000 USD
    make_position("TSLA", market_value=Decimal(44_000))
    cycle = make_cycle()
    for minutes, (symbol, confidence, percent) in enumerate(
        (
            ("AAPL", "0.8", 3),
            ("MSFT", "0.9", 2),
            ("NVDA", "0.85", 1),
            ("ORCL", "0.99", 3),
            ("PYPL", "0.75", 4),
        )
    ):
        make_asset(symbol)
        if symbol != "ORCL":
            make_snapshot(cycle=cycle, symbol=symbol, price=Decimal(100), quoted_at=ago())
        decision = make_decision(
            cycle=cycle, symbol=symbol, status="awaiting_approval", confidence=Decimal(confidence),
            strategy=make_strategy(size_percent=percent),
        )  # fmt: skip
        make_approval(decision=decision, expires_at=ago(minutes=-minutes - 5))


def ticked(client: Client, **asked: str) -> list[str]:
    """Return what is ticked, in the order of the page, which has it first."""
    picked = client.get(QUEUE, asked).context["picked"].approvals
    shown = [line.approval for line in client.get(QUEUE, asked).context["queue"]]
    assert tuple(row.pk for row in shown[: len(picked)]) == picked
    return [row.decision.symbol for row in shown[: len(picked)]]


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize(
    ("sort", "expected"),
    [("urgency", ["AAPL", "MSFT"]), ("confidence", ["MSFT", "NVDA"]), ("size", ["PYPL", "AAPL"])],
)
def test_first_that_fit_by_the_queues_order_are_ticked(login: Login, sort: str, expected: list[str]) -> None:
    assert ticked(login("operator"), sort=sort, best="2") == expected


@pytest.mark.usefixtures("requests")
def test_page_without_a_script_has_ticks_sum_and_buttons(login: Login) -> None:
    page = login("operator").get(QUEUE, {"sort": "confidence", "best": "2"}).content.decode()
    shown = " ".join(page.split())

    assert page.count(" checked ") == 2
    assert "<b>2 of 2</b> fit the limits" in shown
    assert 'value="approve" data-several>' in page
    assert f"?next={QUEUE}%3Fsort%3Dconfidence" in page  # an answer leads back to a queue with nothing ticked


@pytest.mark.usefixtures("requests")
def test_fewer_fit_than_were_asked_for_is_said(login: Login) -> None:
    client = login("operator")

    assert "Only 3 fit" in client.get(QUEUE, {"sort": "confidence", "best": "5"}).content.decode()
    Approval.objects.exclude(decision__symbol="ORCL").update(status="expired", answered_at=ago())
    assert "None fits the limits now" in client.get(QUEUE, {"best": "1"}).content.decode()


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize("asked", ["0", "-1", "x", "", "2.5", str(CARDS_A_PAGE + 1), "٣", "9" * 30, "00030"])
def test_what_is_no_number_of_requests_is_said(login: Login, asked: str) -> None:
    answer = login("operator").get(QUEUE, {"best": asked})

    assert f"expected a whole number from 1 to {CARDS_A_PAGE}" in answer.content.decode()
    assert answer.context["picked"].approvals == ()


@pytest.mark.usefixtures("requests")
def test_who_may_not_answer_has_nothing_ticked(login: Login) -> None:
    page = login("viewer").get(QUEUE, {"best": "2"})

    assert page.context["picked"].approvals == ()
    assert 'id="best"' not in page.content.decode()


def test_ticked_ones_of_a_later_page_come_to_the_first(login: Login, requests: None) -> None:
    for number in range(CARDS_A_PAGE):  # more urgent than all that fit
        decision = make_decision(symbol=f"ZZ{number}", status="awaiting_approval")
        make_approval(decision=decision, expires_at=ago(minutes=-1))
    client = login("operator")
    assert client.get(QUEUE).context["page"].paginator.num_pages == 2

    assert ticked(client, best="2") == ["AAPL", "MSFT"]
    first = {line.approval.pk for line in client.get(QUEUE, {"best": "2"}).context["queue"]}
    second = {line.approval.pk for line in client.get(QUEUE, {"best": "2", "page": "2"}).context["queue"]}
    assert len(first | second) == Approval.objects.count()
