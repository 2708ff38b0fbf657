"""Models are asked several times: each answer is kept, and what they do not agree on is held."""

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from ai.analysis import AnalysisSettings, Assignment
from ai.domain.budget import most_answer_tokens
from ai.domain.prompt import read_facts
from ai.domain.types import Action, HoldReason, Proposal
from ai.models import ModelAnswer, ModelCall, ModelPrice
from ai.results import AnalysisResult
from ai.services import analyse_together
from tests.ai.chat_server import API_KEY, ChatServer, Handler, envelope
from tests.ai.factories import make_question

pytestmark = pytest.mark.django_db

Says = Callable[[str, int], str]  # the action of a symbol at the so-manieth time that it is asked about


def saying(says: Says, *, fails: Callable[[int], bool] = lambda _: False) -> Handler:
    """Return a handler that decides each symbol by how often it has been asked about; some calls fail."""
    asked: dict[str, int] = {}
    calls = 0

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if fails(calls):
            return web.json_response({"error": {"message": "no such thing"}}, status=404)
        rows = []
        for fact in read_facts(body["messages"])["symbols"]:
            symbol = fact["symbol"]
            said = {
                "action": says(symbol, asked.get(symbol, 0)),
                "confidence": 0.8,
                "reasoning": "It is said.",
            }
            asked[symbol] = asked.get(symbol, 0) + 1
            rows.append({"symbol": symbol, **said})
        return web.json_response(envelope(json.dumps({"decisions": rows})))

    return handler


def run(
    server: ChatServer, *symbols: str, models: tuple[str, ...] = ("one",), settings: Any = None, **asked: Any
) -> AnalysisResult:
    values = {"api_base": server.api_base, "api_key": API_KEY, "min_agreement": 0.75, **(settings or {})}
    chain = tuple(f"openai/{name}" for name in models)
    [result] = analyse_together(
        assignments=[Assignment(make_question(*symbols), chain, **asked)],
        settings=AnalysisSettings(**values),
        cycle_id=None,
    )
    return result


def test_each_sample_is_a_call_on_record_with_the_symbols_in_another_order(chat_server: ChatServer) -> None:
    chat_server.handlers["one"] = saying(lambda symbol, time: "buy")
    symbols = [f"S{n}" for n in range(8)]

    result = run(chat_server, *symbols, samples=3)

    calls = list(ModelCall.objects.order_by("sample"))
    assert [call.sample for call in calls] == [0, 1, 2]
    assert calls[0].symbols == symbols
    assert len({tuple(call.symbols) for call in calls}) == 3
    assert {call.purpose for call in calls} == {"trade"}
    assert len({call.request_hash for call in calls}) == ModelAnswer.objects.count() == 3
    assert result.proposals.keys() == set(symbols)
    assert [each.call_id for each in result.samples["S0"].answers] == [call.pk for call in calls]


def test_what_they_do_not_agree_on_is_held_and_the_rest_decided(chat_server: ChatServer) -> None:
    chat_server.handlers["one"] = saying(lambda symbol, time: "hold" if (symbol, time) == ("B", 1) else "buy")

    result = run(chat_server, "A", "B", samples=3)

    assert result.proposals.keys() == {"A"}
    assert result.holds["B"].reason is HoldReason.UNSTABLE
    assert not result.failed


def test_only_what_the_first_answers_would_trade_is_asked_again(chat_server: ChatServer) -> None:
    chat_server.handlers["one"] = saying(lambda symbol, time: "buy" if symbol in ("B", "C") else "hold")

    result = run(chat_server, *"ABCD", confirm=3)

    assert [sorted(read_symbols(body)) for body in chat_server.requests] == [
        [*"ABCD"],
        ["B", "C"],
        ["B", "C"],
    ]
    assert result.samples.keys() == {"B", "C"}
    assert result.proposals.keys() == set("ABCD")


def test_who_trades_is_for_the_caller_to_say(chat_server: ChatServer) -> None:
    """Below the threshold nothing would come of it, so that nobody is asked twice."""
    chat_server.handlers["one"] = saying(lambda symbol, time: "buy")

    def is_sure(proposal: Proposal) -> bool:
        return proposal.confidence > Decimal("0.9")

    result = run(chat_server, *"ABCD", confirm=3, trades=is_sure)

    assert len(chat_server.requests) == 1
    assert {proposal.action for proposal in result.proposals.values()} == {Action.BUY}


@pytest.mark.parametrize("asked", [{"samples": 3}, {"confirm": 3}])
def test_where_the_others_do_not_come_it_is_held(chat_server: ChatServer, asked: dict[str, int]) -> None:
    chat_server.handlers["one"] = saying(lambda symbol, time: "buy", fails=lambda call: call > 1)

    result = run(chat_server, "A", settings={"concurrency": 1}, **asked)

    assert result.holds["A"].detail == "1 of 3 answers came, 2 are needed to tell"
    assert not result.proposals


def test_two_of_three_that_came_decide(chat_server: ChatServer) -> None:
    chat_server.handlers["one"] = saying(lambda symbol, time: "buy", fails=lambda call: call == 2)

    result = run(chat_server, "A", samples=3, settings={"concurrency": 1})

    assert result.proposals["A"].action is Action.BUY
    assert len(result.samples["A"].answers) == 2


def test_answer_of_another_model_confirms_nothing(chat_server: ChatServer) -> None:
    """Of a chain: the first answer is the first model's, the others the second's."""
    chat_server.handlers["one"] = saying(lambda symbol, time: "buy", fails=lambda call: call > 1)
    chat_server.handlers["two"] = saying(lambda symbol, time: "buy")

    result = run(chat_server, "A", models=("missing", "two"), samples=2)

    assert result.proposals["A"].action is Action.BUY, "both are the second model's"
    chat_server.handlers["one"] = one_then_unavailable()
    result = run(chat_server, "A", models=("one", "two"), samples=2, settings={"concurrency": 1})
    assert result.holds["A"].detail == "1 of 2 answers came, 2 are needed to tell"


def one_then_unavailable() -> Handler:
    """Return a handler that answers once, and from then on is out of order."""
    sound, calls = saying(lambda symbol, time: "buy"), 0

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 1:
            return await sound(request, body)
        return web.json_response({"error": {"message": "out of order"}}, status=503)

    return handler


def test_what_the_budget_has_no_room_for_is_not_confirmed(chat_server: ChatServer) -> None:
    """What the first answer may cost at most is all there is; what it did cost is missing for another."""
    ModelPrice.objects.create(model="openai/one", input_usd_per_million=0, output_usd_per_million=40)
    chat_server.handlers["one"] = saying(lambda symbol, time: "buy")

    most = most_answer_tokens(1, 250) * Decimal(40) / 1_000_000

    result = run(chat_server, "A", confirm=2, settings={"cycle_budget_usd": most})

    assert len(chat_server.requests) == 1
    assert result.holds["A"].reason is HoldReason.UNSTABLE


def test_first_answers_that_come_late_are_not_traded_unconfirmed(chat_server: ChatServer) -> None:
    """One of two batches hangs: it may take half of the time, and in the rest the other's trade is confirmed."""
    sound = saying(lambda symbol, time: "buy")

    async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if "SLOW" in read_symbols(body):
            return await chat_server.handlers["hang"](request, body)
        return await sound(request, body)

    chat_server.handlers["one"] = handler

    result = run(
        chat_server,
        "A",
        "SLOW",
        confirm=2,
        settings={"batch_size": 1, "deadline_seconds": 6.0, "concurrency": 4},
    )

    assert result.holds["SLOW"].reason is HoldReason.ANALYSIS_TIMEOUT
    assert result.proposals["A"].action is Action.BUY
    assert len(result.samples["A"].answers) == 2


def read_symbols(body: dict[str, Any]) -> list[str]:
    return [fact["symbol"] for fact in read_facts(body["messages"])["symbols"]]


def test_first_answers_go_before_further_ones(chat_server: ChatServer) -> None:
    chat_server.handlers["one"] = saying(lambda symbol, time: "buy")

    run(chat_server, *"ABC", samples=2, settings={"batch_size": 1, "concurrency": 1})

    assert [call.sample for call in ModelCall.objects.order_by("created_at")] == [0, 0, 0, 1, 1, 1]


def flipping(share: float, truth: Callable[[str], str], *, seed: str) -> tuple[Says, set[str]]:
    """Return what says the truth but for a share of its answers, and the symbols whose first answer was no truth."""
    flipped: set[str] = set()

    def says(symbol: str, time: int) -> str:
        drawn = hashlib.sha256(f"{seed} {symbol} {time}".encode()).digest()
        right = truth(symbol)
        if int.from_bytes(drawn[:4], "big") / 2**32 >= share:
            return right
        if time == 0:
            flipped.add(symbol)
        others = [action for action in ("buy", "hold", "sell") if action != right]
        return others[drawn[4] % 2]

    return says, flipped


MANY = [f"S{n}" for n in range(1000)]
WHOLE = {"batch_size": 100, "deadline_seconds": 120.0, "daily_budget_usd": Decimal(100)}


def held_of(symbols: set[str], result: AnalysisResult) -> float:
    held = [s for s in symbols if (hold := result.holds.get(s)) and hold.reason is HoldReason.UNSTABLE]
    return len(held) / len(symbols)


def one_in_twenty(symbol: str) -> str:
    return "buy" if int(symbol[1:]) % 20 == 0 else "hold"


def test_model_that_flips_three_answers_of_ten_trades_hardly_any_of_them(chat_server: ChatServer) -> None:
    """Of 1,000 symbols, one of twenty worth buying: what a flip would have traded, and all that would have been.

    Three answers that must all agree let 2 % of the flips through; two of three let through a quarter and more.
    """
    says, flipped = flipping(0.3, one_in_twenty, seed="one")
    chat_server.handlers["one"] = saying(says)

    result = run(chat_server, *MANY, confirm=3, settings=WHOLE)

    would_trade = set(result.samples)
    of_flips = would_trade & flipped
    assert len(of_flips) > 200
    assert held_of(of_flips, result) >= 0.95
    assert held_of(would_trade, result) >= 0.90
    two_of_three = [s for s in of_flips if isinstance(result.samples[s].decided(least=2 / 3), Proposal)]
    traded = [s for s in two_of_three if result.samples[s].modal.action != "hold"]
    assert len(traded) / len(of_flips) > 0.2


def test_steady_model_is_held_for_nothing_and_confirming_it_costs_little(chat_server: ChatServer) -> None:
    """Three cycles of 140 symbols, one of which would trade four: 2 calls more than 21."""
    symbols, unstable = [f"S{n}" for n in range(140)], 0
    for cycle in range(3):
        wanted = set(symbols[:4]) if cycle == 1 else set()
        chat_server.handlers["one"] = saying(lambda s, time, wanted=wanted: "buy" if s in wanted else "hold")
        result = run(chat_server, *symbols, confirm=3, settings={"deadline_seconds": 60.0})
        unstable += sum(hold.reason is HoldReason.UNSTABLE for hold in result.holds.values())
        assert {s for s, each in result.proposals.items() if each.action is Action.BUY} == wanted

    asked = sum(len(read_symbols(body)) for body in chat_server.requests)
    assert unstable == 0
    assert len(chat_server.requests) == 23
    assert len(chat_server.requests) / 21 <= 1.10
    assert asked / (3 * 140) <= 1.02
