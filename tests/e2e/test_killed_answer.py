"""The web killed between a person's answer and the gate: what was approved hours ago is never ordered."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
import requests
from django.conf import settings

from risk.services.locks import BOOK_LOCK
from tests.e2e.system import System, held, manage
from tests.e2e.test_killed import waiting_for_a_lock
from tests.factories import make_approval, make_cycle, make_user
from tests.trading.api.server import running_server
from tests.trading.outside import STOCK
from tests.trading.scenes import ago, change, forget_prices, wish
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.domain.statuses import DecisionStatus
from trading.execution.portfolio import sync_portfolio
from trading.models import AIDecision, Approval, Order

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stopped_system(seeded: None) -> Iterator[System]:
    """The processes, not started; ended before the database is flushed."""
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    system = System(home)
    yield system
    system.stop()
    shutil.rmtree(home, ignore_errors=True)


def approve_and_be_killed(approval: Approval) -> None:
    """Approve by REST, and kill the web while the gate waits for the book: the answer is committed."""
    token = manage("api_token", make_user(group="operator").username).stdout.strip()

    def click(url: str) -> None:
        with suppress(requests.RequestException):
            headers = {"Authorization": f"Token {token}"}
            requests.post(f"{url}/approvals/{approval.pk}/approve", json={}, headers=headers, timeout=120)

    with running_server() as web, held(f"SELECT pg_advisory_lock({BOOK_LOCK})"):
        person = threading.Thread(target=click, args=(web.url,))
        person.start()
        claimed = Approval.objects.filter(pk=approval.pk, decision__status=DecisionStatus.CLAIMED)
        wait_until(lambda: claimed.exists() and waiting_for_a_lock(), what="the answer waits at the gate")
        web.process.kill()
        person.join(120)


def test_answer_whose_process_was_killed_is_void_after_its_time(
    stopped_system: System, market: VenueProcess
) -> None:
    market.clock(paused=True)
    forget_prices()
    decision = wish(STOCK, cycle=make_cycle(), status="awaiting_approval")
    approval = make_approval(decision=decision)
    approve_and_be_killed(approval)
    approval.refresh_from_db()
    assert (approval.status, Order.objects.count()) == ("granted", 0)

    change(approval, answered_at=ago(minutes=6))
    change(decision, lease_until=ago(minutes=5))
    set_runtime_setting(name="price_max_age", value="3600", actor="test")  # as if one had been fetched first
    sync_portfolio(None)
    stopped_system.start()

    settled = AIDecision.objects.filter(pk=decision.pk, settled_at__isnull=False)
    wait_until(settled.exists, what="the decision is settled")
    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("expired", "approval_expired")
    assert "not carried out within 300 s" in decision.reason_detail
    assert not Order.objects.exists()
    assert market.get("/v2/orders?status=all") == []
