"""Answers of models are judged decision by decision; the hostile ones cost themselves only."""

import json
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.domain.answer import (
    MAX_ANSWER_CHARACTERS,
    MAX_REASONING_CHARACTERS,
    Decision,
    ParsedAnswer,
    parse_answer,
    response_format,
)
from ai.domain.types import Action, HoldReason, Proposal, ProposedExit

ASKED = ("AAPL", "BTC/USD", "T")


def decision(symbol: Any = "AAPL", **overrides: Any) -> dict[str, Any]:
    return {"symbol": symbol, "action": "buy", "confidence": 0.8, "reasoning": "It rose.", **overrides}


def answer(*decisions: Any) -> str:
    return json.dumps({"decisions": decisions})


def reasons(parsed: ParsedAnswer, symbol: str | None) -> list[HoldReason]:
    return [problem.reason for problem in parsed.problems if problem.symbol == symbol]


def test_a_sound_answer_is_taken() -> None:
    parsed = parse_answer(answer(decision(), decision("T", action="hold"), decision("BTC/USD")), ASKED)

    assert parsed.problems == ()
    assert parsed.proposals["AAPL"] == Proposal("AAPL", Action.BUY, Decimal("0.8"), "It rose.")
    assert parsed.proposals["T"].action is Action.HOLD


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": float("nan")},
        {"confidence": float("inf")},
        {"confidence": float("-inf")},
        {"confidence": 1.0001},
        {"confidence": -0.1},
        {"confidence": 10**400},
        {"confidence": True},
        {"confidence": "0.9"},
        {"confidence": None},
        {"confidence": [0.9]},
        {"action": "BUY NOW"},
        {"action": " buy"},
        {"action": "\uff22uy"},
        {"action": "short"},
        {"action": ""},
        {"action": 1},
        {"action": None},
        {"action": "buy\x00"},
        {"reasoning": None},
        {"reasoning": 7},
        {"reasoning": " \u202e\u200b "},
    ],
    ids=str,
)
def test_one_bad_decision_costs_its_own_symbol_only(wrong: dict[str, Any]) -> None:
    """docs/lessons.md#lesson-3, #lesson-5, #lesson-19."""
    parsed = parse_answer(answer(decision(**wrong), decision("T"), decision("BTC/USD")), ASKED)

    assert set(parsed.proposals) == {"T", "BTC/USD"}
    assert reasons(parsed, "AAPL") == [HoldReason.INVALID_ANSWER]


@pytest.mark.parametrize("key", ["action", "confidence", "reasoning"])
def test_a_decision_without_a_key_is_invalid(key: str) -> None:
    incomplete = decision()
    del incomplete[key]

    parsed = parse_answer(answer(incomplete), ["AAPL"])

    assert reasons(parsed, "AAPL") == [HoldReason.INVALID_ANSWER]
    assert key in parsed.problems[0].detail


@pytest.mark.parametrize(
    "symbol",
    ["TSLA", "aapl", " AAPL", "AAPL\u200b", "\u0410APL", "\uff21APL", "BTCUSD", "BTC-USD", "", "AAPL; drop"],
    ids=ascii,
)
def test_a_symbol_that_was_not_asked_is_never_proposed(symbol: str) -> None:
    """docs/lessons.md#lesson-12: look-alikes and other spellings are other symbols."""
    parsed = parse_answer(answer(decision(symbol)), ASKED)

    assert parsed.proposals == {}
    assert reasons(parsed, None) == [HoldReason.UNKNOWN_SYMBOL]
    assert reasons(parsed, "AAPL") == [HoldReason.MISSING_ANSWER]
    assert parsed.problems[0].detail.isascii()


@pytest.mark.parametrize("symbol", [None, 1, ["AAPL"], {"is": "AAPL"}, True])
def test_a_symbol_that_is_no_text_is_a_problem_of_none(symbol: Any) -> None:
    parsed = parse_answer(answer(decision(symbol), decision("T")), ASKED)

    assert set(parsed.proposals) == {"T"}
    assert reasons(parsed, None) == [HoldReason.INVALID_ANSWER]


@pytest.mark.parametrize("raw", [None, 1, "AAPL buy", [], [decision()], {}])
def test_a_decision_that_is_no_object_is_a_problem_of_none(raw: Any) -> None:
    parsed = parse_answer(answer(raw, decision("T")), ASKED)

    assert set(parsed.proposals) == {"T"}
    assert reasons(parsed, None) == [HoldReason.INVALID_ANSWER]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"action": "buy"}, {"action": "sell"}),
        ({"action": "buy"}, {"action": "buy"}),
        ({"action": "no"}, {"action": "buy"}),
        ({"action": "buy"}, {"action": "no"}),
    ],
)
def test_a_symbol_decided_twice_has_no_proposal(first: dict[str, Any], second: dict[str, Any]) -> None:
    parsed = parse_answer(answer(decision(**first), decision(**second), decision("T")), ASKED)

    assert set(parsed.proposals) == {"T"}
    assert reasons(parsed, "AAPL")[-1] is HoldReason.DUPLICATE_ANSWER


def test_a_third_decision_does_not_revive_a_duplicate() -> None:
    parsed = parse_answer(answer(decision(), decision(), decision()), ["AAPL"])

    assert parsed.proposals == {}


def test_a_key_given_twice_is_no_answer() -> None:
    text = answer(decision()).replace('"action"', '"action": "sell", "action"')

    parsed = parse_answer(text, ["AAPL"])

    assert reasons(parsed, "AAPL") == [HoldReason.INVALID_ANSWER]
    assert "given twice" in parsed.problems[0].detail


def test_two_lists_of_decisions_are_no_answer() -> None:
    parsed = parse_answer('{"decisions": [], "decisions": []}', ["AAPL"])

    assert reasons(parsed, "AAPL") == [HoldReason.INVALID_ANSWER]


def test_what_is_not_decided_is_missing() -> None:
    parsed = parse_answer(answer(decision("T")), ASKED)

    assert reasons(parsed, "AAPL") == reasons(parsed, "BTC/USD") == [HoldReason.MISSING_ANSWER]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would buy Apple.",
        "null",
        "[]",
        '{"decisions": null}',
        '{"decisions": {"AAPL": "buy"}}',
        '{"decision": []}',
        '{"decisions": [',
        "[" * 100_000,
        "{" * 100_000,
        '{"decisions": [' + "null," * 1000 + "null]}",
        '{"decisions": []}' + " " * MAX_ANSWER_CHARACTERS,
        "```" * 50_000,
        "\ud800",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_a_text_that_is_no_answer_holds_every_symbol(text: str) -> None:
    parsed = parse_answer(text, ASKED)

    assert parsed.proposals == {}
    assert all(reasons(parsed, symbol) == [HoldReason.INVALID_ANSWER] for symbol in ASKED)


def test_braces_that_begin_nothing_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each error of the library looks through all that stands in front of it."""
    errors = list[int]()

    class Counted(json.JSONDecodeError):
        def __init__(self, msg: str, doc: str, pos: int) -> None:
            errors.append(pos)
            super().__init__(msg, doc, pos)

    monkeypatch.setattr("json.decoder.JSONDecodeError", Counted)

    parse_answer("{ {x" * 1000, ASKED)

    assert 1 <= len(errors) < 10  # that the whole is no JSON is found by trying


@pytest.mark.parametrize(
    "wrapped",
    [
        "```json\n{}\n```",
        "```\n{}\n```",
        "Here you are:\n```json\n{}\n```\nGood luck {{trader}}!",
        "My decisions: {} - as asked.",
        "\ufeff{}",
    ],
)
def test_json_is_found_within_prose_and_fences(wrapped: str) -> None:
    text = wrapped.replace("{}", answer(decision("T")), 1)

    assert set(parse_answer(text, ["T"]).proposals) == {"T"}


def test_confidence_is_rounded_down() -> None:
    """Rounding must not lift a proposal over the threshold."""
    parsed = parse_answer(answer(decision(confidence=0.69999999)), ["AAPL"])

    assert parsed.proposals["AAPL"].confidence == Decimal("0.6999")


@pytest.mark.parametrize(
    ("given_value", "expected"), [(0, "0"), (1, "1"), (-0.0, "0"), (1e-320, "0"), (0.7, "0.7")]
)
def test_the_bounds_of_confidence_are_inclusive(given_value: float, expected: str) -> None:
    proposal = parse_answer(answer(decision(confidence=given_value)), ["AAPL"]).proposals["AAPL"]

    assert proposal.confidence == Decimal(expected)
    assert not proposal.confidence.is_signed()


def test_reasoning_is_shown_without_what_cannot_be_seen() -> None:
    hostile = "It\x00 rose\n\n\u202eesrever\u202c \ud800`x` " + "y" * 10_000

    proposal = parse_answer(answer(decision(reasoning=hostile)), ["AAPL"]).proposals["AAPL"]

    assert proposal.reasoning.startswith("It rose esrever 'x' yyy")
    assert len(proposal.reasoning) == MAX_REASONING_CHARACTERS
    proposal.reasoning.encode()


def test_sizes_and_prices_of_the_model_are_ignored() -> None:
    parsed = parse_answer(answer(decision(quantity=10**9, price=0, symbol_2="TSLA")), ["AAPL"])

    assert parsed.proposals["AAPL"] == Proposal("AAPL", Action.BUY, Decimal("0.8"), "It rose.")


def test_the_schema_names_what_the_judgement_wants() -> None:
    schema = response_format()["json_schema"]["schema"]
    item = schema["properties"]["decisions"]["items"]

    exits = {field.name for field in fields(ProposedExit)} - {"problems"}
    assert set(item["properties"]) == set(Decision.model_fields) | exits == set(item["required"])
    assert item["properties"]["action"]["enum"] == ["buy", "sell", "hold"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*ASKED, "buy"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
hostile_decisions = json_values | st.fixed_dictionaries(
    {},
    optional={
        "symbol": st.sampled_from(ASKED) | json_values,
        "action": st.sampled_from(["buy", "sell", "hold"]) | json_values,
        "confidence": st.floats(0, 1) | json_values,
        "reasoning": st.text() | json_values,
        "extra": json_values,
    },
)
texts = (
    st.text()
    | json_values.map(json.dumps)
    | st.lists(hostile_decisions, max_size=6).map(lambda decisions: answer(*decisions))
    | st.lists(hostile_decisions, max_size=6).map(
        lambda decisions: f"So:\n```json\n{answer(*decisions)}\n```"
    )
    | st.lists(hostile_decisions, max_size=6).map(lambda decisions: answer(*decisions)[:-7])
)


@given(text=texts, asked=st.sets(st.sampled_from(ASKED), min_size=1))
def test_whatever_the_text_every_asked_symbol_is_proposed_or_explained(text: str, asked: set[str]) -> None:
    parsed = parse_answer(text, asked)

    explained = {problem.symbol for problem in parsed.problems if problem.symbol is not None}
    assert set(parsed.proposals) | explained == asked
    assert set(parsed.proposals).isdisjoint(explained)
    for symbol, proposal in parsed.proposals.items():
        assert proposal.symbol == symbol
        assert isinstance(proposal.action, Action)
        assert 0 <= proposal.confidence <= 1
        assert 0 < len(proposal.reasoning) <= MAX_REASONING_CHARACTERS
        proposal.reasoning.encode()
    for problem in parsed.problems:
        problem.detail.encode()
