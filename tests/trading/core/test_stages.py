"""The stored word of a decision's stages is what the timeline's rules say, whatever the facts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import models, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests import factories
from tests.risk.threads import beside, wait_for_blocked
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, ago, change, passed, wrong_stages
from trading.core import stages
from trading.domain.stage_keys import EXIT_OPEN, KEYS, UNJUDGED, key_without_order, keys_with
from trading.domain.statuses import DecisionStatus, OrderStatus, SagaStatus
from trading.domain.timeline import StageName, StageStatus
from trading.execution.portfolio import sync_portfolio
from trading.models import AIDecision
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

        stages.restamp(ids)

        timelines = timelines_for(ids)
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
    assert key_without_order(status, allowed) == word


def bought(symbol: str = "AAPL") -> UUID:
    """Write a decision that bought, and whose position is booked."""
    return stored(Drawn(symbol, "executed", True, "filled", "entry", 10, True, 1, (1,), "completed", 2))


@pytest.mark.django_db
def test_position_found_closed_settles_the_exit_of_its_symbol_alone() -> None:
    mine, other = bought(), bought("BTC/USD")
    factories.make_position("BTC/USD")
    stages.restamp([mine, other])
    factories.make_event(aggregate_type="position", aggregate_id="AAPL", type="position.closed")

    changed = stages.restamp_exits(["AAPL"])

    assert changed == 1
    words = dict(AIDecision.objects.values_list("pk", "stages"))
    assert (words[mine], words[other]) == ("cccccc", "cccccp")


@pytest.mark.django_db
def test_exit_inferred_from_a_sale_is_open_again_when_the_symbol_is_held() -> None:
    """The sync missed the position; a later one finds one: until it is closed, nobody knows whose it is."""
    mine = bought()
    order = factories.make_order(symbol="AAPL", side="sell", purpose="flatten", status="filled")
    factories.make_trade(order=order)
    stages.restamp([mine])
    inferred = AIDecision.objects.get(pk=mine).stages
    factories.make_position()

    stages.restamp_exits(["AAPL"])

    assert inferred in EXIT_OPEN
    assert inferred == "cccccc?"
    assert AIDecision.objects.get(pk=mine).stages == "cccccp"


@pytest.mark.django_db
def test_decisions_from_before_the_word_are_stamped() -> None:
    rows = [bought(), stored(Drawn("AAPL", "denied", False, None, "entry", 0, False, None, (), None, None))]
    AIDecision.objects.update(stages="")

    assert stages.stamp_unstamped() == len(rows)
    assert wrong_stages() == {}
    assert stages.stamp_unstamped() == 0


def words() -> dict[str, str]:
    """Return the stored words by action."""
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
def test_booking_waits_for_a_sync_that_finds_the_position_closed() -> None:
    """Neither would see the other's row: without the lock of the symbol's exits it waited for an exit for good."""
    drawn = Drawn("AAPL", "executing", True, "filled", "entry", 10, True, 1, (1,), "running", None)
    decision = stored(drawn)
    stages.restamp([decision])

    def book() -> None:
        with transaction.atomic():
            factories.Saga.objects.update(status="completed", ended_at=at(2))
            stages.restamp([decision])

    with transaction.atomic():
        factories.make_event(aggregate_type="position", aggregate_id="AAPL", type="position.closed")
        stages.restamp_exits(["AAPL"])
        waiting = beside(book)
        waiting.__enter__()
        wait_for_blocked()
    waiting.__exit__(None, None, None)

    assert AIDecision.objects.get().stages == "cccccc"
    assert wrong_stages() == {}
