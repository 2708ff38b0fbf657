"""Several questions share one deadline and one cap, and none of them can take it all."""

from typing import Any

import pytest
from aiohttp import web

from ai.analysis import AnalysisSettings, Assignment
from ai.domain.types import HoldReason
from ai.results import AnalysisResult
from ai.services import analyse_together
from tests.ai.chat_server import API_KEY, ChatServer, decide_all, envelope
from tests.ai.factories import calls_overlap, make_question

pytestmark = pytest.mark.django_db


def run(
    server: ChatServer, *chains: tuple[str, ...], symbols: int = 4, **settings: Any
) -> list[AnalysisResult]:
    """Ask one question per chain of models, each about symbols of its own, a symbol a call."""
    values: dict[str, Any] = {"batch_size": 1, "api_base": server.api_base, "api_key": API_KEY, **settings}
    assignments = [
        Assignment(
            make_question(*(f"Q{number}S{n}" for n in range(symbols)), strategy_name=f"Q{number}"),
            tuple(f"openai/{model}" for model in chain),
        )
        for number, chain in enumerate(chains)
    ]
    return analyse_together(assignments=assignments, settings=AnalysisSettings(**values), cycle_id=None)


def test_each_question_gets_its_own_answers(chat_server: ChatServer) -> None:
    first, second = run(chat_server, ("one",), ("two",))

    assert set(first.proposals) == {"Q0S0", "Q0S1", "Q0S2", "Q0S3"}
    assert set(second.proposals) == {"Q1S0", "Q1S1", "Q1S2", "Q1S3"}
    assert sorted(chat_server.asked_models()) == ["one"] * 4 + ["two"] * 4


def test_one_deadline_is_for_all_of_them(chat_server: ChatServer) -> None:
    """docs/lessons.md#lesson-20: three questions whose models hang take no longer than one."""
    results = run(chat_server, ("hang",), ("hang",), ("hang",), deadline_seconds=3)

    assert calls_overlap()
    assert {hold.reason for result in results for hold in result.holds.values()} == {
        HoldReason.ANALYSIS_TIMEOUT
    }
    assert [len(result.holds) for result in results] == [4, 4, 4]


@pytest.mark.parametrize("concurrency", [1, 2, 4])
def test_a_question_whose_model_hangs_leaves_time_for_the_other(
    chat_server: ChatServer, concurrency: int
) -> None:
    slow, quick = run(
        chat_server, ("hang",), ("sound",), symbols=8, deadline_seconds=8, concurrency=concurrency
    )

    assert slow.proposals == {}
    assert len(quick.proposals) == 8


def test_one_cap_is_for_all_of_them(chat_server: ChatServer) -> None:
    under_way, most = 0, 0

    async def counting(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        response = web.json_response(envelope(decide_all(body)))
        await response.prepare(request)
        await response.write_eof()
        under_way -= 1
        return response

    chat_server.handlers["one"] = chat_server.handlers["two"] = counting

    run(chat_server, ("one",), ("two",), concurrency=3)

    assert len(chat_server.requests) == 8
    assert most <= 3


def test_slots_are_given_in_turn(chat_server: ChatServer) -> None:
    run(chat_server, ("one",), ("two",), concurrency=1)

    assert chat_server.asked_models()[:2] in (["one", "two"], ["two", "one"])


def test_nothing_asked_is_nothing_failed(chat_server: ChatServer) -> None:
    [result] = run(chat_server, ("one",), symbols=0)

    assert not result.failed
    assert chat_server.requests == []
