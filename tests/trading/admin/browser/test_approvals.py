"""Approving and rejecting in a browser, against a real server, a real worker and the venue."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from playwright.sync_api import Page, expect

from tests.e2e.system import System
from tests.factories import make_agent, make_approval, switch_guards_off
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change, wish
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.models import AIDecision, Approval, Order

pytestmark = pytest.mark.system

Enter = Callable[[str], Page]


@pytest.fixture
def market(venue: VenueProcess, seeded: None) -> Outside:
    """The venue during a session, its clock held, and an agent that asks before it buys."""
    venue.clock(paused=True)
    if not venue.state_report()["is_open"]:
        venue.clock(to="open")
    make_agent(mode="semi_auto")
    switch_guards_off()  # what is sold before each test would keep the next from buying it
    return Outside(venue)


@pytest.fixture
def worker(market: Outside) -> Iterator[System]:
    """A worker process that takes orders to the venue.

    The sweeper, which asks again until they fill, begins when the click has its answer: seldom, but now and then on a
    busy machine, it is quicker than the click, which then says that the decision is on its way.
    """
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    system = System(home, workers=1)
    system.start_one("worker")
    wait_until(lambda: "ready." in system.log("worker"), what="the worker takes tasks")
    yield system
    system.stop()
    shutil.rmtree(home, ignore_errors=True)


def waiting(symbol: str = STOCK) -> Approval:
    return make_approval(decision=wish(symbol, status="awaiting_approval", reasoning="Momentum is up."))


def to_the_queue(page: Page) -> Page:
    page.click("nav >> text=Approvals")
    expect(page.locator(".tc-request")).not_to_have_count(0)
    return page


def test_approved_entry_goes_through_gate_and_worker_to_the_venue(
    enter: Enter, market: Outside, worker: System
) -> None:
    approval = waiting()
    page = to_the_queue(enter("operator"))
    request = page.locator(f"#approval-{approval.pk}")
    expect(request).to_contain_text("Momentum is up.")
    expect(request).to_contain_text("Closest limit")
    before = request.locator("[data-countdown]").inner_text()
    expect(request.locator("[data-countdown]")).not_to_have_text(before)

    request.get_by_role("button", name="Approve").click()

    expect(page.get_by_text("the risk gate let it pass")).to_be_visible()
    worker.start_one("sweeper")
    wait_until(lambda: AIDecision.objects.get().status == "executed", what="the order fills")
    assert len(market.posts()) == 1
    assert STOCK in market.positions()
    page.goto(page.url.split("/trading/")[0] + f"/trading/aidecision/{approval.decision_id}/change/")
    for stage in ("decision", "risk_gate", "order", "fill", "position"):
        expect(page.locator(f"#stage-{stage}.tc-stage-completed")).to_be_visible()
    expect(page.locator("#stage-exit.tc-stage-pending")).to_be_visible()
    expect(page.locator("#limits .tc-closest")).to_have_count(1)


def test_several_are_approved_after_a_confirmation_and_rejected_with_a_reason(
    enter: Enter, market: Outside
) -> None:
    waiting(), waiting(OTHER_STOCK)
    page = to_the_queue(enter("operator"))
    expect(page.get_by_role("button", name="Approve selected")).to_be_disabled()

    page.check("#select-all")
    expect(page.locator("#selected-count")).to_have_text("2")
    page.get_by_role("button", name="Approve selected").click()
    expect(page.get_by_text("You are about to approve 2 decisions")).to_be_visible()
    assert not Order.objects.exists()
    page.get_by_role("link", name="Back, nothing is approved yet").click()

    page.check("#select-all")
    page.get_by_label("Reason for all selected").fill("not before the meeting")
    page.get_by_role("button", name="Reject selected").click()

    expect(page.get_by_text(f"buy {STOCK}: rejected.")).to_be_visible()
    assert set(Approval.objects.values_list("status", "reason")) == {("rejected", "not before the meeting")}


def test_rejection_without_a_reason_is_asked_again(enter: Enter, market: Outside) -> None:
    approval = waiting()
    page = to_the_queue(enter("operator"))

    page.locator(f"#approval-{approval.pk}").get_by_role("button", name="Reject").click()

    expect(page.get_by_text("expected why the decision is rejected")).to_be_visible()
    assert Approval.objects.get().status == "requested"


def test_request_that_expires_before_the_eyes_cannot_be_granted(enter: Enter, market: Outside) -> None:
    """docs/lessons.md#lesson-31: the page closes it, and a page that is too old is told so by the server."""
    page = enter("operator")
    approval = waiting()
    change(approval, expires_at=ago(seconds=-8))
    to_the_queue(page)
    request = page.locator(f"#approval-{approval.pk}")

    expect(request.locator("[data-countdown]")).to_have_text("expired")
    expect(request.get_by_role("button", name="Approve")).to_be_disabled()
    request.locator("button[value=approve]").evaluate(
        "button => { button.disabled = false; button.click(); }"
    )

    expect(page.get_by_text("nothing was done, it expired at")).to_be_visible()
    assert not Order.objects.exists()


def test_of_two_people_at_once_one_wins_and_the_other_is_told(
    enter: Enter, market: Outside, worker: System
) -> None:
    approval = waiting()
    ada, bob = to_the_queue(enter("operator")), to_the_queue(enter("risk officer"))
    requests = [page.locator(f"#approval-{approval.pk}") for page in (ada, bob)]
    requests[1].get_by_role("textbox").fill("not this one")

    # Both answers leave before either page has its reply.
    requests[0].locator("button[value=approve]").evaluate("button => { setTimeout(() => button.click()); }")
    requests[1].locator("button[value=reject]").evaluate("button => { setTimeout(() => button.click()); }")

    told = [page.locator("body") for page in (ada, bob)]
    expect(told[0]).to_contain_text("let it pass" if won(approval) == "granted" else "nothing was done")
    expect(told[1]).to_contain_text("rejected." if won(approval) == "rejected" else "nothing was done")
    row = Approval.objects.select_related("answered_by").get()
    assert row.answered_by is not None
    loser = told[1] if row.status == "granted" else told[0]
    expect(loser).to_contain_text(f"{row.answered_by.username} {row.status} it at")
    assert Order.objects.filter(purpose="entry").count() == (1 if row.status == "granted" else 0)


def won(approval: Approval) -> str:
    """Return the answer that counted, once there is one."""

    def answered() -> str:
        status = Approval.objects.get(pk=approval.pk).status
        return "" if status == "requested" else status

    return wait_until(answered, what="the request is answered")


def test_stored_decision_is_sent_from_its_page(enter: Enter, market: Outside, worker: System) -> None:
    make_agent(mode="manual")
    decision = wish(status="stored", reason="mode_manual")
    page = enter("operator")
    page.goto(page.url.split("/admin")[0] + f"/admin/trading/aidecision/{decision.pk}/change/")
    expect(page.locator("#stage-risk_gate.tc-stage-skipped")).to_be_visible()

    page.check("[name=confirmed]")
    page.get_by_role("button", name="Send to execution").click()

    expect(page.get_by_text("the risk gate let it pass")).to_be_visible()
    worker.start_one("sweeper")
    wait_until(lambda: AIDecision.objects.get().status == "executed", what="the order fills")
    assert len(market.posts()) == 1


def test_page_says_when_the_queue_has_changed(enter: Enter, market: Outside) -> None:
    waiting()
    page = to_the_queue(enter("operator"))
    expect(page.locator("#queue-changed")).to_be_hidden()

    waiting(OTHER_STOCK)
    page.evaluate("htmx.trigger('#queue-state', 'renew')")

    expect(page.locator("#queue-changed")).to_be_visible()
