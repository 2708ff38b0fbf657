"""The approval queue and the way of a stored decision to execution: what is shown, asked and said."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from kombu.exceptions import OperationalError
from uuid6 import uuid7

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
    make_user,
)
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change, wish
from trading.models import AIDecision, Approval, BarHistory, Order
from trading.tasks import risk_and_execute

QUEUE = reverse("admin:trading_approval_queue")
ANSWERS = reverse("admin:trading_approval_answers")
SUM = reverse("admin:trading_approval_sum")


def answer_url(approval: Approval) -> str:
    return reverse("admin:trading_approval_answer", args=[approval.pk])


def send_url(decision: AIDecision) -> str:
    return reverse("admin:trading_aidecision_send", args=[decision.pk])


def page_url(decision: AIDecision) -> str:
    return reverse("admin:trading_aidecision_change", args=[decision.pk])


def said(client: Client, url: str = QUEUE) -> list[str]:
    return [str(message) for message in client.get(url).context["messages"]]


def waiting(symbol: str = STOCK, **overrides: Any) -> Approval:
    return make_approval(decision=wish(symbol, status="awaiting_approval", **overrides))


def test_queue_shows_reasons_prices_the_gates_answer_and_the_time_left(login: Callable[..., Client]) -> None:
    make_agent(market_time=ago(), market_time_read_at=ago(), market_open=True)
    make_equity()
    make_asset("NVDA")
    make_position("TSLA", market_value=Decimal(45_000))
    decision = make_decision(symbol="NVDA", status="awaiting_approval", reasoning="Momentum is up.")
    make_snapshot(cycle=decision.cycle, symbol="NVDA", price=Decimal("102"), quoted_at=ago())
    approval = make_approval(decision=decision)

    page = login("operator").get(QUEUE)

    shown = page.content.decode()
    assert "Momentum is up." in shown
    assert "100.00 → <b>102.00</b>" in shown
    assert "+2.00 %" in shown
    assert "3,000.00 USD" in shown or "2,999.99 USD" in shown
    assert "Closest limit: exposure, <b>4.0 %</b> left (2,000.00 USD of 50,000.00 USD)" in shown
    (line,) = page.context["queue"]
    assert line.approval == approval
    assert 590 <= line.seconds_left <= 600
    assert f'data-seconds-left="{line.seconds_left}"' in shown


def test_gate_would_deny_is_shown_with_its_reason(login: Callable[..., Client]) -> None:
    make_approval(decision=make_decision(symbol="NVDA", status="awaiting_approval"))

    page = login("viewer").get(QUEUE).content.decode()

    assert "market closed" in page
    assert "No price of it is stored." in page


def test_preview_reserves_and_stores_nothing(login: Callable[..., Client]) -> None:
    make_approval()

    with CaptureQueriesContext(connection) as captured:
        login("viewer").get(QUEUE)

    written = [
        q["sql"] for q in captured if q["sql"].startswith(("INSERT", "UPDATE")) and "risk_" in q["sql"]
    ]
    assert written == []


def test_queue_leaves_out_what_is_over_and_the_most_urgent_stands_first(
    login: Callable[..., Client],
) -> None:
    late, soon = make_approval(expires_at=ago(seconds=-500)), make_approval(expires_at=ago(seconds=-100))
    make_approval(expires_at=ago(seconds=1))
    make_approval(status="granted")

    page = login("viewer").get(QUEUE)

    assert [line.approval for line in page.context["queue"]] == [soon, late]


def test_queue_is_sorted_by_confidence_and_by_the_size_the_gate_gives(login: Callable[..., Client]) -> None:
    make_agent(market_time=ago(), market_time_read_at=ago(), market_open=True)
    make_equity()
    cycle = make_cycle()
    requests = {}
    for symbol, confidence, percent in (("AAPL", "0.8", 1), ("MSFT", "0.9", 2), ("NVDA", "0.75", 3)):
        make_asset(symbol)
        make_snapshot(cycle=cycle, symbol=symbol, price=Decimal(100), quoted_at=ago())
        decision = make_decision(
            cycle=cycle, symbol=symbol, status="awaiting_approval", confidence=Decimal(confidence),
            strategy=make_strategy(size_percent=percent),
        )  # fmt: skip
        requests[symbol] = make_approval(decision=decision)
    client = login("viewer")

    def order(sort: str) -> list[str]:
        lines = client.get(QUEUE, {"sort": sort}).context["queue"]
        return [line.approval.decision.symbol for line in lines]

    assert order("confidence") == ["MSFT", "AAPL", "NVDA"]
    assert order("size") == ["NVDA", "MSFT", "AAPL"]
    assert order("nonsense") == ["AAPL", "MSFT", "NVDA"]


def test_card_shows_what_one_wants_to_know(login: Callable[..., Client]) -> None:
    headline = {
        "symbols": ["NVDA"],
        "title": "Chips are up",
        "source": "Wire",
        "published_at": "2020-10-15T13:00",
    }
    cycle = make_cycle(headlines=[headline, headline | {"symbols": ["AAPL"], "title": "Phones"}])
    earlier = make_decision(symbol="NVDA", status="rejected")
    make_approval(
        decision=earlier,
        status="rejected",
        answered_by=make_user("ann"),
        answered_at=ago(hours=2),
        reason="Too thin.",
    )
    decision = make_decision(cycle=cycle, symbol="NVDA", status="awaiting_approval")
    make_snapshot(cycle=cycle, symbol="NVDA", indicators={"rsi_14": 61.25})
    BarHistory.objects.create(
        symbol="NVDA", market_date=ago().date(), fetched_at=ago(),
        bars=[[f"2020-10-{day:02}T04:00:00+00:00", "1", "1", "1", str(day), "9"] for day in range(1, 15)],
    )  # fmt: skip
    make_approval(decision=decision)

    page = login("operator").get(QUEUE)

    shown = page.content.decode()
    (line,) = page.context["queue"]
    assert len(line.surroundings.closes) == 14
    assert "Daily closes of NVDA from 2020-10-01 to 2020-10-14, 1.00 to 14.00 USD" in shown
    assert "RSI of 14 days 61.25" in shown
    assert "Chips are up" in shown
    assert "Phones" not in shown
    assert "buy rejected by ann 2 h ago (“Too thin.”)" in shown


def test_queue_asks_as_many_queries_for_many_as_for_one(login: Callable[..., Client]) -> None:
    client = login("operator")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(QUEUE).status_code == 200
        return len(captured)

    make_approval()
    queries()
    few = queries()
    for _ in range(12):
        make_approval()

    assert queries() == few


def test_answer_leads_back_to_the_page_and_the_next_card(
    login: Callable[..., Client], market: Outside, queue: Any
) -> None:
    first, second = waiting(), waiting(OTHER_STOCK)
    client = login("operator")
    here = f"{QUEUE}?sort=confidence&page=1"
    (card, after) = client.get(here).context["cards"]
    assert (card.place, after.place) == (after.line.approval.pk, card.line.approval.pk)
    url = f"{answer_url(first)}?next={quote(here)}"

    kept = client.post(url, {"answer": "reject", "reason": "", "place": str(second.pk)})
    gone = client.post(url, {"answer": "reject", "reason": "no", "place": str(second.pk)})
    odd = client.post(f"{answer_url(second)}?next=https://example.com", {"answer": "reject", "place": "x"})

    assert kept["Location"] == f"{here}#approval-{first.pk}"
    assert gone["Location"] == f"{here}#approval-{second.pk}"
    assert odd["Location"] == f"{QUEUE}#approval-{second.pk}"


def test_selected_are_summed_up_in_their_turn_and_how_many_fit(login: Callable[..., Client]) -> None:
    make_agent(market_time=ago(), market_time_read_at=ago(), market_open=True)
    make_equity()  # 100,000 USD
    make_position("TSLA", market_value=Decimal(45_000))
    cycle, requests = make_cycle(), []
    for symbol, confidence in (("AAPL", "0.8"), ("MSFT", "0.9"), ("NVDA", "0.85")):
        make_asset(symbol)
        make_snapshot(cycle=cycle, symbol=symbol, price=Decimal(100), quoted_at=ago())
        decision = make_decision(
            cycle=cycle, symbol=symbol, status="awaiting_approval", confidence=Decimal(confidence)
        )
        requests.append(make_approval(decision=decision))
    client = login("operator")
    chosen = {"approval": [str(row.pk) for row in requests]}

    told = " ".join(client.get(SUM, chosen).content.decode().split())
    nothing = client.get(SUM).content.decode().strip()
    confirmed = client.post(ANSWERS, chosen | {"answer": "approve"})

    assert "<b>2 of 3</b> fit the limits" in told
    assert "Exposure after it: <b>50.0 %</b> of equity, the limit is 50.0 %" in told
    assert nothing == ""
    lines = confirmed.context["queue"]
    assert [line.approval.decision.symbol for line, _ in lines] == ["MSFT", "NVDA", "AAPL"]
    assert [verdict.allowed for _, verdict in lines] == [True, True, False]
    assert all(line.preview.verdict.allowed for line, _ in lines)


def test_decisions_page_takes_the_answer(login: Callable[..., Client], market: Outside, queue: Any) -> None:
    approval = waiting(reasoning="Momentum is up.")
    client, page = login("operator"), page_url(approval.decision)
    shown = client.get(page).content.decode()
    assert f"{answer_url(approval)}?next={page}" in shown
    assert 'name="answer"' not in login("viewer").get(page).content.decode()

    answered = client.post(f"{answer_url(approval)}?next={page}", {"answer": "reject", "reason": "no"})

    assert answered["Location"] == page
    assert said(client, page) == [f"buy {STOCK}: rejected."]


def test_rejection_says_for_how_many_hours_and_the_decisions_page_tells(login: Callable[..., Client]) -> None:
    approval = make_approval()
    client, page = login("operator"), page_url(approval.decision)
    rejects = {"answer": "reject", "reason": "no"}

    client.post(answer_url(approval), rejects | {"hold_hours": "two"})
    assert said(client) == ["AAPL: hold_hours: expected a whole number from 0 to 720, or nothing"]
    client.post(answer_url(approval), rejects | {"hold_hours": "48"})

    approval.refresh_from_db()
    assert approval.status == "rejected"
    assert approval.held_until == approval.answered_at + timedelta(hours=48)
    assert "The same is not asked again before" in client.get(page).content.decode()


def test_address_of_an_answer_that_a_login_leads_to_says_that_nothing_was_done(
    login: Callable[..., Client],
) -> None:
    """The session ended, then the answer: the login leads by GET to what only takes answers, no dead end."""
    client, approval = login("operator"), make_approval()

    for url in (answer_url(approval), ANSWERS):
        assert client.get(url)["Location"] == QUEUE
        assert said(client) == ["Nothing was done: the answer did not arrive. Give it again here."]

    approval.refresh_from_db()
    assert approval.status == "requested"


def test_hours_beside_an_approval_say_nothing(login: Callable[..., Client]) -> None:
    """A person who typed them and then approves is not refused; there is no price here."""
    client, approval = login("operator"), make_approval()

    client.post(answer_url(approval), {"answer": "approve", "hold_hours": "5"})

    assert "nothing was done, there is no price of now" in said(client)[0]


@pytest.mark.django_db(transaction=True)
def test_approved_decision_is_ordered_and_the_gates_answer_is_said(
    login: Callable[..., Client], market: Outside, queue: Any
) -> None:
    client = login("operator")
    approval = waiting()

    client.post(answer_url(approval), {"answer": "approve", "reason": ""})

    decision = AIDecision.objects.get(pk=approval.decision_id)
    assert (decision.status, decision.approved) == ("executing", True)
    (line,) = said(client)
    assert line.startswith(f"buy {STOCK}: approved, and the risk gate let it pass: ")
    assert Order.objects.get().status == "created"
    assert b"trading.risk_and_execute" in b"".join(queue.lrange("orders", 0, -1))


def test_denial_by_the_gate_is_said_with_its_reason(
    login: Callable[..., Client], market: Outside, queue: Any
) -> None:
    client = login("operator")
    approval = waiting()
    make_agent(trading_state="reducing")

    client.post(answer_url(approval), {"answer": "approve"})

    (line,) = said(client)
    assert "approved, but the risk gate denied it" in line
    assert line.endswith("trading state reducing.")
    assert (queue.llen("orders"), queue.llen("default")) == (0, 0)


def test_without_a_price_the_person_is_told_and_nothing_changes(login: Callable[..., Client]) -> None:
    """There is no venue in this test: nobody can be asked for a price."""
    client = login("operator")
    approval = make_approval()

    client.post(answer_url(approval), {"answer": "approve"})

    assert "nothing was done, there is no price of now" in said(client)[0]
    approval.refresh_from_db()
    assert approval.status == "requested"


@pytest.mark.django_db(transaction=True)
def test_order_stands_when_the_queue_cannot_be_reached(
    login: Callable[..., Client], market: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is committed; the sweeper reads the database and finds its saga."""
    client = login("operator")
    approval = waiting()
    gone = OperationalError("no queue here")
    monkeypatch.setattr(risk_and_execute, "delay", Mock(side_effect=gone))  # the edge of the process

    client.post(answer_url(approval), {"answer": "approve"})

    assert Order.objects.count() == 1
    assert any("the sweeper takes it up" in line for line in said(client))


def test_rejection_needs_its_reason(login: Callable[..., Client]) -> None:
    client = login("operator")
    approval = make_approval()

    client.post(answer_url(approval), {"answer": "reject", "reason": "  "})
    assert said(client) == ["AAPL: reason: was empty, expected why the decision is rejected"]
    assert AIDecision.objects.get().status == "awaiting_approval"

    client.post(answer_url(approval), {"answer": "reject", "reason": "earnings tonight"})
    approval.refresh_from_db()
    assert (approval.status, approval.reason) == ("rejected", "earnings tonight")
    assert AIDecision.objects.get().status == "rejected"


def test_second_answer_changes_nothing_and_says_who_was_first(login: Callable[..., Client]) -> None:
    first, second = login("operator"), login("risk officer")
    approval = make_approval()
    first.post(answer_url(approval), {"answer": "reject", "reason": "too hot"})
    name = first.get(QUEUE).context["user"].username

    second.post(answer_url(approval), {"answer": "approve"})

    approval.refresh_from_db()
    assert approval.status == "rejected"
    assert said(second)[0].startswith(f"buy AAPL: nothing was done, {name} rejected it at ")


def test_expired_request_cannot_be_granted(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-31."""
    client = login("operator")
    approval = make_approval(expires_at=ago(seconds=1))

    client.post(answer_url(approval), {"answer": "approve"})

    assert "nothing was done, it expired at" in said(client)[0]
    assert not Order.objects.exists()


@pytest.mark.parametrize("posted", [{}, {"answer": "maybe"}])
def test_answer_that_is_none_is_refused(posted: dict[str, str], login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-3: an action outside the words there are does nothing."""
    client = login("operator")
    approval = make_approval()

    client.post(answer_url(approval), posted)

    assert "expected approve or reject" in said(client)[0]
    assert AIDecision.objects.get().status == "awaiting_approval"


def test_several_are_approved_after_a_confirmation(
    login: Callable[..., Client], market: Outside, queue: Any
) -> None:
    client = login("operator")
    chosen = [str(waiting().pk), str(waiting(OTHER_STOCK).pk)]

    shown = client.post(ANSWERS, {"answer": "approve", "approval": chosen})
    assert "You are about to approve 2 decisions" in shown.content.decode()
    assert not Order.objects.exists()

    client.post(ANSWERS, {"answer": "approve", "approval": chosen, "confirmed": "on"})
    assert Order.objects.count() == 2
    assert len(said(client)) == 2


def test_several_are_rejected_with_one_reason(login: Callable[..., Client]) -> None:
    client = login("operator")
    chosen = [str(make_approval().pk) for _ in range(3)]

    client.post(ANSWERS, {"answer": "reject", "approval": chosen, "reason": "not today"})

    assert set(Approval.objects.values_list("status", "reason")) == {("rejected", "not today")}


@pytest.mark.parametrize(
    ("posted", "expected"),
    [
        ({"answer": "approve"}, "approval: none was selected"),
        ({"answer": "approve", "approval": "x"}, "approval: “x” is not a valid UUID"),
        ({"answer": "approve", "approval": str(uuid7())}, "is no approval"),
    ],
)
def test_selection_that_is_none_is_refused(
    posted: dict[str, str], expected: str, login: Callable[..., Client]
) -> None:
    """docs/lessons.md#lesson-5: what is posted is validated."""
    client = login("operator")

    client.post(ANSWERS, posted)

    assert expected in said(client)[0]


def stored(symbol: str = STOCK, **overrides: Any) -> AIDecision:
    return wish(symbol, status="stored", reason="mode_manual", **overrides)


def test_stored_decision_is_sent_from_its_page(
    login: Callable[..., Client], market: Outside, queue: Any
) -> None:
    client = login("operator")
    make_agent(mode="manual")
    decision = stored()
    assert "Send to execution" in client.get(page_url(decision)).content.decode()

    client.post(send_url(decision), {"confirmed": "on", "reason": "looks right"})

    assert "the risk gate let it pass" in said(client, page_url(decision))[0]
    assert Order.objects.get().decision == decision
    page = client.get(page_url(decision)).content.decode()
    assert "Send to execution" not in page
    assert "looks right" in page
    client.post(send_url(decision), {"confirmed": "on"})
    assert "nothing was done" in said(client, page_url(decision))[0]
    assert Order.objects.count() == 1


def test_form_to_send_is_not_inside_the_records_form(login: Callable[..., Client]) -> None:
    """A form inside a form is dropped by browsers: its button would post to the outer one."""
    decision = make_decision(status="stored")

    page = login("operator").get(page_url(decision)).content.decode()

    before = page.split(f'action="{send_url(decision)}"')[0]
    assert before.count("<form") == before.count("</form>") + 1


def test_sending_needs_the_tick(login: Callable[..., Client]) -> None:
    client = login("operator")
    decision = make_decision(status="stored")

    client.post(send_url(decision), {})

    assert said(client, page_url(decision)) == ["AAPL: confirmed: was not ticked, expected a tick"]
    change(decision)
    assert decision.status == "stored"


def test_viewer_is_offered_no_answer(login: Callable[..., Client]) -> None:
    make_approval()
    decision = make_decision(status="stored")
    client = login("viewer")

    assert "<form" not in client.get(QUEUE).content.decode().split('id="queue-state"')[1]
    assert "Send to execution" not in client.get(page_url(decision)).content.decode()


def test_every_request_that_waits_can_be_reached(login: Callable[..., Client]) -> None:
    make_agent(mode="semi_auto")
    for _ in range(53):
        make_approval()
    client = login("operator")

    pages = [client.get(QUEUE, {"page": number}) for number in (1, 2, 3, 99)]

    shown = [[line.approval.pk for line in page.context["queue"]] for page in pages]
    assert [len(keys) for keys in shown] == [25, 25, 3, 3]
    assert {*shown[0], *shown[1], *shown[2]} == set(Approval.objects.values_list("pk", flat=True))
    assert all("<b>53</b> wait" in page.content.decode() for page in pages)


def test_card_says_what_is_held_and_what_would_be(login: Callable[..., Client]) -> None:
    make_agent(mode="semi_auto")
    make_equity(equity=Decimal(100_000))
    make_position("NVDA", quantity=Decimal("8.237"), market_value=Decimal(3_000))
    make_approval(decision=make_decision(symbol="NVDA", status="awaiting_approval"))

    page = login("operator").get(QUEUE)

    assert "<b>8.237</b>, 3.0 % of equity" in page.content.decode().replace("\xa0", " ")
    line = page.context["queue"][0]
    taken = line.preview.verdict.notional if line.preview.verdict.allowed else None
    assert line.percent_after == (None if taken is None else (3_000 + taken) / 1_000)


def test_address_of_an_answer_leads_to_the_question_and_says_that_nothing_was_done(
    login: Callable[..., Client],
) -> None:
    """A login in between turns the answer into a look at its address."""
    approval, stored = make_approval(), make_decision(status="stored")
    client = login("operator")

    for address, page in (
        (answer_url(approval), QUEUE),
        (ANSWERS, QUEUE),
        (send_url(stored), page_url(stored)),
    ):
        answer = client.get(address, follow=True)
        assert answer.redirect_chain == [(page, 302)]
        assert [str(m)[:17] for m in answer.context["messages"]] == ["Nothing was done:"]
    assert Approval.objects.get().status == "requested"


def test_answer_without_its_session_names_the_way_back(login: Callable[..., Client]) -> None:
    approval = make_approval()

    answer = Client(enforce_csrf_checks=True).post(answer_url(approval), {"answer": "approve"})

    assert answer.status_code == 403
    assert f'href="/admin/login/?next={answer_url(approval)}"' in answer.content.decode()
    assert Approval.objects.get().status == "requested"
