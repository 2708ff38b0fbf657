"""What a decision saw is kept as it was, and the same question can be put again."""

import copy
import hashlib
import json
import zlib
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid6 import uuid7

from ai.domain.prompt import Message, read_facts, render_messages
from ai.domain.question_json import question_from_json, question_to_json
from ai.domain.types import (
    AnalysisQuestion,
    HeadlineFact,
    HoldingFacts,
    PortfolioFacts,
    PositionFacts,
    ProtectionFacts,
    SymbolFacts,
    ThesisFacts,
    VerdictFacts,
)
from ai.models import ModelCall
from tests.ai.factories import make_indicators
from tests.factories import (
    make_cycle,
    make_decision,
    make_limits,
    make_position,
    make_snapshot,
    make_strategy,
    make_user,
)
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change
from trading.analysis.cycle_analysis import analyse_cycle
from trading.analysis.decision_records import make_record, messages_again, read_record, store_records
from trading.analysis.model_questions import question_for, read_scene
from trading.analysis.sealed_facts import sealed, unsealed
from trading.core.settings import set_runtime_setting
from trading.errors import RecordError
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AIDecision, BarHistory, Cycle, DecisionRecord, Strategy

ALL = [STOCK, OTHER_STOCK, COIN]
NUMBER = st.decimals(min_value=-(10**12), max_value=10**12, places=9)
WORDS = st.text(max_size=60)
TIME = st.datetimes(timezones=st.just(UTC))
HEADLINES = st.lists(st.builds(HeadlineFact, WORDS, WORDS, TIME), max_size=4).map(tuple)

PRICES = st.none() | NUMBER
HOLDINGS = st.builds(
    HoldingFacts,
    entered_at=TIME,
    entry_price=NUMBER,
    theses=st.lists(
        st.builds(
            ThesisFacts,
            strategy=WORDS,
            opened_at=TIME,
            entry_price=NUMBER,
            reasoning=WORDS,
            invalidation=WORDS,
            stop_price=PRICES,
            target_price=PRICES,
            horizon_sessions=st.none() | st.integers(1, 250),
            sessions_left=st.none() | st.integers(0, 250),
        ),
        max_size=2,
    ).map(tuple),
    verdicts=st.lists(st.builds(VerdictFacts, WORDS, NUMBER, st.none() | TIME), max_size=2).map(tuple),
    protection=st.none() | st.builds(ProtectionFacts, WORDS, PRICES, PRICES),
)


def symbol_facts(symbol: str) -> st.SearchStrategy[SymbolFacts]:
    return st.builds(
        SymbolFacts,
        symbol=st.just(symbol),
        price=st.decimals(min_value="0.000001", max_value=10**9, places=9),
        change_percent=st.none() | NUMBER,
        indicators=st.none() | st.just(make_indicators()),
        headlines=HEADLINES,
        position_quantity=NUMBER,
        unrealised_pnl_percent=st.none() | NUMBER,
        quoted_at=TIME,
        source=WORDS,
        holding=st.none() | HOLDINGS,
    )


QUESTIONS = st.builds(
    AnalysisQuestion,
    as_of=TIME,
    strategy_name=WORDS,
    instructions=WORDS,
    portfolio=st.builds(
        PortfolioFacts,
        NUMBER,
        NUMBER,
        NUMBER,
        st.integers(0, 50),
        st.lists(st.builds(PositionFacts, WORDS, NUMBER, st.none() | NUMBER), max_size=3).map(tuple),
    ),
    symbols=st.tuples(symbol_facts("AAPL"), symbol_facts("BTC/USD")),
    headlines=HEADLINES,
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(question=QUESTIONS)
def test_any_question_comes_back_and_renders_the_same(question: AnalysisQuestion) -> None:
    written = json.dumps(question_to_json(question))

    again = question_from_json(json.loads(written))

    assert again == question
    assert render_messages(again) == render_messages(question)


@pytest.mark.parametrize("values", [{}, {"as_of": "2020-01-01"}, {"as_of": 3}])
def test_what_is_no_question_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no question"):
        question_from_json(values)


def make_bars(symbol: str, *closes: str) -> BarHistory:
    now = market_now()
    assert now is not None
    bars = [["2020-10-01T00:00:00+00:00", "1", "2", "0.5", close, "1000"] for close in closes or ("1.5",)]
    return BarHistory.objects.create(
        symbol=symbol, market_date=now.astimezone(UTC).date(), bars=bars, fetched_at=now
    )


@pytest.fixture
def cycle(account: Outside) -> Cycle:
    """A cycle with three prices, a position, a headline and a strategy, analysed by the built-in analyst."""
    make_strategy(name="Momentum", instructions="Prefer to hold.", version=3, keywords=["fed"])
    cycle = make_cycle(status="running", symbols=ALL)
    sync_portfolio(cycle.pk)
    for symbol in ALL:
        make_snapshot(
            cycle=cycle,
            symbol=symbol,
            quoted_at=market_now(),
            price=Decimal("123.456789"),
            previous_close=Decimal("120.1"),
            indicators=make_indicators().to_dict(),
        )
    make_bars(STOCK)
    make_position(COIN, quantity=Decimal("0.123456789"), market_value=Decimal(220))
    headline = {"source": "wire", "published_at": ago(hours=30 * 24 * 365).isoformat()}
    about = headline | {"symbols": [STOCK], "title": "Strong \u202equarter“ `for` 株"}
    general = headline | {"symbols": ["ZZZ"], "title": "The Fed waits"}
    change(cycle, headlines=[about, general])
    set_runtime_setting(name="symbols_per_call", value="2", actor="test")
    analyse_cycle(cycle.pk)
    return cycle


def question_again(decision: AIDecision) -> list[Message]:
    """Render what was put before the decision's model anew, from the record alone."""
    assert decision.model_call is not None
    assert decision.record is not None
    return messages_again(read_record(decision.record), decision.model_call.symbols)


def test_the_same_prompt_is_rendered_from_the_record_byte_for_byte(cycle: Cycle) -> None:
    for decision in AIDecision.objects.filter(cycle=cycle):
        call = decision.model_call
        assert call is not None

        again = question_again(decision)

        assert json.dumps(again).encode() == json.dumps(call.prompt).encode()
        text = json.dumps(again, sort_keys=True).encode()
        assert hashlib.sha256(text).hexdigest() == call.prompt_hash
    assert ModelCall.objects.filter(cycle_id=cycle.pk).count() == 2


def test_what_was_asked_before_theses_is_rendered_as_it_was(cycle: Cycle) -> None:
    """A record from then names its version, and has no holding in its question."""
    record = AIDecision.objects.filter(cycle=cycle)[0].record
    assert record is not None
    facts = copy.deepcopy(dict(read_record(record).facts))
    facts["prompt_version"] = "decisions-v2"
    for symbol in facts["question"]["symbols"]:
        del symbol["holding"]
    sealed_then = sealed(facts)
    sealed_then.seen_sha256 = ""
    old = read_record(sealed_then)

    system, user = messages_again(old, [COIN])

    assert "theses" not in system["content"] + user["content"]
    assert read_facts([user])["symbols"][0]["position"].keys() == {"quantity", "unrealised_pnl_percent"}
    assert [system, user] == render_messages(
        replace(old.question, symbols=old.question.symbols[2:]), version="decisions-v2"
    )


def test_the_record_has_everything_in_its_versions(cycle: Cycle) -> None:
    decision = AIDecision.objects.get(cycle=cycle, symbol=STOCK)
    assert decision.record is not None

    seen = read_record(decision.record)

    assert decision.strategy_version == seen.facts["strategy"]["version"] == 3
    assert seen.facts["strategy"]["instructions"] == "Prefer to hold."
    assert (seen.facts["limits"]["version"], seen.facts["limits"]["max_positions"]) == (1, "15")
    assert seen.facts["settings"]["confidence_threshold"] == "0.7"
    assert seen.facts["prices"][STOCK]["previous_close"].startswith("120.1")
    assert [facts.symbol for facts in seen.question.symbols] == ALL
    assert seen.question.headlines[0].title == "The Fed waits"
    assert seen.question.portfolio.positions[0].symbol == COIN


def test_the_bars_behind_the_indicators_are_kept_once(cycle: Cycle) -> None:
    decision = AIDecision.objects.get(cycle=cycle, symbol=STOCK)
    assert decision.record is not None
    prices = read_record(decision.record).facts["prices"]
    before = DecisionRecord.objects.get(pk=prices[STOCK]["bars"])
    assert unsealed(before)["bars"] == BarHistory.objects.get().bars
    assert prices[COIN]["bars"] is None

    scene = read_scene(cycle)
    stored = set(DecisionRecord.objects.values_list("pk", flat=True))
    gate = Cycle.objects.get(pk=cycle.pk).gate_record_id
    store_records(list(scene.bars.values()))
    assert set(DecisionRecord.objects.values_list("pk", flat=True)) == stored, "the same bars are stored once"
    assert stored == {decision.record_id, before.pk, gate}

    BarHistory.objects.update(bars=[])
    assert unsealed(DecisionRecord.objects.get(pk=before.pk))["bars"], "a later day changes no record"


def test_one_record_serves_all_decisions_of_the_strategy(cycle: Cycle) -> None:
    assert len(set(AIDecision.objects.values_list("record", flat=True))) == 1


def test_later_changes_reach_no_record(cycle: Cycle) -> None:
    decision = AIDecision.objects.get(cycle=cycle, symbol=STOCK)
    before = question_again(decision)
    make_limits(max_positions=3)
    change(decision.strategy, instructions="Sell everything.", version=4)
    change(cycle, headlines=[])
    change(cycle.snapshots.get(symbol=STOCK), price=Decimal(1))

    assert question_again(AIDecision.objects.get(pk=decision.pk)) == before


@pytest.mark.parametrize(
    "column",
    [
        {"confidence": Decimal(1)},
        {"action": "buy"},
        {"reasoning": "x"},
        {"price": 1},
        {"record": None},
        {"stop_percent": Decimal(3)},
        {"target_percent": Decimal(3)},
        {"horizon_sessions": 3},
        {"invalidation": "x"},
        {"proposal_note": "x"},
        {"against_thesis": True},
        {"as_of": None},
    ],
    ids=str,
)
def test_what_was_decided_never_changes(cycle: Cycle, column: dict[str, Any]) -> None:
    held = AIDecision.objects.filter(cycle=cycle, action="hold")
    rows = held if "action" in column else AIDecision.objects.filter(cycle=cycle)

    with pytest.raises(IntegrityError, match=r"never changes|hold_never_trades"):
        rows.update(**column)


def test_what_becomes_of_a_decision_may_change(cycle: Cycle) -> None:
    decision = AIDecision.objects.filter(cycle=cycle).first()
    assert decision is not None

    change(decision, reason_detail="later")

    assert decision.reason_detail == "later"


def test_a_record_never_changes(cycle: Cycle) -> None:
    with pytest.raises(IntegrityError, match="a row of decision_records never changes"):
        DecisionRecord.objects.update(size=1)


@pytest.mark.django_db
def test_a_record_that_is_not_its_fingerprint_is_not_believed() -> None:
    forged = DecisionRecord(sha256="0" * 64, body=zlib.compress(b"{}"), size=2)
    torn = DecisionRecord(sha256="0" * 64, body=b"torn", size=2)

    with pytest.raises(RecordError, match="not what its fingerprint says"):
        read_record(forged)
    with pytest.raises(RecordError, match="cannot be read"):
        read_record(torn)


def test_the_console_shows_what_a_decision_saw(cycle: Cycle, client: Client) -> None:
    decision = AIDecision.objects.get(cycle=cycle, symbol=STOCK)
    client.force_login(make_user(is_superuser=True))

    page = client.get(reverse("admin:trading_aidecision_change", args=[decision.pk])).content.decode()
    record = client.get(reverse("admin:trading_decisionrecord_change", args=[decision.record_id]))

    assert "Strategy version 3, limits version 1, prompt decisions-v3, mode autonomous" in page
    assert "Prefer to hold." in page
    assert "0.123456789" in record.content.decode()


def test_the_console_says_when_a_record_cannot_be_believed(cycle: Cycle, client: Client) -> None:
    forged = DecisionRecord.objects.create(sha256="0" * 64, body=zlib.compress(b"{}"), size=2)
    decision = make_decision(cycle=cycle, record=forged)
    client.force_login(make_user(is_superuser=True))

    page = client.get(reverse("admin:trading_aidecision_change", args=[decision.pk])).content.decode()
    record = client.get(reverse("admin:trading_decisionrecord_change", args=[forged.pk]))

    assert "is not what its fingerprint says" in page
    assert record.status_code == 200
    assert "is not what its fingerprint says" in record.content.decode()


def test_what_was_seen_has_a_fingerprint_without_wall_times_and_ids(cycle: Cycle) -> None:
    """A run that sees the same at another hour, under other ids, shares it; one that sees other prices does not."""
    first = AIDecision.objects.get(cycle=cycle, symbol=STOCK).record
    assert first is not None
    scene = read_scene(cycle)
    assert scene.now is not None
    strategy = Strategy.objects.get()

    def record_of(**changes: Any) -> DecisionRecord:
        later = {
            symbol: copied(row, fetched_at=ago(hours=-3), **changes)
            for symbol, row in scene.snapshots.items()
        }
        seen = replace(scene, snapshots=later, now=read_record(first).question.as_of, verdicts={})
        question = question_for(strategy, seen, ALL)
        assert question is not None
        twin = copied(strategy, pk=uuid7())
        return make_record(twin, question, models=read_record(first).facts["models"], scene=seen)

    same, other = record_of(), record_of(price=Decimal("123.456790"))

    assert (same.sha256 == first.sha256, same.seen_sha256 == first.seen_sha256) == (False, True)
    assert other.seen_sha256 != first.seen_sha256
    assert read_record(same).question == read_record(first).question


def copied(row: Any, **changes: Any) -> Any:
    twin = copy.copy(row)
    for name, value in changes.items():
        setattr(twin, name, value)
    return twin


def test_record_from_before_is_read_and_one_that_lies_of_what_was_seen_is_not(cycle: Cycle) -> None:
    record = DecisionRecord.objects.get(pk=AIDecision.objects.filter(cycle=cycle)[0].record_id)

    record.seen_sha256 = ""
    assert read_record(record).question.symbols
    record.seen_sha256 = "0" * 64
    with pytest.raises(RecordError, match="seen is not what its fingerprint says"):
        read_record(record)
