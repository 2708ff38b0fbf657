"""An answer is read where its meaning is not in doubt, and nowhere else."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.domain.answer import parse_answer
from ai.domain.types import Action

ASKED = ("AAPL", "T")


def answer(action: str, *symbols: str) -> str:
    decision = {"action": action, "confidence": 0.8, "reasoning": "It rose."}
    return json.dumps({"decisions": [{"symbol": symbol, **decision} for symbol in symbols or ASKED]})


BUY, SELL = answer("buy"), answer("sell")


def actions(text: str) -> dict[str, str]:
    return {symbol: said.action.value for symbol, said in parse_answer(text, ASKED).proposals.items()}


BOUGHT = {"AAPL": "buy", "T": "buy"}


@pytest.mark.parametrize(
    "text",
    [
        f"<think>Perhaps {SELL}</think>{BUY}",
        f"<THINKING>\nPerhaps {SELL}\n</THINKING>\n\n```json\n{BUY}\n```",
        f"[THINK]{SELL}[/THINK]{BUY}",
        f'I need {{"symbol": …, "action": "hold"}}. The first is {{AAPL}}.\n</think>\n\n{BUY}',
        f"{SELL}</think>{BUY}",
        f"{BUY}\n<think>was that {SELL}?</think>",
        f'{BUY}\n\nNote: as in {{"type": "object"}}.',
        f"A brace {{ alone, then {BUY}",
        f"{BUY} }}",
        f"[{BUY}]",
        f"```json\n{BUY}\n```\nand again\n```\n{BUY}\n```",
        f'The form is {{"decisions": [...]}}, so: {BUY}',
        answer("BUY"),
        answer("Buy"),
        BUY.replace("It rose.", "It rose.</think> {high}"),
    ],
)
def test_an_answer_whose_meaning_is_not_in_doubt_is_read(text: str) -> None:
    assert actions(text) == BOUGHT


@pytest.mark.parametrize(
    "text",
    [
        f"{BUY}\n{SELL}",
        f"```json\n{SELL}\n```\nor\n```json\n{BUY}\n```",
        f"[{BUY}, {SELL}]",
        f'{BUY} {{"decisions": []}}',
        f"{SELL.replace(']}', ',]}')} {BUY}",
        f'{{"example": {BUY},}}',
        f'{{"example": {BUY}',
        f"{{ example: {BUY} }}",
        f'{{"answer": {BUY}}}',
        f"<think>Perhaps {BUY}",
        f"{BUY}</think>I will not decide.",
        f'{BUY[:-1]}, "decisions": []}}',
        json.dumps(BUY),
    ],
)
def test_an_answer_in_doubt_decides_nothing(text: str) -> None:
    assert actions(text) == {}


def test_two_that_differ_say_so() -> None:
    problems = parse_answer(f"{BUY}{SELL}", ASKED).problems

    assert {problem.detail for problem in problems} == {
        "in doubt: the answer has 2 objects with decisions, and they differ"
    }


prose = st.text(alphabet=st.sampled_from('ab {}[]":,\\\n`<>/…'), max_size=30)
parts = st.lists(
    st.sampled_from([BUY, SELL, answer("hold", "T"), "<think>", "</think>", "```json\n", "\n```", BUY[:40]])
    | prose,
    max_size=8,
)


def every_object(text: str) -> list[Any]:
    """Return each JSON object that begins anywhere: what the boldest of readers could find."""
    found: list[Any] = []
    for place, character in enumerate(text):
        if character == "{":
            try:
                found.append(json.JSONDecoder().raw_decode(text, place)[0])
            except ValueError:
                continue
    return found


@given(parts)
def test_no_trade_that_no_reading_supports(pieces: list[str]) -> None:
    text = "".join(pieces)
    readings = [one["decisions"] for one in every_object(text) if isinstance(one.get("decisions"), list)]
    supported = {(line["symbol"], line["action"]) for reading in readings for line in reading}

    assert set(actions(text).items()) <= supported


@given(before=prose, between=prose, behind=prose)
def test_two_different_answers_never_trade(before: str, between: str, behind: str) -> None:
    plain = [part.replace("<", "").replace(">", "") for part in (before, between, behind)]

    assert actions(f"{plain[0]}{BUY}{plain[1]}{SELL}{plain[2]}") == {}


@given(thought=prose | st.just(SELL), behind=st.text(alphabet="ab .,\n", max_size=20))
def test_what_was_thought_is_no_answer(thought: str, behind: str) -> None:
    inside = thought.replace("<", "").replace(">", "")

    said = actions(f"<think>{inside}</think>{BUY}{behind}")

    assert said == BOUGHT
    assert Action.SELL not in said.values()


REAL = json.loads((Path(__file__).parent / "small_model_answers.json").read_text())


@pytest.mark.parametrize("real", REAL, ids=lambda real: f"{real['form']}-{real['temperature']}")
def test_of_a_small_models_real_answers_only_sound_ones_decide(real: dict[str, Any]) -> None:
    """What SmolLM2-135M answered to real questions: most of it is none, and all of it is explained."""
    parsed = parse_answer(real["text"], real["asked"])

    assert set(parsed.proposals) == set(real["sound"])
    assert {problem.symbol for problem in parsed.problems} >= set(real["asked"]) - set(parsed.proposals)
