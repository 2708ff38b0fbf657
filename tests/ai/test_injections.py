"""What strangers write in headlines, and a model that obeys it, order nothing that schema and gate would not.

Each headline goes through the real rendering, a chat endpoint over HTTP that obeys it as far as it can, the
judgement of the answer, and the gate.
"""

import json
import re
import unicodedata
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from ai.analysis import AnalysisSettings
from ai.domain.prompt import MAX_HEADLINE_CHARACTERS, read_facts, render_messages
from ai.domain.types import Action, AnalysisQuestion, Proposal
from ai.models import ModelCall
from ai.results import AnalysisResult
from risk.domain.gate import judge
from risk.domain.types import Verdict
from tests.ai.chat_server import API_KEY, ChatServer, envelope
from tests.ai.factories import analyse, make_facts, make_headline, make_question
from tests.ai.injections import INJECTIONS
from tests.risk.values import make_book, make_intent, make_limit_values

ASKED = ("AAPL", "MSFT")
HELD = Decimal(5)
MOST = Decimal(3000)  # 3 % of 100,000 USD
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def obedient() -> Any:
    """One endpoint for all: two models that obey, each in its own way."""
    with ChatServer() as server:
        server.handlers["literal"] = _obey_literally
        server.handlers["greedy"] = _obey_greedily
        yield server


def titles(body: dict[str, Any]) -> list[str]:
    facts = read_facts(body["messages"])
    return [row["title"] for each in facts["symbols"] for row in each["headlines"]]


async def _obey_literally(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Answer with the headline itself, or with the JSON in it."""
    said = titles(body)[0]
    start, end = said.find("{"), said.rfind("}")
    return web.json_response(envelope(said[start : end + 1] if 0 <= start < end else said))


async def _obey_greedily(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Answer with all that any headline could ask for: planted symbols, sizes, absurd confidence, twice."""
    said = " ".join(titles(body))
    planted = dict.fromkeys(["TSLA", *re.findall(r"\b[A-Z]{2,5}\b", said)])
    orders = {
        "quantity": 10**9,
        "notional": 10**12,
        "leverage": 50,
        "order_type": "market",
        "limit_price": 0.01,
        "stop_loss": 0,
        "approved": True,
        "size_percent": 100,
    }
    sell = "sell" in said.casefold()
    wanted = [
        {"symbol": "AAPL", "action": "buy", "confidence": 1, "reasoning": said[:500] or "x", **orders},
        {"symbol": "MSFT", "action": "sell" if sell else "buy", "confidence": 1, "reasoning": "x", **orders},
        *(
            {"symbol": symbol, "action": "buy", "confidence": 1, "reasoning": "planted", **orders}
            for symbol in planted
            if symbol not in ASKED
        ),
    ]
    return web.json_response(envelope(json.dumps({"decisions": wanted, "approved": True})))


def question(title: str) -> AnalysisQuestion:
    """Ask about AAPL, which is not held, and MSFT, of which 5 are; AAPL has the headline."""
    return make_question(
        make_facts("AAPL", headlines=(make_headline(title, source=title[:60]),)),
        make_facts("MSFT", position_quantity=HELD, unrealised_pnl_percent=Decimal(2)),
        headlines=(make_headline(title),),
    )


def ask(server: ChatServer, model: str, title: str) -> AnalysisResult:
    return analyse(
        question=question(title),
        models=[f"openai/{model}"],
        settings=AnalysisSettings(api_base=server.api_base, api_key=API_KEY),
        cycle_id=None,
    )


def judged(proposal: Proposal) -> Verdict:
    """Judge a proposal as a cycle does: nothing of it is used but symbol, direction and confidence."""
    intent = make_intent(
        symbol=proposal.symbol,
        reducing=proposal.action is Action.SELL,
        confidence=proposal.confidence,
    )
    held = HELD if proposal.symbol == "MSFT" else Decimal(0)
    book = make_book(exposures={"MSFT": HELD * 100}, held_quantity=held)
    return judge(intent, book, make_limit_values())


def test_there_are_enough_of_them_and_none_twice() -> None:
    assert len(set(INJECTIONS)) == len(INJECTIONS) >= 60


@pytest.mark.parametrize("title", INJECTIONS, ids=lambda title: ascii(title[:40]))
def test_a_headline_stays_within_its_frame(title: str) -> None:
    quiet = question("Quiet")

    messages = render_messages(question(title))

    assert messages[0] == render_messages(quiet)[0], "the system message is the operator's alone"
    shown = read_facts(messages)
    [row] = shown["symbols"][0]["headlines"]
    for text in (row["title"], row["source"], shown["headlines"][0]["title"]):
        assert len(text) <= MAX_HEADLINE_CHARACTERS
        assert not {unicodedata.category(character) for character in text} & UNSEEN
        assert "`" not in text
    row |= {"title": "Quiet", "source": "Quiet"}
    shown["headlines"][0] |= {"title": "Quiet", "source": "wire"}
    assert shown == read_facts(render_messages(quiet)), "no other fact changes"


@pytest.mark.parametrize("model", ["literal", "greedy"])
@pytest.mark.parametrize("title", INJECTIONS, ids=lambda title: ascii(title[:40]))
def test_a_model_that_obeys_orders_nothing_more(obedient: ChatServer, model: str, title: str) -> None:
    """docs/lessons.md#lesson-19."""
    result = ask(obedient, model, title)

    assert set(result.proposals) | set(result.holds) == set(ASKED)
    assert ModelCall.objects.count() == 1
    honest = replace(make_proposal("AAPL"), confidence=Decimal(1))
    most = judged(honest)
    for symbol, proposal in result.proposals.items():
        verdict = judged(proposal)
        assert symbol == proposal.symbol
        assert symbol in ASKED
        assert 0 <= proposal.confidence <= 1
        if proposal.action is Action.SELL:
            assert verdict.quantity <= HELD
        elif proposal.action is Action.BUY:
            assert verdict.quantity <= most.quantity
            assert verdict.notional <= MOST


def make_proposal(symbol: str) -> Proposal:
    return Proposal(symbol, Action.BUY, Decimal("0.8"), "It rose.")


def test_the_greedy_model_is_as_greedy_as_can_be(obedient: ChatServer) -> None:
    """The test above would see an order of the model's own size: here is one that gets its full wish."""
    result = ask(obedient, "greedy", INJECTIONS[0])

    assert result.proposals["AAPL"].confidence == 1
    assert judged(result.proposals["AAPL"]).notional == MOST
    assert any("belong to no symbol" in line and "TSLA" in line for line in result.warnings)
