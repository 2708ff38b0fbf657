"""Recorded decisions are asked again: from the store, of other models within the purse, under other rules."""

from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from ai import builtin
from ai.models import ModelAnswer, ModelCall, ModelPrice
from ai.replaying import AnswerPolicy
from ai.routing import breaker_of
from evaluation.models import Experiment, ReplayItem, Run
from evaluation.services.datasets import make_dataset
from evaluation.services.replay.estimating import estimate
from evaluation.services.replay.orders import Order, order_replay
from evaluation.services.replay.running import carry_out
from evaluation.services.replay.selecting import Selection
from evaluation.services.replay.variation import Variation
from tests.ai.chat_server import ChatServer
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_asset, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import change
from trading.analysis.cycle_analysis import analyse_cycle
from trading.core.settings import set_runtime_setting
from trading.models import AIDecision, Cycle, DecisionRecord
from trading.work import retention

OTHER = "openai/other"


@pytest.fixture
def served(account: Outside, chat_server: ChatServer, settings: Settings) -> ChatServer:
    """A server whose live model buys one stock surely, another unsurely, and holds the coin."""
    make_strategy(name="Momentum", size_percent=Decimal(2))
    for symbol in ALL:
        make_asset(symbol)
    chat_server.handlers["live"] = deciding({STOCK: ("buy", 0.9), OTHER_STOCK: ("buy", 0.6)})
    chat_server.handlers["other"] = deciding({STOCK: ("hold", 0.5), COIN: ("buy", 0.8)})
    settings.ENVIRONMENT = settings.ENVIRONMENT  # put back afterwards, whatever is set here
    use_models(chat_server, LIVE)
    return chat_server


def replayed(selection: Selection, *, max_usd: str | None = None, **changes: Any) -> Run:
    order = Order(selection, Variation(**changes), max_usd)
    return carry_out(order_replay(order, author="test"))


def of(cycle: Cycle) -> Selection:
    return Selection(cycle=str(cycle.pk))


def actions(run: Run) -> dict[str, tuple[str | None, Any]]:
    return {item.symbol: (item.after["action"], item.after["verdict"]) for item in run.items.all()}


def recorded_quantity(symbol: str) -> Decimal:
    check = AIDecision.objects.get(symbol=symbol).risk_check
    assert check is not None
    return check.quantity


def test_unchanged_it_is_the_same_and_asks_nobody(served: ChatServer) -> None:
    cycle = analysed()
    before = len(served.requests)

    run = replayed(of(cycle))

    assert len(served.requests) == before
    assert (run.status, run.figures["same"], run.figures["decisions"]) == ("completed", 3, 3)
    assert (run.figures["requestsAsked"], Decimal(run.figures["costUsd"])) == (0, 0)
    for item in run.items.all():
        assert item.before["verdict"] == item.after["verdict"] or item.after["moved"].startswith("book_moved")
        assert item.from_cache
    assert actions(run)[STOCK][1]["allowed"] is True, actions(run)
    assert Decimal(actions(run)[STOCK][1]["quantity"]) == recorded_quantity(STOCK)
    assert actions(run)[OTHER_STOCK][1]["reason"] == "low_confidence"


def test_built_in_analyst_computes_the_same_again(served: ChatServer, settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"ai_models": ()})
    cycle = analysed()

    run = replayed(of(cycle), policy=AnswerPolicy.CACHED_ONLY)

    assert (run.status, run.figures["same"]) == ("completed", 3)
    assert {item.model for item in run.items.all()} == {builtin.MODEL}
    assert not ModelAnswer.objects.exists()


def test_another_model_is_asked_once_and_never_again(served: ChatServer) -> None:
    cycle = analysed()

    run = replayed(of(cycle), models=(OTHER,))

    asked = [body for body in served.requests if body["model"] == "other"]
    assert len(asked) == 1
    assert (run.status, run.figures["requestsAsked"]) == ("completed", 1)
    assert run.figures["flips"] == {"buy→hold": 2, "hold→buy": 1}
    assert actions(run)[COIN][1]["allowed"] is True
    assert AIDecision.objects.count() == 3, "nothing of it trades"

    again = replayed(of(cycle), models=(OTHER,))

    assert len([body for body in served.requests if body["model"] == "other"]) == 1
    assert (again.figures["requestsAsked"], again.figures["flips"]) == (0, run.figures["flips"])


def test_live_never_reads_the_store(served: ChatServer) -> None:
    cycle = analysed(judged=False)
    stored = ModelAnswer.objects.get()
    call = ModelCall.objects.get()
    assert stored.pk == call.request_hash

    # The very same question, put by an analysis again.
    AIDecision.objects.all().delete()
    change(cycle, status="running", stage="fetching", lease_until=None)
    analyse_cycle(cycle.pk)

    assert len(served.requests) == 2


def test_what_is_known_already_is_told_before_the_first_call(served: ChatServer) -> None:
    cycle = analysed()
    ModelPrice.objects.create(model=OTHER, input_usd_per_million=1, output_usd_per_million=2)

    same = estimate(Order(of(cycle), Variation()))
    other = estimate(Order(of(cycle), Variation(models=(LIVE, OTHER))))

    assert (same.known, same.asked, same.most_usd) == (1, 0, 0)
    assert (other.known, other.asked) == (1, 1)
    assert other.most_usd > 0


@pytest.mark.parametrize(("budget", "max_usd"), [("0", None), ("5", "0"), ("0.0001", None)])
def test_nothing_is_asked_beyond_the_purse(served: ChatServer, budget: str, max_usd: str | None) -> None:
    cycle = analysed()
    ModelPrice.objects.create(model=OTHER, input_usd_per_million=10, output_usd_per_million=20)
    use_models(served, LIVE, budget=budget)
    before = len(served.requests)

    run = replayed(of(cycle), models=(OTHER,), max_usd=max_usd)

    assert len(served.requests) == before
    assert (run.status, run.figures["answered"]) == ("incomplete", 0)
    assert "USD left" in run.reason
    assert all(item.after["action"] is None for item in run.items.all()), "no failure is a hold"


def test_failures_say_nothing_of_the_model_and_cost_live_nothing(served: ChatServer) -> None:
    cycle = analysed()
    live_cost = ModelCall.objects.cost_since(cycle.started_at)

    for _ in range(4):
        run = replayed(of(cycle), models=("openai/unauthorised",))

    assert run.status == "incomplete"
    assert not ModelAnswer.objects.filter(model="openai/unauthorised").exists(), "a failed call is no answer"
    assert breaker_of("openai/unauthorised").open_until is None
    assert ModelCall.objects.cost_since(cycle.started_at) == live_cost
    assert ModelCall.objects.filter(purpose="replay").count() == 4


def test_fresh_asks_for_another_answer_each_time(served: ChatServer) -> None:
    cycle = analysed()

    for _ in range(2):
        replayed(of(cycle), policy=AnswerPolicy.FRESH)

    assert len(served.requests) == 3
    assert sorted(ModelAnswer.objects.values_list("sample", flat=True)) == [0, 1, 2]


def test_several_samples_are_several_answers(served: ChatServer) -> None:
    cycle = analysed()

    run = replayed(of(cycle), samples=3)

    assert len(served.requests) == 3, "the first is known"
    assert sorted(run.items.filter(symbol=STOCK).values_list("sample", flat=True)) == [0, 1, 2]


def test_other_limits_change_the_gates_answer_and_ask_nobody(served: ChatServer) -> None:
    cycle = analysed()
    before = len(served.requests)

    loose = replayed(of(cycle), threshold="0.5")
    tight = replayed(of(cycle), limits={"max_position_percent": "1"})
    none = replayed(of(cycle), limits={"max_daily_loss_percent": "0.0000001"})

    assert len(served.requests) == before
    assert loose.figures["verdictFlips"] == {"low_confidence→allowed": 1}
    assert set(actions(loose)) == {OTHER_STOCK}, "what stays as it was is counted, and not written down"
    assert loose.figures["decisions"] == 2
    assert Decimal(actions(tight)[STOCK][1]["quantity"]) < recorded_quantity(STOCK)
    assert none.status == "completed"


def test_tighter_stops_let_more_in_where_risk_is_what_binds(served: ChatServer) -> None:
    cycle = analysed()
    wide = replayed(of(cycle), limits={"max_position_risk_percent": "0.05"}, stops={"stop_percent": "15"})
    tight = replayed(of(cycle), limits={"max_position_risk_percent": "0.05"}, stops={"stop_percent": "1"})

    assert Decimal(actions(wide)[STOCK][1]["quantity"]) < recorded_quantity(STOCK)
    assert STOCK not in actions(tight), "as large as it was"


def test_a_single_decision_takes_its_turn_among_the_others(served: ChatServer) -> None:
    served.handlers["live"] = deciding({STOCK: ("buy", 0.9), OTHER_STOCK: ("buy", 0.8)})
    set_runtime_setting(name="confidence_threshold", value="0.7", actor="test")
    analysed()
    second = AIDecision.objects.get(symbol=OTHER_STOCK)

    run = replayed(Selection(decision=str(second.pk)), limits={"max_positions": "1"})

    assert actions(run)[OTHER_STOCK][1]["reason"] == "max_positions_reached"


def test_data_set_is_asked_again_byte_for_byte_after_trading_has_forgotten(served: ChatServer) -> None:
    served.handlers["live"] = deciding({})
    cycle = analysed()
    day = AIDecision.objects.filter(cycle=cycle)[0].as_of
    assert day is not None
    make_dataset("autumn", Selection(first=str(day.date()), last=str(day.date())))
    before = len(served.requests)
    retention._forget([cycle.pk])
    assert not Cycle.objects.filter(pk=cycle.pk).exists()
    assert not DecisionRecord.objects.exists()

    run = replayed(Selection(dataset="autumn"))

    assert len(served.requests) == before
    assert (run.status, run.figures["sameAction"], run.figures["decisions"]) == ("completed", 3, 3)


def test_what_was_ordered_stays_as_it_was(served: ChatServer) -> None:
    cycle = analysed()
    run = replayed(of(cycle))

    with pytest.raises(Exception, match="a row of experiments never changes"):
        Experiment.objects.filter(pk=run.experiment_id).update(name="other")


def test_taking_up_again_writes_no_item_twice(served: ChatServer) -> None:
    cycle = analysed()
    run = replayed(of(cycle), models=(OTHER,))

    carry_out(run)

    assert ReplayItem.objects.filter(run=run).count() == 3
    assert len([body for body in served.requests if body["model"] == "other"]) == 1
