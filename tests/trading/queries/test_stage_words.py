"""The stored word of a decision's stages is what the timeline's rules say, whatever the facts and their writers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import OperationalError, models, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests import factories
from tests.risk.threads import beside
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, ago, change, passed, wrong_stages
from trading.domain.stage_keys import EXIT_OPEN, KEYS, UNJUDGED, keys_with
from trading.domain.statuses import DecisionStatus, OrderStatus, SagaStatus
from trading.domain.timeline import StageName, StageStatus
from trading.execution.portfolio import sync_portfolio
from trading.models import AIDecision
from trading.queries import stage_words
from trading.queries.decision_rows import rows_of
from trading.queries.enriched_decisions import DecisionFilter, decision_page
from trading.queries.timeline import timelines_for

T0 = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
SYMBOLS = ("AAPL", "BTC/USD")
seconds = st.integers(0, 9)


@dataclass(frozen=True)
class Drawn:
    """One decision with what it led to; times in seconds after T0."""

    symbol: str
    status: str
    allowed: bool | None
    order_status: str | None
    purpose: str
    filled: int
    acknowledged: bool
    ended: int | None
    fills: tuple[int, ...]
    saga: str | None
    saga_ended: int | None


decisions = st.builds(
    Drawn,
    symbol=st.sampled_from(SYMBOLS),
    status=st.sampled_from(DecisionStatus),
    allowed=st.sampled_from([None, True, True, False]),
    order_status=st.sampled_from([None, "filled", "filled", *OrderStatus]),
    purpose=st.sampled_from(["entry", "entry", "exit"]),
    filled=st.sampled_from([0, 4, 10, 10]),
    acknowledged=st.sampled_from([True, True, False]),
    ended=st.none() | seconds,
    fills=st.lists(seconds, max_size=2).map(tuple),
    saga=st.sampled_from([None, "completed", "completed", *SagaStatus]),
    saga_ended=st.sampled_from([None, 9, 9]),
)
happenings = st.lists(st.tuples(st.sampled_from(SYMBOLS), seconds), max_size=3)


def at(second: int | None) -> datetime | None:
    return None if second is None else T0 + timedelta(seconds=second)


def backdated(row: models.Model, **columns: Any) -> None:
    """Write columns that fill themselves in at the insert."""
    type(row)._default_manager.filter(pk=row.pk).update(**columns)


def stored(drawn: Drawn) -> UUID:
    """Write a decision and what it led to; return its id."""
    action = "buy" if drawn.purpose == "entry" else "sell"
    check = None
    if drawn.allowed is not None:
        check = factories.make_risk_check(**({} if drawn.allowed else {"reason": "stale_price"}))
    decision = factories.make_decision(
        symbol=drawn.symbol, status=drawn.status, action=action, risk_check=check
    )
    if drawn.order_status is None:
        return decision.pk
    order = factories.make_order(
        decision=decision,
        symbol=drawn.symbol,
        side=action,
        purpose=drawn.purpose,
        status=drawn.order_status,
        quantity=Decimal(10),
        filled_quantity=Decimal(drawn.filled),
        acknowledged_at=T0 if drawn.acknowledged else None,
        ended_at=at(drawn.ended),
    )
    backdated(order, created_at=T0)
    for second in drawn.fills:
        backdated(factories.make_fill(order=order), recorded_at=at(second))
    if drawn.saga is not None:
        factories.make_saga(order=order, status=drawn.saga, ended_at=at(drawn.saga_ended), steps=False)
    return decision.pk


class StoredFacts(TestCase):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        drawn=st.lists(decisions, min_size=1, max_size=4),
        sales=happenings,
        closings=happenings,
        held=st.sets(st.sampled_from(SYMBOLS)),
    )
    def test_filter_by_stage_and_status_finds_what_the_pure_timeline_says(
        self,
        drawn: list[Drawn],
        sales: list[tuple[str, int]],
        closings: list[tuple[str, int]],
        held: set[str],
    ) -> None:
        """Every stage and status, over facts that need not make sense together, in PostgreSQL."""
        ids = {stored(each) for each in drawn}
        for symbol, second in sales:
            order = factories.make_order(symbol=symbol, side="sell", purpose="flatten", status="filled")
            factories.make_trade(order=order, traded_at=at(second))
        for symbol, second in closings:
            closing = {"aggregate_type": "position", "aggregate_id": symbol, "type": "position.closed"}
            sequence = factories.Event.objects.filter(aggregate_id=symbol).count() + 1
            backdated(factories.make_event(sequence=sequence, **closing), occurred_at=at(second))
        for symbol in held:
            factories.make_position(symbol)

        timelines = timelines_for(ids)
        self.assert_found(timelines)  # no word is stored yet: what is noted is read anew
        assert stage_words.catch_up() >= len(ids)
        assert stage_words.noted() == []
        self.assert_found(timelines)

    def assert_found(self, timelines: dict[UUID, tuple[Any, ...]]) -> None:
        for stage in StageName:
            for status in StageStatus:
                words = keys_with(stage, status)
                found = decision_page(DecisionFilter(stages=words), limit=200).rows
                right = {pk for pk, told in timelines.items() if StageStatus(status) is _status(told, stage)}
                assert {row.decision_id for row in found} == right, (stage, status)


def _status(told: Any, stage: StageName) -> StageStatus:
    return StageStatus(next(each.status for each in told if each.stage == stage))


@pytest.mark.parametrize("stage", StageName)
def test_each_word_has_one_status_at_each_stage(stage: StageName) -> None:
    found = [word for status in StageStatus for word in keys_with(stage, status)]

    assert sorted(found) == sorted(KEYS)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "allowed", "word"),
    [
        ("pending", None, UNJUDGED),
        ("held", None, "csssss"),
        ("denied", False, "cfssss"),
        ("executing", True, "ccpppp"),
    ],
)
def test_word_without_an_order(status: str, allowed: bool | None, word: str) -> None:
    decision = stored(Drawn("AAPL", status, allowed, None, "entry", 0, False, None, (), None, None))

    assert [stage_words.word_of(row) for row in rows_of([decision])] == [word]


def bought(symbol: str = "AAPL") -> UUID:
    """Write a decision that bought, and whose position is booked."""
    return stored(Drawn(symbol, "executed", True, "filled", "entry", 10, True, 1, (1,), "completed", 2))


@pytest.mark.django_db
def test_position_found_closed_settles_the_exit_of_its_symbol_alone() -> None:
    mine, other = bought(), bought("BTC/USD")
    factories.make_position("BTC/USD")
    stage_words.catch_up()
    factories.make_event(aggregate_type="position", aggregate_id="AAPL", type="position.closed")

    assert stage_words.noted() == [mine]
    stage_words.catch_up()

    words = dict(AIDecision.objects.values_list("pk", "stages"))
    assert (words[mine], words[other]) == ("cccccc", "cccccp")


@pytest.mark.django_db
def test_exit_inferred_from_a_sale_is_open_again_when_the_symbol_is_held() -> None:
    """The sync missed the position; a later one finds one: until it is closed, nobody knows whose it is."""
    mine = bought()
    order = factories.make_order(symbol="AAPL", side="sell", purpose="flatten", status="filled")
    factories.make_trade(order=order)
    stage_words.catch_up()
    inferred = AIDecision.objects.get(pk=mine).stages
    factories.make_position()

    stage_words.catch_up()

    assert inferred in EXIT_OPEN
    assert inferred == "cccccc?"
    assert AIDecision.objects.get(pk=mine).stages == "cccccp"


@pytest.mark.django_db
def test_decisions_from_before_the_word_are_stamped() -> None:
    rows = [bought(), stored(Drawn("AAPL", "denied", False, None, "entry", 0, False, None, (), None, None))]
    AIDecision.objects.update(stages="")

    assert stage_words.stamp_unstamped() == len(rows)
    assert wrong_stages() == {}
    assert stage_words.stamp_unstamped() == 0


def words() -> dict[str, str]:
    """Return the stored words by action, once the noted changes are taken."""
    stage_words.catch_up()
    return dict(AIDecision.objects.values_list("action", "stages"))


@pytest.mark.django_db
def test_words_follow_a_position_from_its_order_to_its_exit(account: Outside) -> None:
    """The services alone: gate, order, fills, booking and syncs, each in its own transaction."""
    entry = passed(STOCK)
    seen = [words()["buy"]]
    advanced_to_its_end(entry.pk)
    seen.append(words()["buy"])
    change(entry.decision.cycle, status="completed", stage="ended", ended_at=ago())

    advanced_to_its_end(passed(STOCK, "sell").pk)

    assert seen == ["ccpppp", "cccccp"]
    assert words() == {"buy": "cccccc", "sell": "cccccc"}
    assert wrong_stages() == {}


@pytest.mark.django_db
def test_word_follows_a_position_that_a_stranger_sold(account: Outside) -> None:
    advanced_to_its_end(passed(STOCK).pk)
    account.sell_everything()

    sync_portfolio(None)

    assert words() == {"buy": "cccccc"}
    assert wrong_stages() == {}


@pytest.mark.django_db(transaction=True)
def test_booking_and_sync_that_do_not_see_each_other_are_both_taken() -> None:
    """Neither transaction sees the other's row; whoever commits last leaves a note."""
    stored(Drawn("AAPL", "executing", True, "filled", "entry", 10, True, 1, (1,), "running", None))
    stage_words.catch_up()

    with transaction.atomic():
        factories.make_event(aggregate_type="position", aggregate_id="AAPL", type="position.closed")
        with beside(lambda: factories.Saga.objects.update(status="completed", ended_at=at(2))) as booking:
            booking.result(60)
        with beside(stage_words.catch_up) as other:
            other.result(60)
    stage_words.catch_up()

    assert AIDecision.objects.get().stages == "cccccc"
    assert wrong_stages() == {}


@pytest.mark.django_db(transaction=True)
def test_one_process_at_a_time_takes_the_notes() -> None:
    """A second one, with an older reading, could write its word last."""
    decision = bought()

    with transaction.atomic():
        assert stage_words._alone()
        with beside(stage_words.catch_up) as other:
            taken = other.result(60)
        waiting = stage_words.noted()

    assert (taken, waiting) == (0, [decision])
    assert words() == {"buy": "cccccp"}


@pytest.mark.django_db(transaction=True)
def test_decision_that_somebody_holds_is_not_waited_for() -> None:
    """Whoever holds it may be stopped; the notes of its symbol's exits stay with its own."""
    held, other = bought(), bought("BTC/USD")
    stage_words.catch_up()
    factories.make_position("BTC/USD")
    factories.make_event(aggregate_type="position", aggregate_id="AAPL", type="position.closed")

    with transaction.atomic():
        AIDecision.objects.select_for_update().get(pk=held)
        with beside(stage_words.catch_up) as taking:
            taken = taking.result(60)

    assert taken == 1
    assert stage_words.noted() == [held]
    assert wrong_stages() == {}
    assert AIDecision.objects.get(pk=other).stages == "cccccp"


@pytest.mark.django_db
def test_notes_stay_until_their_words_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever dies in between leaves them to the next."""
    decision = bought()

    def die(_: object) -> int:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(stage_words, "restamp", die)
        with pytest.raises(RuntimeError):
            stage_words.catch_up()

    assert stage_words.noted() == [decision]
    assert wrong_stages() == {}


@pytest.mark.django_db
def test_pages_by_stage_are_exact_while_notes_wait() -> None:
    """Stored, noted and already right ones meet in one list: nothing twice, nothing left out, in order."""
    ids = [bought() for _ in range(3)]
    order = factories.make_order(symbol="AAPL", side="sell", purpose="flatten", status="filled")
    factories.make_trade(order=order)
    stage_words.catch_up()  # sold, and nothing is held: their exits are inferred
    factories.make_position("AAPL")  # held after all: they are open again
    ids += [bought("BTC/USD") for _ in range(2)]
    stage_words.catch_up()
    ids += [bought("BTC/USD") for _ in range(3)]
    factories.make_event(aggregate_type="position", aggregate_id="AAPL", type="position.closed")
    wanted = DecisionFilter(stages=keys_with(StageName.EXIT, StageStatus.PENDING))

    seen: list[UUID] = []
    page = decision_page(wanted, limit=2)
    while True:
        seen += [row.decision_id for row in page.rows]
        if page.next is None:
            break
        page = decision_page(wanted, position=page.next, limit=2)

    assert seen == ids[:2:-1]
    back = decision_page(wanted, position=page.previous, limit=2)
    assert [row.decision_id for row in back.rows] == seen[2:4]
    closed = decision_page(DecisionFilter(stages=("cccccc",)), limit=9)
    assert [row.decision_id for row in closed.rows] == ids[2::-1]


@pytest.mark.django_db(transaction=True)
def test_sweeper_goes_on_where_the_notes_cannot_be_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise OperationalError("lock timeout")

    decision = bought()
    monkeypatch.setattr(stage_words, "catch_up", fail)

    call_command("sweeper", "--once")

    assert "stages_not_kept" in caplog.text
    assert "sweeper_round_failed" not in caplog.text
    assert stage_words.noted() == [decision]


@pytest.mark.django_db
def test_word_that_was_stored_since_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    decision = bought()
    read = rows_of([decision])
    stage_words.catch_up()
    AIDecision.objects.update(stages="cccccc")  # by one who read later
    monkeypatch.setattr(stage_words, "rows_of", lambda _: read)

    assert stage_words.restamp([decision]) == 0
    assert AIDecision.objects.get().stages == "cccccc"


@pytest.mark.django_db(transaction=True)
def test_sweeper_takes_the_notes() -> None:
    bought()

    call_command("sweeper", "--once")

    assert stage_words.noted() == []
    assert AIDecision.objects.get().stages == "cccccp"


@pytest.mark.parametrize(
    ("most", "waited_seconds", "is_due"),
    [
        (0, 60.0, False),
        (1, 4.9, False),
        (1, 5.0, True),
        (2_500, 1.0, False),
        (2_501, 1.0, True),
    ],
)
def test_words_are_brought_up_every_five_seconds_or_once_many_are_noted(
    most: int, waited_seconds: float, is_due: bool
) -> None:
    assert stage_words.is_due(most, waited_seconds) is is_due
