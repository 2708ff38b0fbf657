"""``manage.py replay`` and ``dataset``: what a person types, what is said, and by which code it ends."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evaluation.models import Dataset, Run
from tests.ai.chat_server import ChatServer
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_asset, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from trading.models import AIDecision, Cycle


@pytest.fixture
def cycle(account: Outside, chat_server: ChatServer, settings: Any) -> Cycle:
    settings.ENVIRONMENT = settings.ENVIRONMENT
    make_strategy(name="Momentum")
    for symbol in ALL:
        make_asset(symbol)
    chat_server.handlers["live"] = deciding({STOCK: ("buy", 0.9)})
    chat_server.handlers["other"] = deciding({COIN: ("buy", 0.8)})
    use_models(chat_server, LIVE)
    return analysed()


def said(*arguments: str, code: int = 0) -> tuple[str, str]:
    """Return what a replay prints and says beside it; it must end with ``code``."""
    out, err = StringIO(), StringIO()
    try:
        call_command("replay", *arguments, stdout=out, stderr=err)
        ended = 0
    except SystemExit as stopped:
        ended = int(stopped.code or 0)
    assert ended == code
    return out.getvalue(), err.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("replay", *arguments, stdout=StringIO(), stderr=StringIO())
    assert caught.value.returncode == 2
    assert not Run.objects.exists()
    return str(caught.value)


def test_one_decision_by_the_end_of_its_id(cycle: Cycle) -> None:
    decision = AIDecision.objects.get(symbol=STOCK)

    out, err = said(str(decision.pk)[-8:])

    assert err.strip() == "1 of 1 requests are known: nothing is asked"
    assert f"…{str(decision.pk)[-8:]}  {STOCK}" in out
    assert "BUY → BUY  0.9000 → 0.9" in out
    assert "1 decisions: 1 answers from the store, 0 asked, 0 USD" in out


def test_differences_end_with_a_code_for_ci(cycle: Cycle) -> None:
    said("--cycle", str(cycle.pk), "--expect-same")
    out, err = said("--cycle", str(cycle.pk), "--model", "openai/other", "--expect-same", code=4)

    assert "0 of 1 requests are known" in err
    assert "BUY → HOLD" in out
    assert "buy→hold 1, hold→buy 1" in out


def test_incomplete_ends_with_one_and_says_why(cycle: Cycle) -> None:
    out, _ = said("--cycle", str(cycle.pk), "--model", "openai/other", "--cached-only", code=1)

    assert "no answer: not_cached" in out
    assert "incomplete: not_cached 3" in out


def test_json_has_every_item(cycle: Cycle) -> None:
    out, _ = said("--cycle", str(cycle.pk), "--json")

    body = json.loads(out)
    assert body["status"] == "completed"
    assert {item["symbol"] for item in body["items"]} == set(ALL)
    assert body["figures"]["agreement"] == 1


def test_instructions_from_a_file_are_another_question(cycle: Cycle, tmp_path: Path) -> None:
    file = tmp_path / "careful.txt"
    file.write_text("Buy nothing at all.")

    _, err = said("--cycle", str(cycle.pk), "--instructions", str(file))

    assert "0 of 1 requests are known" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected one of: a decision, --cycle, --from with --to, --dataset"),
        (["00000000", "--dataset", "x"], "expected one of"),
        (["12345678"], "decision: was '12345678', but there is none"),
        (["1234"], "expected an id, or its last 8 characters or more"),
        (["--from", "2026-10-01", "--to", "october"], "--to: was 'october', expected a day such as"),
        (["--from", "2026-10-02", "--to", "2026-10-01"], "expected a day from 2026-10-02 on"),
        (["--from", "2001-10-01", "--to", "2001-10-02"], "nothing to ask again in 2001-10-01 to 2001-10-02"),
        (["--dataset", "none"], "dataset: was 'none', expected one that was made: none is made yet"),
        (["CYCLE", "--model", "gpt"], "model: was 'gpt', expected"),
        (["CYCLE", "--limits", "max_postions=3"], "did you mean max_positions?"),
        (["CYCLE", "--limits", "max_positions"], "expected name=value, e.g."),
        (["CYCLE", "--limits", "max_positions=2.5"], "max_positions: was 2.5, expected a whole number"),
        (["CYCLE", "--limits", "max_positions=many"], "max_positions: was 'many', expected a number"),
        (["CYCLE", "--limits", "max_exposure_percent=101"], "at most 100"),
        (["CYCLE", "--threshold", "1.5"], "threshold: was 1.5, expected a number from 0 to 1"),
        (["CYCLE", "--threshold", "NaN"], "threshold: was 'NaN', expected a number"),
        (["CYCLE", "--stops", "stop_percent=0"], "stop_percent: was 0, expected a number above 0"),
        (["CYCLE", "--samples", "0"], "samples: was 0, expected a whole number from 1 to 100"),
        (["CYCLE", "--temperature", "3"], "temperature: was 3.0, expected a number from 0 to 2"),
        (["CYCLE", "--max-usd", "-1"], "--max-usd: was '-1', expected an amount in USD"),
        (["CYCLE", "--instructions", "/no/such/file"], "No such file"),
    ],
)
def test_what_cannot_be_taken_is_named(cycle: Cycle, arguments: list[str], words: str) -> None:
    if arguments[:1] == ["CYCLE"]:
        arguments = ["--cycle", str(cycle.pk), *(each for each in arguments[1:])]
        arguments = [f"{arguments[0]}={arguments[1]}", *_joined(arguments[2:])]

    assert words in refused(*arguments)


def _joined(arguments: list[str]) -> list[str]:
    """Return options with their values behind an equals sign: a value may begin with a dash."""
    return [f"{name}={value}" for name, value in zip(arguments[::2], arguments[1::2], strict=True)]


def test_data_set_is_made_once(cycle: Cycle) -> None:
    day = str(cycle.decisions.all()[0].as_of.date())
    out = StringIO()
    span = ("--from", day, "--to", day)

    call_command("dataset", "make", "autumn", *span, stdout=out)

    assert out.getvalue().strip() == "3 decisions are kept as autumn"
    with pytest.raises(CommandError, match="there is a data set of this name: it stays as it is"):
        call_command("dataset", "make", "autumn", *span)
    with pytest.raises(CommandError, match="no decision was made in 2001-01-01 to 2001-01-01"):
        call_command("dataset", "make", "none", "--from", "2001-01-01", "--to", "2001-01-01")
    assert Dataset.objects.count() == 1
    assert said("--dataset", "autumn", "--expect-same")[0]


def test_other_limits_ask_nobody_and_say_what_changes(cycle: Cycle) -> None:
    out, err = said("--cycle", str(cycle.pk), "--limits", "max_position_percent=0.0001")

    assert err == ""
    assert "the gate's answer changes: allowed→position_too_large 1" in out
    assert OTHER_STOCK not in out, "what did not want to trade is not judged"
