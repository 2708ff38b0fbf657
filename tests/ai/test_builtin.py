"""The built-in analyst, asked the way a language model is."""

import json
import uuid
from decimal import Decimal

import pytest

from ai import builtin, gateway
from ai.domain.answer import parse_answer, response_format
from ai.domain.prompt import render_messages
from ai.domain.request import request_for
from ai.domain.types import Action
from ai.errors import ModelError, ModelRejectedError, ModelTimeoutError
from ai.models import ModelCall
from ai.services import AnalysisSettings
from tests.ai.factories import analyse, make_facts, make_indicators, make_question


def test_it_answers_as_a_model_does_at_no_cost() -> None:
    messages = render_messages(make_question("AAPL", "BTC/USD"))

    asked = request_for(builtin.MODEL, messages, response_format=response_format())
    completion = gateway.complete(asked, timeout_seconds=30)

    decisions = json.loads(completion.text)["decisions"]
    assert [decision["symbol"] for decision in decisions] == ["AAPL", "BTC/USD"]
    assert completion.cost_usd == 0
    assert completion.prompt_tokens == completion.completion_tokens == 0


def test_a_purchase_says_where_it_is_to_be_sold() -> None:
    dip = make_indicators(z_score_20=-2.0, rsi_14=35.0, trend_percent=8.0, change_20d_percent=4.0)
    messages = render_messages(make_question(make_facts(indicators=dip), make_facts("T", indicators=None)))

    text = builtin.answer(messages)

    parsed = parse_answer(text, ["AAPL", "T"])
    bought = parsed.proposals["AAPL"]
    assert (bought.action, parsed.problems) == (Action.BUY, ())
    assert (bought.exit.stop_percent, bought.exit.target_percent, bought.exit.horizon_sessions) == (4, 8, 20)
    assert "4.00 % below the entry" in bought.exit.invalidation
    assert json.loads(text)["decisions"][1]["stop_percent"] is None


def test_there_is_one_built_in_model_only() -> None:
    with pytest.raises(ModelRejectedError, match="the only built-in model is builtin/technical-v1"):
        gateway.complete(request_for("builtin/technical-v2", [], response_format=None), timeout_seconds=30)


def test_messages_without_facts_are_answered_with_an_error() -> None:
    messages = [{"role": "user", "content": "What should I buy?"}]

    with pytest.raises(ModelError, match="expected one fenced JSON object"):
        gateway.complete(request_for(builtin.MODEL, messages, response_format=None), timeout_seconds=30)


def test_it_is_as_late_as_a_model_that_does_not_answer_in_time() -> None:
    messages = render_messages(make_question("AAPL"))

    with pytest.raises(ModelTimeoutError, match=r"no complete answer within 0\.0 s"):
        gateway.complete(request_for(builtin.MODEL, messages, response_format=None), timeout_seconds=0)


def test_half_the_indicators_are_none() -> None:
    facts = {"symbol": "AAPL", "indicators": {"rsi_14": 20}, "position": None}
    messages = [{"role": "user", "content": f"```json\n{json.dumps({'symbols': [facts]})}\n```"}]

    [decision] = json.loads(builtin.answer(messages))["decisions"]

    assert decision["action"] == "hold"
    assert decision["reasoning"] == "Too few daily bars for indicators."


@pytest.mark.django_db
def test_it_is_asked_when_no_model_is_named_and_labelled_as_what_it_is() -> None:
    cycle_id = uuid.uuid4()
    falling = make_facts("TSLA", position_quantity=Decimal(3), unrealised_pnl_percent=Decimal("-9.5"))

    result = analyse(
        question=make_question("AAPL", falling), models=[], settings=AnalysisSettings(), cycle_id=cycle_id
    )

    assert set(result.proposals) == {"AAPL", "TSLA"}
    assert result.proposals["TSLA"].action is Action.SELL
    assert not result.failed
    call = ModelCall.objects.get(cycle_id=cycle_id)
    assert call.model == "builtin/technical-v1"
    assert call.provider == "built-in technical analyst (not a language model)"
    assert call.status == ModelCall.Status.SUCCEEDED
    assert call.cost_usd == 0
    assert result.call_ids == {"AAPL": call.id, "TSLA": call.id}


@pytest.mark.django_db
def test_140_symbols_are_seven_recorded_calls() -> None:
    symbols = [make_facts(f"S{n}", indicators=make_indicators(rsi_14=30 + n / 4)) for n in range(140)]

    result = analyse(question=make_question(*symbols), models=[], settings=AnalysisSettings(), cycle_id=None)

    assert len(result.proposals) == 140
    assert ModelCall.objects.count() == 7
