"""Posting an order: every way a request can end, and what reaches the broker each time."""

import socket
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from connectors.alpaca.broker import AlpacaBroker
from risk.models import KillSwitch
from risk.services import switch
from tests.factories import make_engagement, make_order
from tests.trading.outside import LOOK_UP, ORDERS, STOCK, Outside
from tests.trading.scenes import ago, change, events_of
from trading.core.settings import set_runtime_setting
from trading.domain.order_ids import Purpose, client_order_id, flatten_base
from trading.models import Event, Order
from trading.orders import attempts, counting, pacing, posting, submission
from trading.orders.attempts import Attempt, StaleAttemptError, SwitchEngagedError
from trading.orders.posting import post_order
from trading.orders.submission import submit_order

pytestmark = pytest.mark.usefixtures("account")


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the pauses between attempts pass at once; return how long they would have been."""
    pauses: list[float] = []
    monkeypatch.setattr("trading.orders.submission.time.sleep", pauses.append)
    return pauses


@pytest.fixture
def order(account: Outside) -> Order:
    return make_order(symbol=STOCK, quantity=Decimal("2.5"))


def statuses_of(requests: list[dict[str, object]]) -> list[object]:
    return [request["status"] for request in requests]


def test_accepted_order_is_posted_once_and_acknowledged(account: Outside, order: Order) -> None:
    sent = submit_order(order.pk)

    assert sent.status in ("accepted", "filled")
    assert sent.acknowledged_at is not None
    assert sent.lease_until is None
    assert sent.attempts == 1
    assert len(account.posts(order.client_order_id)) == 1
    told = account.order(order.client_order_id)
    assert (told["id"], told["qty"], told["side"]) == (sent.broker_order_id, "2.5", "buy")


def test_second_submit_sends_nothing(account: Outside, order: Order) -> None:
    submit_order(order.pk)
    submit_order(order.pk)

    assert len(account.posts()) == 1


def test_rejection_is_final_and_keeps_the_brokers_words(account: Outside, order: Order) -> None:
    change(order, quantity=Decimal(10**6))

    sent = submit_order(order.pk)

    assert sent.status == "rejected"
    assert "insufficient buying power" in sent.broker_message
    assert sent.ended_at is not None
    assert sent.acknowledged_at is None
    assert len(account.posts()) == 1
    assert events_of(sent) == ["order.submit", "order.reject"]


def test_duplicate_is_adopted(account: Outside, order: Order, no_pauses: list[float]) -> None:
    theirs = account.place(STOCK, "2.5", client_order_id=order.client_order_id)

    sent = submit_order(order.pk)

    assert sent.broker_order_id == theirs
    assert sent.status in ("accepted", "filled")
    assert statuses_of(account.posts())[1:] == [422]


def test_request_that_never_arrived_is_looked_up_and_sent_again(
    account: Outside, order: Order, no_pauses: list[float]
) -> None:
    """docs/lessons.md#lesson-36: after a lost request the same id is looked up, then used again."""
    account.venue.fault(kind="reset_before", route=ORDERS, times=1)

    sent = submit_order(order.pk)

    assert sent.acknowledged_at is not None
    assert sent.attempts == 2
    assert [r["status"] for r in account.posts(order.client_order_id)] == ["reset", 200]
    assert events_of(sent)[:4] == ["order.submit", "order.lose", "order.submit", "order.accept"]
    looked_up = [r for r in account.requests() if r["path"] == "/v2/orders:by_client_order_id"]
    assert statuses_of(looked_up) == [404]


@pytest.mark.parametrize("kind", ["reset_after", "truncate"])
def test_order_whose_reply_was_lost_is_adopted_by_look_up(
    account: Outside, order: Order, no_pauses: list[float], kind: str
) -> None:
    account.venue.fault(kind=kind, route=ORDERS, times=1)

    sent = submit_order(order.pk)

    assert sent.acknowledged_at is not None
    assert sent.broker_order_id == account.order(order.client_order_id)["id"]
    assert len(account.posts()) == 1


def test_request_that_hangs_leaves_the_order_unknown_until_it_is_looked_up(
    account: Outside, order: Order
) -> None:
    set_runtime_setting(name="order_timeout", value="1", actor="test")
    account.venue.fault(kind="hang", route=ORDERS, times=1)

    hung = submit_order(order.pk, attempts=1)

    assert hung.status == "unknown"
    assert hung.lease_until is None
    assert submit_order(order.pk).acknowledged_at is not None
    assert len(account.posts()) == 2


def test_error_500_is_no_answer_and_the_order_is_looked_up(
    account: Outside, order: Order, no_pauses: list[float]
) -> None:
    account.venue.fault(kind="error", status=500, route=ORDERS, times=1)

    sent = submit_order(order.pk)

    assert sent.acknowledged_at is not None
    assert "order.lose" in events_of(sent)
    assert len([r for r in account.requests() if r["path"] == "/v2/orders:by_client_order_id"]) == 1


def test_rate_limit_is_tried_again_later(account: Outside, order: Order, no_pauses: list[float]) -> None:
    account.venue.fault(kind="rate_limit", route=ORDERS, times=2)

    sent = submit_order(order.pk)

    assert sent.acknowledged_at is not None
    assert [int(pause) for pause in no_pauses] == [0, 1, 2]
    assert statuses_of(account.posts()) == [429, 429, 200]
    assert "order.lose" not in events_of(sent)


def test_broker_that_stays_away_leaves_the_order_unsent_for_later(
    account: Outside, order: Order, no_pauses: list[float]
) -> None:
    set_runtime_setting(name="order_attempts", value="5", actor="test")
    account.venue.fault(kind="rate_limit", route=ORDERS, times=3)

    waiting = submit_order(order.pk, attempts=3)

    assert (waiting.status, waiting.lease_until, waiting.attempts) == ("submitting", None, 3)
    due_at_once(order)
    assert submit_order(order.pk).acknowledged_at is not None


def due_at_once(order: Order) -> None:
    """Let the pause before the next try be over."""
    change(order, next_try_at=None)


def visited_until_it_ends(order: Order) -> Order:
    """Visit an order as the sweeper does, each time when its pause is over, until it has ended, 20 times at most."""
    for _ in range(20):
        order = submit_order(order.pk)
        if not order.is_open:
            break
        due_at_once(order)
    return order


@pytest.mark.parametrize("allowed", [1, 3, 5])
@pytest.mark.parametrize("fault", [{"kind": "error", "status": 503}, {"kind": "rate_limit"}])
def test_order_is_posted_so_often_by_all_visits_together(
    account: Outside, order: Order, no_pauses: list[float], allowed: int, fault: dict[str, Any]
) -> None:
    set_runtime_setting(name="order_attempts", value=str(allowed), actor="test")
    account.venue.fault(route=ORDERS, **fault)

    tired = visited_until_it_ends(order)

    assert (len(account.posts()), tired.posts) == (allowed, allowed)
    assert tired.status == "submitting", "it may be on its way still"


@pytest.mark.parametrize("age", [35, 65])
def test_order_whose_attempts_are_used_up_ends_once_the_broker_can_be_relied_on(
    account: Outside, order: Order, no_pauses: list[float], caplog: pytest.LogCaptureFixture, age: int
) -> None:
    """Also where it is too old by then: the reason is the attempts."""
    account.venue.fault(kind="error", status=503, route=ORDERS)
    visited_until_it_ends(order)
    change(order, submitted_at=ago(seconds=31), created_at=ago(seconds=age))

    ended = submit_order(order.pk)

    assert [r.levelname for r in caplog.records if "order_never_taken" in str(r.msg)] == ["ERROR"]
    assert (ended.status, ended.broker_message) == ("failed", "posted 3 times, and the broker never had it")
    assert ended.ended_at is not None
    assert (
        Event.objects.get(aggregate_id=str(order.pk), type="order.fail").payload["reason"]
        == "attempts_used_up"
    )
    assert len(account.posts()) == 3


def test_order_whose_attempts_are_used_up_does_not_end_while_the_look_up_fails(
    account: Outside, order: Order, no_pauses: list[float]
) -> None:
    account.venue.fault(kind="error", status=503, route=ORDERS)
    visited_until_it_ends(order)
    account.venue.fault(kind="error", status=503, route=LOOK_UP)
    change(order, submitted_at=ago(seconds=31))

    assert visited_until_it_ends(order).status == "submitting"
    assert len(account.posts()) == 3


def test_last_attempt_that_the_broker_took_is_adopted(
    account: Outside, order: Order, no_pauses: list[float]
) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")
    account.venue.fault(kind="reset_after", route=ORDERS)

    adopted = visited_until_it_ends(order)

    assert adopted.acknowledged_at is not None
    assert len(account.posts()) == 1


def test_post_is_counted_before_it_leaves(
    account: Outside, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed with its request under way has used up an attempt."""
    counted: list[int] = []
    prove = Attempt.prove

    def look(self: Attempt) -> None:
        counted.append(Order.objects.get(pk=order.pk).posts)
        prove(self)

    monkeypatch.setattr(Attempt, "prove", look)

    assert submit_order(order.pk).posts == 1
    assert counted == [1]


def test_what_provably_did_not_leave_is_no_attempt(
    account: Outside, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    unreachable = AlpacaBroker("key", "secret", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(posting, "broker_for", lambda order: unreachable)

    waiting = submit_order(order.pk, attempts=1)

    assert (waiting.status, waiting.attempts, waiting.posts) == ("submitting", 1, 0)


@pytest.mark.parametrize(("base", "factor", "cap"), [("5", "2", "30"), ("1", "3", "2"), ("10", "10", "10")])
def test_pauses_follow_the_settings_over_all_visits(
    account: Outside, order: Order, base: str, factor: str, cap: str
) -> None:
    for name, value in {"retry_base": base, "retry_factor": factor, "retry_cap": cap}.items():
        set_runtime_setting(name=name, value=value, actor="test")
    account.venue.fault(kind="error", status=503, route=ORDERS)

    for visit in range(3):
        due_at_once(order)
        visited_at = timezone.now()
        left = submit_order(order.pk, attempts=1)

        shortest = min(float(base) * float(factor) ** visit, float(cap))
        assert left.next_try_at is not None
        quiet_at = (left.submitted_at or visited_at) + pacing.QUIET
        assert left.next_try_at >= min(visited_at + timedelta(seconds=shortest), quiet_at)


def test_visit_before_the_pause_is_over_asks_nothing(account: Outside, order: Order) -> None:
    change(order, next_try_at=ago(seconds=-20))

    assert submit_order(order.pk).status == "created"
    assert account.requests() == []


def test_pause_from_before_a_clock_stepped_back_is_over(account: Outside, order: Order) -> None:
    change(order, next_try_at=ago(seconds=-7200))

    assert submit_order(order.pk).acknowledged_at is not None


def test_sale_of_the_switch_is_posted_until_it_is_taken(account: Outside, no_pauses: list[float]) -> None:
    account.hold(STOCK, "1")
    set_runtime_setting(name="order_attempts", value="1", actor="test")
    account.venue.fault(kind="error", status=503, route=ORDERS, times=3)
    order = flatten_order(make_engagement())

    for _ in range(4):
        sold = submit_order(order.pk)

    assert sold.acknowledged_at is not None
    assert len(account.posts()) == 4


def test_look_up_that_hangs_holds_its_visit_up_for_half_a_request(
    account: Outside, order: Order, no_pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []
    limit = submission.time_limit

    def noted(seconds: float) -> Any:
        limits.append(seconds)
        return limit(seconds)

    monkeypatch.setattr(submission, "time_limit", noted)
    change(order, status="unknown", submitted_at=ago(seconds=3))

    submit_order(order.pk)

    assert limits == [5.0]


def test_intent_too_old_is_expired_and_never_sent(account: Outside, order: Order) -> None:
    change(order, created_at=ago(seconds=61))

    expired = submit_order(order.pk)

    assert (expired.status, expired.broker_message) == ("expired", "never sent: too old")
    assert account.posts() == []


def test_old_order_that_the_broker_has_is_adopted(
    account: Outside, order: Order, no_pauses: list[float]
) -> None:
    account.venue.fault(kind="reset_after", route=ORDERS, times=1)
    account.venue.fault(kind="error", route=LOOK_UP, times=2)
    assert submit_order(order.pk).status == "submitting"
    change(order, created_at=ago(seconds=300))

    adopted = submit_order(order.pk)

    assert adopted.acknowledged_at is not None
    assert len(account.posts()) == 1


def test_old_order_the_broker_never_had_is_concluded_once_it_is_quiet(account: Outside, order: Order) -> None:
    change(order, status="unknown", created_at=ago(seconds=61), submitted_at=ago(seconds=31))

    concluded = submit_order(order.pk)

    assert (concluded.status, concluded.broker_message) == ("failed", "the broker never had it")
    assert account.posts() == []


def test_old_order_sent_a_moment_ago_is_not_concluded_yet(account: Outside, order: Order) -> None:
    change(order, status="unknown", created_at=ago(seconds=61), submitted_at=ago(seconds=5))

    waiting = submit_order(order.pk)

    assert (waiting.status, waiting.lease_until) == ("submitting", None)
    assert account.posts() == []


def test_looking_an_old_order_up_does_not_make_it_young_again(account: Outside, order: Order) -> None:
    sent_at = ago(seconds=25)
    change(order, status="unknown", created_at=ago(seconds=61), submitted_at=sent_at)
    submit_order(order.pk)
    submit_order(order.pk)

    order.refresh_from_db()
    assert order.submitted_at == sent_at
    change(order, submitted_at=ago(seconds=31))
    assert submit_order(order.pk).status == "failed"


@pytest.mark.parametrize("status", [401, 403])
def test_look_up_that_is_refused_does_not_reject_the_order(
    account: Outside, order: Order, no_pauses: list[float], status: int
) -> None:
    account.venue.fault(kind="reset_after", route=ORDERS, times=1)
    account.venue.fault(kind="error", status=status, route=LOOK_UP, times=1)

    sent = submit_order(order.pk)

    assert sent.acknowledged_at is not None
    assert len(account.posts()) == 1


def test_fills_that_are_refused_do_not_reject_the_order(account: Outside, order: Order) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")
    account.venue.fault(kind="reset_after", route=ORDERS, times=1)
    submit_order(order.pk)
    account.wait_filled(order.client_order_id)
    account.venue.fault(kind="error", status=403, route="*/activities/FILL", times=1)

    assert submit_order(order.pk).status == "submitting"
    assert submit_order(order.pk).status == "filled"
    assert len(account.posts()) == 1


def test_order_under_way_elsewhere_is_left_alone(account: Outside, order: Order) -> None:
    lease = ago(seconds=-20)
    change(order, status="submitting", lease_until=lease, submitted_at=timezone.now())

    left = submit_order(order.pk)

    assert (left.status, left.lease_until, left.attempts) == ("submitting", lease, 0)
    assert account.requests() == []


def test_order_whose_sender_died_is_taken_over(account: Outside, order: Order) -> None:
    change(order, status="submitting", lease_until=ago(seconds=1), submitted_at=ago(seconds=31))

    sent = submit_order(order.pk)

    assert sent.acknowledged_at is not None
    paths = [r["path"] for r in account.requests()]
    assert paths[:2] == ["/v2/orders:by_client_order_id", "/v2/orders"]


def sale(**overrides: object) -> Order:
    """An exit that somebody has claimed just now."""
    claimed = {"status": "submitting", "lease_until": ago(seconds=-30), "submitted_at": ago()}
    return make_order(symbol=STOCK, purpose="exit", side="sell", attempts=1, **(claimed | overrides))


def test_sale_whose_sender_died_before_it_posted_is_taken_over_at_once(account: Outside) -> None:
    """What protected the position is gone by then: nobody waits for a dead process's lease."""
    account.hold(STOCK, "1")

    sent = submit_order(sale(quantity=Decimal(1)).pk)

    assert (sent.acknowledged_at is not None, sent.posts) == (True, 1)


def test_sale_that_was_never_posted_and_is_too_old_ends_at_once(account: Outside) -> None:
    old = sale()
    change(old, created_at=ago(seconds=61))

    assert submit_order(old.pk).status == "expired"
    assert account.requests() == []


def test_sale_that_may_have_left_is_still_its_senders(account: Outside) -> None:
    assert submit_order(sale(posts=1).pk).attempts == 1
    assert account.requests() == []


def test_sender_that_was_only_stopped_sends_nothing_once_it_was_taken_over(account: Outside) -> None:
    account.hold(STOCK, "1")
    order = sale(quantity=Decimal(1))
    stopped = Attempt(Order.objects.get(pk=order.pk))
    submit_order(order.pk)

    with pytest.raises(StaleAttemptError):
        counting.count_post(stopped.order)

    assert len(account.posts(order.client_order_id)) == 1


@pytest.mark.parametrize("purpose", ["entry", "exit"])
def test_engaged_switch_lets_nothing_out(account: Outside, purpose: str) -> None:
    order = make_order(symbol=STOCK, purpose=purpose, side="buy" if purpose == "entry" else "sell")
    make_engagement()

    held_back = submit_order(order.pk)

    assert (held_back.status, held_back.broker_message) == ("canceled", "kill switch engaged")
    assert account.posts() == []


def test_engaged_switch_keeps_an_unknown_order_unknown(account: Outside, order: Order) -> None:
    """docs/lessons.md#lesson-33: the second try passes the same door."""
    change(order, status="unknown", submitted_at=ago(seconds=3))
    make_engagement()

    waiting = submit_order(order.pk)

    assert (waiting.status, waiting.lease_until) == ("submitting", None)
    assert account.posts() == []


def test_engaged_switch_still_adopts_what_the_broker_has(account: Outside, order: Order) -> None:
    theirs = account.place(STOCK, "2.5", client_order_id=order.client_order_id)
    change(order, status="unknown", submitted_at=ago(seconds=3))
    make_engagement()

    assert submit_order(order.pk).broker_order_id == theirs


def flatten_order(engagement: KillSwitch, **overrides: object) -> Order:
    name = client_order_id(flatten_base(engagement.pk, STOCK), Purpose.FLATTEN)
    return make_order(symbol=STOCK, purpose="flatten", side="sell", client_order_id=name, **overrides)


def test_order_to_flatten_may_leave_while_the_switch_is_engaged(account: Outside) -> None:
    account.hold(STOCK, "1")

    assert submit_order(flatten_order(make_engagement()).pk).acknowledged_at is not None


def test_order_to_flatten_does_not_leave_once_the_switch_is_released(account: Outside) -> None:
    account.hold(STOCK, "1")
    order = flatten_order(make_engagement())
    switch.clear_flag(actor="ada", reason="found")

    held_back = submit_order(order.pk)

    assert (held_back.status, held_back.broker_message) == ("canceled", "kill switch released")
    assert account.posts() == []


def test_order_to_flatten_does_not_leave_under_another_engagement(account: Outside) -> None:
    account.hold(STOCK, "1")
    order = flatten_order(make_engagement())
    switch.clear_flag(actor="ada", reason="found")
    make_engagement()

    assert submit_order(order.pk).status == "canceled"
    assert account.posts() == []


def claimed(order: Order, **changes: object) -> Attempt:
    """Return an attempt at an order as it is right before it leaves."""
    change(order, **({"status": "submitting", "lease_until": ago(seconds=-30)} | changes))
    return Attempt(Order.objects.get(pk=order.pk))


def concluded(order: Order) -> None:
    change(order, status="failed", lease_until=None, ended_at=timezone.now())


def taken_over(order: Order) -> None:
    change(order, lease_until=ago(seconds=-31))


def given_back(order: Order) -> None:
    change(order, lease_until=None)


def grown_old(order: Order) -> None:
    change(order, created_at=ago(seconds=61))


def wanted_in_the_future(order: Order) -> None:
    change(order, created_at=ago(seconds=-85))


@pytest.mark.parametrize("meanwhile", [concluded, taken_over, given_back])
def test_late_sender_meets_what_happened_meanwhile(
    account: Outside, order: Order, meanwhile: Callable[[Order], None]
) -> None:
    attempt = claimed(order)
    meanwhile(order)

    with pytest.raises(StaleAttemptError, match="somebody else has it"):
        post_order(attempt)

    assert account.posts() == []


@pytest.mark.parametrize("age", [grown_old, wanted_in_the_future])
def test_order_wanted_too_long_ago_does_not_leave(
    account: Outside, order: Order, age: Callable[[Order], None]
) -> None:
    age(order)

    with pytest.raises(StaleAttemptError, match="wanted too long ago"):
        post_order(claimed(order))

    assert account.posts() == []


def test_attempt_that_was_stopped_for_too_long_does_not_leave(
    account: Outside, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = claimed(order)
    now = attempts.elapsed_seconds()
    monkeypatch.setattr(attempts, "elapsed_seconds", lambda: now + attempts.ATTEMPT_SECONDS + 1)

    with pytest.raises(StaleAttemptError, match="stopped for too long"):
        post_order(attempt)

    assert account.posts() == []


def test_stale_attempt_concludes_nothing(
    account: Outside, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def somebody_else_concludes(self: Attempt) -> None:
        concluded(self.order)
        raise StaleAttemptError(self.order.client_order_id)

    monkeypatch.setattr(Attempt, "prove", somebody_else_concludes)

    assert submit_order(order.pk).status == "failed"
    assert account.posts() == []


def test_post_order_refuses_at_the_engaged_switch(account: Outside, order: Order) -> None:
    attempt = claimed(order)
    make_engagement()

    with pytest.raises(SwitchEngagedError, match=order.client_order_id):
        post_order(attempt)

    assert account.posts() == []


def test_order_without_quantity_is_never_posted(account: Outside) -> None:
    """docs/lessons.md#lesson-8."""
    order = make_order(symbol=STOCK, purpose="external", quantity=None)

    with pytest.raises(ValueError, match="no quantity"):
        post_order(Attempt(order))

    assert account.posts() == []


def test_order_from_before_a_clock_stepped_back_is_expired(account: Outside, order: Order) -> None:
    change(order, created_at=ago(seconds=-7200))

    assert submit_order(order.pk).status == "expired"
    assert account.posts() == []


def test_lease_from_before_a_clock_stepped_back_has_run_out(account: Outside, order: Order) -> None:
    change(order, status="submitting", lease_until=ago(seconds=-7200), submitted_at=ago(seconds=31))

    assert submit_order(order.pk).acknowledged_at is not None


def test_submission_from_before_a_clock_stepped_back_is_quiet_after_its_time(
    account: Outside, order: Order
) -> None:
    future = ago(seconds=-7200)
    change(order, status="unknown", created_at=ago(seconds=61), submitted_at=future)

    submit_order(order.pk)

    order.refresh_from_db()
    assert order.submitted_at is not None
    assert order.submitted_at <= timezone.now()
    change(order, submitted_at=ago(seconds=31))
    assert submit_order(order.pk).status == "failed"


def exit_order(quantity: str) -> Order:
    return make_order(symbol=STOCK, purpose="exit", side="sell", quantity=Decimal(quantity))


def test_exit_sells_no_more_than_is_available_when_it_leaves(account: Outside) -> None:
    account.hold(STOCK, "2")

    sent = submit_order(exit_order("5").pk)

    assert (sent.acknowledged_at is not None, sent.quantity) == (True, 2)
    assert account.order(sent.client_order_id)["qty"] == "2"


def test_exit_of_what_was_sold_by_hand_meanwhile_is_never_sent(account: Outside) -> None:
    ended = submit_order(exit_order("5").pk)

    assert (ended.status, ended.broker_message) == ("canceled", submission.NOTHING_LEFT)
    assert account.posts() == []


def test_exit_whose_position_cannot_be_read_waits(account: Outside, no_pauses: list[float]) -> None:
    account.hold(STOCK, "2")
    account.venue.fault(kind="error", route="GET /v2/positions/*")

    waiting = submit_order(exit_order("2").pk)

    assert (waiting.status, waiting.lease_until) == ("submitting", None)
    assert account.posts() == []


def test_exit_that_may_have_sold_already_is_looked_up_not_concluded(account: Outside) -> None:
    order = exit_order("2")
    change(order, status="unknown", submitted_at=ago(seconds=3), posts=1)

    waiting = submit_order(order.pk)

    assert (waiting.status, waiting.lease_until) == ("submitting", None)
    assert account.posts() == []


def test_submitting_gives_up_after_its_time(
    account: Outside, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "TIME_FOR_ATTEMPTS", timedelta(0))

    assert submit_order(order.pk).status == "created"
    assert account.posts() == []


@pytest.mark.parametrize(("timeout", "lease"), [("1", 30), ("10", 30), ("15", 40), ("30", 70)])
def test_lease_follows_the_order_timeout(account: Outside, order: Order, timeout: str, lease: int) -> None:
    """A lease ends after the reply of a request that left as late as it may."""
    set_runtime_setting(name="order_timeout", value=timeout, actor="test")
    taken: list[timedelta] = []
    prove = Attempt.prove

    def look(self: Attempt) -> None:
        assert self.order.lease_until is not None
        assert self.order.submitted_at is not None
        taken.append(self.order.lease_until - self.order.submitted_at)
        assert self.most_seconds + float(timeout) <= lease
        prove(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Attempt, "prove", look)
        submit_order(order.pk)

    assert taken == [timedelta(seconds=lease)]
    assert pacing.quiet_after() == timedelta(seconds=lease)


def test_lease_of_a_longer_timeout_stays_in_force_when_it_is_lowered(account: Outside, order: Order) -> None:
    change(order, status="submitting", lease_until=ago(seconds=-69), submitted_at=timezone.now())

    assert submit_order(order.pk).attempts == 0
    assert account.requests() == []


def test_request_may_take_as_long_as_it_is_given(account: Outside, order: Order) -> None:
    """More than the ten seconds that were the most there could be."""
    set_runtime_setting(name="order_timeout", value="30", actor="test")
    account.venue.fault(kind="latency", route=ORDERS, seconds=11, times=1)

    sent = submit_order(order.pk)

    assert (sent.acknowledged_at is not None, sent.attempts, sent.posts) == (True, 1, 1)
