"""What a person is told: one message for what belongs together, no storm, nothing lost, and nobody else's events."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import resolve
from django.utils import timezone

from tests.connectors.server import Answer, ProviderServer
from tests.trading.events.validity import problems
from tests.trading.outside import Outside
from trading.access.approval_links import read_link
from trading.cycle import cycle_control, cycles
from trading.domain.events import notices as domain
from trading.domain.events.public_events import CATALOG
from trading.events import notifying, outbox, signing
from trading.events.consuming import take
from trading.models import HandledEvent, NoticeMessage, NoticeTopic
from trading.safety import kill_switch

pytestmark = pytest.mark.django_db
UNTIL = "2026-11-26T14:10:00+00:00"
DATA: dict[str, dict[str, Any]] = {
    "risk.kill-switch.engaged": {"actor": "watchdog", "reason": "the day's loss is 5.1 %", "trigger": "x"},
    "risk.kill-switch.released": {"actor": "ann", "reason": "looked at it"},
    "risk.entries.paused": {"actor": "ann", "reason": "earnings"},
    "risk.entries.resumed": {"actor": "ann", "reason": None},
    "approval.requested": {"decisionId": "1", "symbol": "AAPL", "action": "buy", "expiresAt": UNTIL},
    "orchestrator.cycle.failed": {"cycleId": "1", "reason": "no database"},
    "orchestrator.cycle.aborted": {"cycleId": "1", "reason": "deadline"},
    "orchestrator.saga.failed": {"sagaId": "7", "orderId": "1", "decisionId": "1", "reason": "r", "error": "e"},
    "risk.limit.breached": {"limit": "max_daily_loss_percent", "scope": "account", "value": "5.1", "limitValue": "5"},
    "risk.safe-mode.entered": {"reason": "ai_failures", "failures": 3},
    "orchestrator.clock.stepped": {"clock": "machine", "bySeconds": -85.2, "before": UNTIL, "after": UNTIL,
                                   "machine": "host"},
    "orchestrator.cycle.completed": {},
    "risk.safe-mode.left": {"actor": "safe_mode", "reason": "a model answered again"},
    "risk.kill-switch.sender-fenced": {
        "pid": 7, "application": "orchestrator worker 9", "heldSeconds": 12.3, "clientOrderId": "x-entry-0"},
    "orchestrator.schedule.disabled": {"reason": "disabled: Trading cycle"},
    "orchestrator.schedule.enabled": {"reason": "cycles start by themselves again"},
    "orchestrator.sync.overdue": {"reason": "the account was not read for 151 s", "seconds": 151.0},
    "orchestrator.sync.recovered": {"reason": "the account is read again"},
    "orchestrator.lock.stuck": {"reason": "somebody holds book since 9 s", "lock": "book", "seconds": 9.0},
    "orchestrator.lock.freed": {"reason": "no lock is held or waited for too long"},
    "trading-engine.books.differed": {
        "reason": "cash +12.50 USD: the account has +12.50 USD that no execution explains",
        "amount": "12.50", "cash": "12.50", "symbols": "", "equity": "100012.50",
    },
    "orchestrator.disk.low": {"reason": "512 MB free at /somewhere", "freeMegabytes": 512},
    "orchestrator.disk.recovered": {"reason": "2048 MB free"},
}  # fmt: skip


class Clock:
    """The wall's clock, moved by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 26, 14, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def tick(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)
    return clock


@pytest.fixture
def service() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.on_any(Answer({}))
        yield server


def happen(kind: str, *, source: str = "", at: datetime | None = None, **data: Any) -> None:
    """Have the notifier take an event as the transport brings it."""
    happen.number += 1  # type: ignore[attr-defined]
    event = {
        "specversion": "1.0",
        "id": f"e{happen.number}",  # type: ignore[attr-defined]
        "source": source or outbox.our_source(),
        "type": kind,
        "time": (at or timezone.now()).isoformat(),
        "data": DATA[kind] | data,
    }
    take(notifying.our_notices(), json.dumps(signing.signed(event)))


happen.number = 0  # type: ignore[attr-defined]


def told() -> list[str]:
    """Make messages of what is due; return the titles of all there are, oldest first."""
    notifying.make_messages()
    titles = NoticeMessage.objects.order_by("id").values_list("title", flat=True)
    return [title.removeprefix("Trading Orchestrator: ") for title in titles]


def address_of(service: ProviderServer, path: str = "") -> str:
    return f"json://127.0.0.1:{service.port}/{path}?rto=0.3"


def retry_now() -> None:
    NoticeMessage.objects.update(next_attempt_at=timezone.now())


@pytest.mark.parametrize("kind", sorted(set(DATA) - {"orchestrator.cycle.completed"}))
def test_samples_are_as_they_are_published(kind: str) -> None:
    required = {field.name for field in CATALOG[kind].fields if not field.optional}

    assert required <= set(DATA[kind])
    assert set(DATA) == set(notifying.TOPICS)


def test_every_notice_says_what_to_do_and_where() -> None:
    """Console pages that are named exist."""
    found = [domain.notice_of(kind, data) for kind, data in DATA.items()]

    for notice in filter(None, found):
        pages = [word.rstrip(".,;") for word in notice.advice.split() if word.startswith("/admin/")]
        assert pages or notice.advice == domain.ALL_WELL
        for page in pages:
            assert resolve(page).url_name
        assert len(notice.advice) <= 500


def test_approvals_of_a_cycle_are_one_message(clock: Clock) -> None:
    for symbol in ("AAPL", "MSFT", "BTC/USD"):
        happen("approval.requested", symbol=symbol)
    at_once = told()
    clock.tick(10)

    assert (at_once, told()) == ([], ["3 decisions wait for a person"])
    lines = NoticeMessage.objects.get().body.splitlines()
    assert lines[:3] == [f"- buy {s}, until 14:10 UTC [decision 1]" for s in ("AAPL", "MSFT", "BTC/USD")]
    assert "console /admin/trading/approval/queue/" in lines[-1]


def test_a_night_of_failing_cycles_is_a_message_each_half_hour(clock: Clock) -> None:
    """docs/lessons.md#lesson-16."""
    for _ in range(4 * 60):
        happen("orchestrator.cycle.aborted")
        told()
        clock.tick(60)

    titles = told()
    assert titles[:3] == [
        "a cycle did not complete",
        "30 cycles did not complete",
        "30 cycles did not complete",
    ]
    assert len(titles) == 9
    assert "- Aborted: deadline (30 times)\nSince 14:01 UTC." in NoticeMessage.objects.order_by("id")[1].body


@pytest.mark.parametrize(
    ("begins", "ends", "title", "over"),
    [
        (
            "schedule.disabled",
            "schedule.enabled",
            "no trading cycle starts by itself",
            "cycles start by themselves",
        ),
        ("sync.overdue", "sync.recovered", "the account is not read, nobody", "the account is read again"),
        ("lock.stuck", "lock.freed", "a lock is held or waited for too long", "no lock is held too long"),
        ("disk.low", "disk.recovered", "the disk is nearly full", "the disk has room again"),
    ],
)
def test_a_trouble_of_the_system_is_told_when_it_begins_and_when_it_is_over(
    clock: Clock, begins: str, ends: str, title: str, over: str
) -> None:
    happen(f"orchestrator.{begins}")
    first = told()
    clock.tick(60)
    happen(f"orchestrator.{ends}")

    titles = told()

    assert (len(first), len(titles)) == (1, 2)
    assert title in titles[0]
    assert over in titles[1]


def test_its_end_is_told_once_and_at_once(clock: Clock) -> None:
    happen("orchestrator.cycle.completed")
    happen("orchestrator.cycle.failed")
    told()
    clock.tick(60)
    happen("orchestrator.cycle.aborted")
    clock.tick(60)
    for _ in range(3):
        happen("orchestrator.cycle.completed")

    assert told() == ["a cycle did not complete", "cycles complete again"]
    last = NoticeMessage.objects.order_by("id")[1]
    assert last.severity == "success"
    assert last.body == (
        "Since 14:02 UTC. Meanwhile: a cycle did not complete.\n- Aborted: deadline\nNothing is to be done."
    )
    happen("orchestrator.cycle.completed")
    assert len(told()) == 2


def test_trouble_that_comes_and_goes_is_no_storm(clock: Clock) -> None:
    for _ in range(30):
        happen("orchestrator.cycle.failed")
        told()
        clock.tick(60)
        happen("orchestrator.cycle.completed")
        told()
        clock.tick(60)

    assert told() == ["a cycle did not complete", "cycles complete again", "15 cycles did not complete"]
    assert "cycles complete again since 14:31 UTC" in NoticeMessage.objects.order_by("id")[2].body


def test_safe_mode_and_its_end_are_told(clock: Clock) -> None:
    happen("risk.safe-mode.entered")
    told()
    happen("risk.safe-mode.left")

    assert told() == ["no model answers, exits only", "entries pass again"]


def test_switch_is_told_at_once_each_time(clock: Clock) -> None:
    for kind in ("engaged", "released", "engaged"):
        happen(f"risk.kill-switch.{kind}")
        told()

    assert [title.split(",")[0] for title in told()] == [
        "kill switch engaged", "kill switch released", "kill switch engaged"
    ]  # fmt: skip


def test_many_different_lines_are_cut_and_counted(clock: Clock) -> None:
    for n in range(14):
        happen("orchestrator.saga.failed", sagaId=f"s{n}", error="x" * 1_000)
    clock.tick(5)

    assert told() == ["14 orders could not be undone"]
    body = NoticeMessage.objects.get().body
    assert "- and 4 more" in body
    assert max(map(len, body.splitlines())) <= 302


def test_saga_whose_position_is_behind_does_not_speak_of_the_switch(clock: Clock) -> None:
    happen("orchestrator.saga.failed", reason="position_not_updated", error="HTTP 500")
    clock.tick(5)

    assert told() == ["a fill is not in the positions"]
    assert "switch" not in NoticeMessage.objects.get().body


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("orchestrator.cycle.aborted", {"reason": "kill_switch"}),
        ("orchestrator.cycle.aborted", {"reason": "the clock stepped back"}),
        ("risk.limit.breached", {"scope": "order", "value": None, "limitValue": None}),
    ],
)
def test_what_needs_nobody_is_not_told(kind: str, data: dict[str, Any]) -> None:
    happen(kind, **data)

    assert not NoticeTopic.objects.exists()


def test_what_others_publish_is_never_told() -> None:
    happen("risk.kill-switch.engaged", source="urn:somebody")

    assert not NoticeTopic.objects.exists()
    assert not HandledEvent.objects.exists()


def test_what_is_an_hour_old_is_dropped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    happen("risk.kill-switch.engaged", at=timezone.now() - timedelta(minutes=61))

    assert not NoticeTopic.objects.exists()
    assert "notice_dropped" in caplog.text


def test_real_services_write_what_is_read_here(account: Outside) -> None:
    """Events as services write and the relay publishes them, through the handler."""
    kill_switch.engage(actor="ann", reason="drill")
    kill_switch.release(actor="ann", reason="over")
    cycles.start_cycle(trigger="test", symbols=["AAPL"])
    cycle_control.stop(actor="ann")
    cycles.fail_cycle(cycles.start_cycle(trigger="test", symbols=["AAPL"]), reason="broken")
    for row in outbox.next_batch():
        event = outbox.published_form(row, source=outbox.our_source())
        assert problems(event) == []
        take(notifying.our_notices(), json.dumps(event))

    assert told() == ["kill switch released, trading goes on", "a cycle did not complete"]
    assert (
        "- Engaged by ann: drill\n- Released by ann: over"
        in NoticeMessage.objects.get(topic="kill-switch").body
    )


def test_who_has_it_is_not_told_again_when_another_is_away(service: ProviderServer) -> None:
    service.on("POST", "/away", Answer({}, 503), Answer({}))
    addresses = [address_of(service, "away"), address_of(service, "there")]
    happen("risk.kill-switch.engaged")
    notifying.make_messages()

    assert notifying.send_next(addresses)
    message = NoticeMessage.objects.get()
    assert (message.status, message.attempts) == ("waiting", 1)
    assert message.next_attempt_at >= message.failed_at + timedelta(seconds=10)
    assert notifying.notice_standing().last_sent_at == message.reached_at <= message.failed_at
    assert not notifying.send_next(addresses)
    retry_now()
    assert notifying.send_next(addresses)

    assert NoticeMessage.objects.get().status == "sent"
    assert [len(service.requests_to(path)) for path in ("/away", "/there")] == [2, 1]


def test_each_address_gets_a_link_of_its_own_and_what_is_stored_bears_none(
    service: ProviderServer, clock: Clock, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://trade.example"
    decision = "01a22a54-3ac2-797d-9d80-ccc42d19c787"
    happen("approval.requested", decisionId=decision)
    clock.tick(10)
    notifying.make_messages()

    notifying.send_next([address_of(service, "one"), address_of(service, "two")])

    assert NoticeMessage.objects.get().body.splitlines()[0].endswith(f"UTC [decision {decision}]")
    sent = [json.dumps(seen.body) for path in ("/one", "/two") for seen in service.requests_to(path)]
    links = re.findall(r"https://trade\.example/admin/answer/([^/]+)/", " ".join(sent))
    assert len(sent) == len(set(links)) == 2
    assert "[decision" not in " ".join(sent)
    assert {str(read_link(link).decision_id) for link in links} == {decision}


def test_service_that_stays_away_is_given_up_and_logged(
    service: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    service.on_any(Answer({}, 500))
    address = address_of(service, "t0ken-path")
    happen("risk.kill-switch.engaged")
    notifying.make_messages()
    notifying.send_next([address])
    failing = notifying.notice_standing()
    retry_now()
    NoticeMessage.objects.update(expires_at=timezone.now())

    assert notifying.send_next([address])

    assert NoticeMessage.objects.get().status == "dropped"
    assert len(service.seen) == 1
    assert (failing.waiting, failing.last_sent_at) == (1, None)
    assert failing.last_error.startswith("address 1: notices json: Failed to send JSON POST notification")
    assert "notice_not_sent" in caplog.text
    assert "notice_dropped" in caplog.text
    assert "t0ken-path" not in caplog.text + failing.last_error


def test_messages_of_long_ago_are_forgotten() -> None:
    happen("risk.kill-switch.engaged")
    notifying.make_messages()
    NoticeMessage.objects.update(made_at=timezone.now() - timedelta(days=31))
    waiting = notifying.forget_old()
    NoticeMessage.objects.update(status="sent", ended_at=timezone.now())

    assert (waiting, notifying.forget_old()) == (0, 1)
