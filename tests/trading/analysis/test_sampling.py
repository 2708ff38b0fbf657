"""Strategies that ask several times: what is held, what a decision keeps, and what may be set."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from django.db import DatabaseError, IntegrityError, transaction
from pytest_django import Settings

from ai.domain.prompt import read_facts
from ai.models import ModelCall
from orchestrator_project import settings as project
from tests.ai.chat_server import ChatServer, envelope
from tests.ai.factories import make_indicators
from tests.factories import make_cycle, make_snapshot, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from trading.analysis.cycle_analysis import analyse_cycle
from trading.analysis.sampling import sampling_problems
from trading.analysis.strategies import save_strategy
from trading.core.settings import set_runtime_setting
from trading.errors import StrategyError
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AIDecision, Event, Strategy

ALL = [STOCK, OTHER_STOCK, COIN]
Script = dict[str, list[tuple[str, float]]]


@pytest.fixture
def scripted(account: Outside, chat_server: ChatServer, settings: Settings) -> Callable[[Script], ChatServer]:
    """Return what gives a model its answers, by symbol, the first time, the second, and so on; else it holds."""

    def script(said: Script) -> ChatServer:
        asked: dict[str, int] = {}

        async def handler(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            rows = []
            for fact in read_facts(body["messages"])["symbols"]:
                symbol, time = fact["symbol"], asked.get(fact["symbol"], 0)
                asked[symbol] = time + 1
                action, confidence = said.get(symbol, [("hold", 0.5)] * 9)[time]
                rows.append(
                    {
                        "symbol": symbol,
                        "action": action,
                        "confidence": confidence,
                        "reasoning": f"Time {time}.",
                    }
                )
            return web.json_response(envelope(json.dumps({"decisions": rows}), model="live-2026"))

        chat_server.handlers["live"] = handler
        settings.ENVIRONMENT = project.ENVIRONMENT.model_copy(
            update={"ai_models": ("openai/live",), "ai_api_base": chat_server.api_base, "ai_api_key": "key"}
        )
        return chat_server

    return script


def analysed(**strategy: Any) -> dict[str, AIDecision]:
    """Return the decisions of a cycle of three symbols, by symbol."""
    make_strategy(**strategy)
    cycle = make_cycle(status="running", symbols=ALL)
    sync_portfolio(cycle.pk)
    for symbol in ALL:
        make_snapshot(
            cycle=cycle, symbol=symbol, quoted_at=market_now(), indicators=make_indicators().to_dict()
        )
    analyse_cycle(cycle.pk)
    return {row.symbol: row for row in AIDecision.objects.filter(cycle=cycle)}


def test_what_answers_do_not_agree_on_is_held_as_unstable(scripted: Callable[[Script], ChatServer]) -> None:
    """The one that all agree on trades at the median confidence; every call is kept, and every answer told."""
    set_runtime_setting(
        name="model_concurrency", value="1", actor="ada"
    )  # asked one after the other, in order
    scripted(
        {
            STOCK: [("buy", 0.9), ("buy", 0.8), ("buy", 0.75)],
            OTHER_STOCK: [("buy", 0.9), ("hold", 0.6), ("buy", 0.8)],
        }
    )

    found = analysed(samples=3)

    steady, unsteady = found[STOCK], found[OTHER_STOCK]
    assert (steady.status, steady.action, str(steady.confidence)) == ("pending", "buy", "0.8000")
    assert (unsteady.status, unsteady.reason, unsteady.action) == ("held", "unstable", "buy")
    assert unsteady.reason_detail == "2 of 3 answers say buy, a share of 0.75 is needed"
    assert unsteady.samples is not None
    assert (unsteady.samples["asked"], unsteady.samples["agreement"]) == (3, 0.6667)
    said = [(each["sample"], each["action"], each["confidence"]) for each in unsteady.samples["answers"]]
    assert said == [(0, "buy", "0.9"), (1, "hold", "0.6"), (2, "buy", "0.8")]
    calls = {str(call.pk): call.sample for call in ModelCall.objects.all()}
    assert {each["call"]: each["sample"] for each in unsteady.samples["answers"]} == calls
    created = Event.objects.get(type="decision.created", aggregate_id=str(unsteady.pk))
    assert created.payload["reason"] == "unstable"


def test_most_decide_where_fewer_need_to_agree(scripted: Callable[[Script], ChatServer]) -> None:
    """Its words and its call are of the first answer that says what most say."""
    for name, value in {"min_agreement": "0.66", "model_concurrency": "1"}.items():
        set_runtime_setting(name=name, value=value, actor="ada")
    scripted({STOCK: [("hold", 0.6), ("buy", 0.8), ("buy", 0.9)]})

    decision = analysed(samples=3)[STOCK]

    assert (decision.status, decision.reasoning, str(decision.confidence)) == ("pending", "Time 1.", "0.8500")
    assert decision.model_call is not None
    assert decision.model_call.sample == 1


def test_confirm_asks_again_only_about_what_would_trade(scripted: Callable[[Script], ChatServer]) -> None:
    """Not about what is not sure enough, nor about the sale of what is not held."""
    server = scripted(
        {
            STOCK: [("buy", 0.9), ("hold", 0.6), ("buy", 0.9)],
            OTHER_STOCK: [("buy", 0.5)],
            COIN: [("sell", 0.9)],
        }
    )

    found = analysed(confirm=3)

    asked = [[fact["symbol"] for fact in read_facts(body["messages"])["symbols"]] for body in server.requests]
    assert asked == [ALL, [STOCK], [STOCK]]
    assert (found[STOCK].status, found[STOCK].reason) == ("held", "unstable")
    assert (found[OTHER_STOCK].status, found[COIN].reason) == ("pending", "no_position")
    assert found[OTHER_STOCK].samples is None


def test_once_asked_is_as_it_was(scripted: Callable[[Script], ChatServer]) -> None:
    server = scripted({STOCK: [("buy", 0.9)]})

    decision = analysed()[STOCK]

    assert len(server.requests) == 1
    assert (decision.status, decision.samples) == ("pending", None)


def test_answers_are_part_of_what_never_changes(scripted: Callable[[Script], ChatServer]) -> None:
    scripted({STOCK: [("buy", 0.9), ("buy", 0.9)]})
    decision = analysed(samples=2)[STOCK]

    with pytest.raises(DatabaseError, match="a row of ai_decisions never changes"), transaction.atomic():
        AIDecision.objects.filter(pk=decision.pk).update(samples=None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"samples": 0}, "samples: was 0, expected a whole number from 1 to 7"),
        ({"samples": 8}, "samples: was 8, expected a whole number from 1 to 7"),
        ({"confirm": None}, "confirm: was empty, expected a whole number from 1 to 7"),
        ({"samples": 3, "confirm": 2}, "confirm: was 2, expected 1 where samples is above 1"),
    ],
)
def test_how_often_is_bounded(values: dict[str, Any], said: str) -> None:
    problems = sampling_problems(values)

    assert len(problems) == 1
    assert next(iter(problems.values())).startswith(said)
    assert sampling_problems({}) == sampling_problems({"samples": 3, "confirm": 1}) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("columns", [{"samples": 0}, {"confirm": 8}, {"samples": 2, "confirm": 2}], ids=str)
def test_database_holds_the_bounds(columns: dict[str, int]) -> None:
    make_strategy()

    with pytest.raises(IntegrityError, match="strategy_samples_in_bounds"):
        Strategy.objects.update(**columns)


@pytest.mark.django_db
def test_a_change_is_a_version_of_the_strategy() -> None:
    strategy = save_strategy(Strategy(name="Calm", instructions="Hold."), author="ada")
    strategy.confirm = 3

    save_strategy(strategy, author="ada", reason="steadier")

    assert [row.content["confirm"] for row in strategy.versions.order_by("version")] == ["1", "3"]
    strategy.samples = 3
    with pytest.raises(StrategyError, match="confirm: was 3, expected 1"):
        save_strategy(strategy, author="ada")
