"""A thesis is frozen with its entry, told to the next question, and ended where the position is gone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ai.domain.types import Action, Proposal, ProposedExit
from tests.factories import (
    make_agent,
    make_cycle,
    make_decision,
    make_fill,
    make_order,
    make_position,
    make_snapshot,
    make_strategy,
    make_thesis,
    make_trade,
    make_user,
)
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, ago, change, passed
from trading.analysis.decision_outcomes import apply_proposal
from trading.analysis.decision_records import make_record, read_record
from trading.analysis.model_questions import question_for, read_scene
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AIDecision, Order, Strategy, Thesis
from trading.orders.submission import submit_order
from trading.protection.theses import close_gone, close_theses, open_theses
from trading.protection.wanted import plan_for

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def entry(**said: Any) -> Order:
    decision = make_decision(reasoning="It dips.", strategy_version=3, **said)
    return make_order(decision=decision, status="filled", reference_price=Decimal(100))


def thesis_of(order: Order, **trade: Any) -> Thesis:
    open_theses([make_trade(order=order, **trade)])
    return Thesis.objects.get(order=order)


def sold(symbol: str = "AAPL", *, purpose: str = "exit", price: int = 101, **decision: Any) -> Order:
    made = make_decision(symbol=symbol, action="sell", **decision) if purpose == "exit" else None
    order = make_order(
        decision=made,
        symbol=symbol,
        side="sell",
        purpose=purpose,
        status="filled",
        filled_quantity=Decimal(1),
        average_price=Decimal(price),
    )
    make_fill(order=order, symbol=symbol, side="sell", price=Decimal(price))
    return order


def test_an_entry_freezes_what_it_was_for() -> None:
    order = entry(
        stop_percent=Decimal(4),
        target_percent=Decimal(9),
        horizon_sessions=7,
        invalidation="It closes below 90.",
    )

    thesis = thesis_of(order, price=Decimal(100))

    assert (thesis.symbol, thesis.strategy_version, thesis.reasoning) == ("AAPL", 3, "It dips.")
    assert (thesis.stop_price, thesis.target_price) == (96, 109)
    assert (thesis.stop_percent, thesis.target_percent) == (4, 9)
    assert (thesis.horizon_sessions, thesis.invalidation) == (7, "It closes below 90.")
    assert (thesis.entry_price, thesis.closed_at) == (100, None)


def test_a_decision_that_says_nothing_has_its_strategys_figures() -> None:
    thesis = thesis_of(entry(), price=Decimal(100))

    assert (thesis.stop_price, thesis.target_price, thesis.horizon_sessions) == (95, 110, None)


def test_a_strategy_that_goes_by_ranges_takes_the_one_that_was_seen() -> None:
    strategy = make_strategy(stop_atr_multiple=Decimal(3))
    decision = make_decision(strategy=strategy)
    assert plan_for(decision, Decimal(100)).stop_price == 95  # type: ignore[union-attr]

    make_snapshot(cycle=decision.cycle, symbol="AAPL", price=Decimal(100), indicators={"atr_percent": 2.0})

    assert plan_for(decision, Decimal(100)).stop_price == 94  # type: ignore[union-attr]


def test_more_of_the_same_entry_changes_no_thesis() -> None:
    order = entry()
    thesis = thesis_of(order, price=Decimal(100))

    change(order.trade, price=Decimal(120))
    open_theses([order.trade])

    assert Thesis.objects.get() == thesis
    assert Thesis.objects.get().entry_price == 100


def test_what_is_no_entry_has_no_thesis() -> None:
    open_theses([make_trade(order=sold()), make_trade(order=sold(purpose="external"))])

    assert not Thesis.objects.exists()


def test_a_price_with_none_below_it_has_a_thesis_without_a_stop() -> None:
    thesis = thesis_of(entry(), price=Decimal("0.0001"))

    assert (thesis.stop_price, thesis.stop_percent, thesis.entry_price) == (None, None, Decimal("0.0001"))


@pytest.mark.parametrize(
    "column", [{"stop_price": 90}, {"reasoning": "x"}, {"entry_price": 99}, {"horizon_sessions": 1}], ids=str
)
def test_a_thesis_is_frozen(column: dict[str, Any]) -> None:
    make_thesis()

    with pytest.raises(IntegrityError, match="a row of theses never changes"):
        Thesis.objects.update(**column)


def test_the_end_of_a_thesis_is_written_once() -> None:
    thesis = make_thesis()

    assert close_theses(symbol="AAPL", reason="time_stop", at=NOW) == 1
    assert close_theses(symbol="AAPL", reason="stop_loss", at=NOW) == 0

    assert Thesis.objects.get(pk=thesis.pk).exit_reason == "time_stop"
    with pytest.raises(IntegrityError, match="never changes"):
        Thesis.objects.update(exit_reason="signal")


def gone(*held: str, sequence: int = 9) -> list[tuple[str, bool]]:
    close_gone(held, sequence=sequence, at=NOW)
    ended = Thesis.objects.filter(closed_at__isnull=False).order_by("created_at")
    return list(ended.values_list("exit_reason", "against_thesis"))


@pytest.fixture
def held() -> Thesis:
    """The thesis of an entry that ended before the sync of place 9, ten sessions long."""
    thesis = make_thesis()
    change(thesis.order, ended_sequence=5, ended_at=ago(minutes=5))
    return thesis


@pytest.mark.parametrize(
    ("sale", "word", "against"),
    [
        ({}, "signal", True),
        ({"price": 94}, "signal", False),
        ({"price": 110}, "signal", False),
        ({"purpose": "stop_loss", "price": 101}, "stop_loss", False),
        ({"purpose": "flatten"}, "flatten", False),
        ({"purpose": "external"}, "external", False),
    ],
    ids=str,
)
def test_a_position_that_is_gone_ends_its_thesis(
    held: Thesis, sale: dict[str, Any], word: str, against: bool
) -> None:
    sale = dict(sale)
    purpose = sale.pop("purpose", "exit")
    order = sold(purpose="external" if purpose == "stop_loss" else purpose, **sale)
    change(order, purpose=purpose, decision=held.decision if purpose == "stop_loss" else order.decision)

    assert gone() == [(word, against)]


def test_a_position_gone_without_a_sale_of_ours_says_so(held: Thesis) -> None:
    assert gone() == [("unknown", False)]


def test_what_is_held_keeps_its_thesis(held: Thesis) -> None:
    sold()

    assert gone("AAPL") == []


def test_a_sync_that_was_asked_for_before_the_entrys_end_ends_nothing(held: Thesis) -> None:
    sold()

    assert gone(sequence=5) == []


def test_what_was_just_bought_is_not_taken_for_gone(held: Thesis) -> None:
    change(held.order, ended_at=timezone.now())
    assert gone() == []

    sold()
    assert gone() == [("signal", True)]


def test_several_entries_of_a_symbol_each_have_their_own(held: Thesis) -> None:
    second = make_thesis(horizon_sessions=None)
    change(second.order, ended_sequence=6, ended_at=ago(minutes=4))
    sold()

    assert gone() == [("signal", True), ("signal", False)]


@pytest.fixture
def scene_with_a_holding() -> Any:
    """A cycle that sees AAPL at 101, which is held with a thesis of ten sessions and four verdicts."""
    make_agent(market_time=NOW, market_time_read_at=timezone.now(), market_open=True)
    thesis = make_thesis(opened_at=NOW - timedelta(minutes=5))
    make_position("AAPL", opened_at=NOW)
    for number in range(4):
        made = make_cycle()
        make_decision(
            cycle=made, action="hold", status="held", confidence=Decimal(f"0.{number + 1}"), as_of=NOW
        )
    make_decision(cycle=make_cycle(), action="hold", status="held", reason="analysis_failed", confidence=0)
    cycle = make_cycle(status="running", symbols=["AAPL"])
    make_snapshot(cycle=cycle, symbol="AAPL", price=Decimal(101), quoted_at=NOW)
    return read_scene(cycle), thesis


def test_the_next_question_tells_the_thesis_and_its_record_keeps_it(scene_with_a_holding: Any) -> None:
    scene, thesis = scene_with_a_holding
    strategy = thesis.strategy

    question = question_for(strategy, scene, ["AAPL"])

    assert question is not None
    record = make_record(strategy, question, models=["m"], scene=scene)
    holding = read_record(record).question.symbols[0].holding
    assert holding is not None
    assert (holding.entered_at, holding.entry_price) == (thesis.opened_at, 100)
    assert [verdict.confidence for verdict in holding.verdicts] == [Decimal(f"0.{n}") for n in (4, 3, 2)]
    assert all(verdict.decided_at == NOW for verdict in holding.verdicts)
    [told] = holding.theses
    assert (told.reasoning, told.stop_price, told.sessions_left) == ("A dip in a rising trend.", 95, 10)
    assert told.strategy == strategy.name


@pytest.mark.parametrize(("price", "against"), [(101, True), (95, False), (111, False)])
def test_a_sale_against_the_thesis_says_so(scene_with_a_holding: Any, price: int, against: bool) -> None:
    scene, thesis = scene_with_a_holding
    row = AIDecision(symbol="AAPL", strategy=thesis.strategy, price=Decimal(price))

    apply_proposal(row, Proposal("AAPL", Action.SELL, Decimal("0.9"), "Out."), scene=scene)

    assert (row.against_thesis, row.status) == (against, "pending")


def test_a_proposed_exit_is_bounded_by_its_strategy_and_what_was_changed_is_noted(
    scene_with_a_holding: Any,
) -> None:
    scene, _ = scene_with_a_holding
    strategy = Strategy(name="S", widest_stop_percent=Decimal(10), time_stop_sessions=5)
    row = AIDecision(symbol="AAPL", strategy=strategy, price=Decimal(101))
    said = ProposedExit(Decimal(40), None, 30, "It falls.", ("target_percent: was -9, expected a number",))

    apply_proposal(row, Proposal("AAPL", Action.BUY, Decimal("0.9"), "In.", said), scene=scene)

    assert (row.stop_percent, row.target_percent, row.horizon_sessions) == (10, None, 5)
    assert row.invalidation == "It falls."
    assert row.proposal_note == (
        "target_percent: was -9, expected a number; stop of 40 % taken as 10 %; horizon of 30 sessions taken as 5"
    )


def test_a_thesis_is_the_same_however_many_parts_were_told_when_it_was_booked(account: Outside) -> None:
    account.venue.fault(kind="partial_fill", fraction=0.4, seconds=0.3, symbols=[STOCK], times=1)
    entered = passed(STOCK, whole=True)
    advanced_to_its_end(entered.pk)

    thesis, order = Thesis.objects.get(), Order.objects.get(pk=entered.order_id)
    first = order.fills.order_by("executed_at").first()
    assert first is not None
    assert order.fills.count() == 2
    assert (thesis.opened_at, thesis.entry_price) == (first.executed_at, first.price)
    assert (thesis.stop_price, thesis.target_price) == (order.stop_loss_price, order.take_profit_price)


def test_an_entry_and_its_sale_at_the_broker(account: Outside, client: Client) -> None:
    """From the booked entry to the sale that goes against it, and what the console shows of both."""
    entered = passed(STOCK, stop_percent=Decimal(4), horizon_sessions=5, invalidation="It falls.")
    submit_order(entered.order_id)
    advanced_to_its_end(entered.pk)
    thesis = Thesis.objects.get()
    assert (thesis.decision_id, thesis.symbol, thesis.closed_at) == (entered.decision_id, STOCK, None)
    assert thesis.stop_price is not None
    assert thesis.stop_price < thesis.entry_price < (thesis.target_price or 0)

    change(entered.decision.cycle, status="completed", ended_at=timezone.now())
    sale = passed(STOCK, "sell", against_thesis=True)
    submit_order(sale.order_id)
    advanced_to_its_end(sale.pk)
    sync_portfolio(None)

    ended = Thesis.objects.get()
    assert (ended.exit_reason, ended.against_thesis) == ("signal", True)
    assert ended.closed_at is not None
    client.force_login(make_user(is_superuser=True))
    bought = client.get(
        reverse("admin:trading_aidecision_change", args=[entered.decision_id])
    ).content.decode()
    assert "Its thesis, frozen at the entry" in bought
    assert "Wrong when: It falls." in bought
    assert "against the thesis" in bought
    page = client.get(reverse("admin:trading_aidecision_change", args=[sale.decision_id])).content.decode()
    assert "This sale goes against the thesis of its entry" in page
    assert market_now() is not None
