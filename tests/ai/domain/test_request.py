"""A request's name: whatever may change its answer changes it, and nothing else does."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ai.domain.answer import response_format
from ai.domain.prompt import render_messages
from ai.domain.request import ModelRequest, Sampling, request_for
from tests.ai.factories import make_question

BASE = "http://127.0.0.1:9/v1"


def request(**changes: Any) -> ModelRequest:
    values: dict[str, Any] = {
        "response_format": response_format(),
        "api_base": BASE,
        "max_output_tokens": 800,
        "sampling": Sampling(seed=7),
    }
    model = changes.pop("model", "openai/gpt-4o-mini")
    messages = changes.pop("messages", render_messages(make_question("AAPL", "T")))
    return request_for(model, messages, **values | changes)


def changed_byte() -> list[dict[str, str]]:
    system, user = render_messages(make_question("AAPL", "T"))
    return [system, {**user, "content": user["content"] + " "}]


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "openai/gpt-4o"},
        {"model": "azure/gpt-4o-mini"},
        {"api_base": "http://127.0.0.1:10/v1"},
        {"api_base": None},
        {"sampling": Sampling(temperature=0.2, seed=7)},
        {"sampling": Sampling(temperature=None, seed=7)},
        {"takes_temperature": False},
        {"sampling": Sampling(seed=8)},
        {"sampling": Sampling()},
        {"max_output_tokens": 801},
        {"max_output_tokens": None},
        {"response_format": None},
        {"response_format": {"type": "json_object"}},
        {"messages": changed_byte()},
        {"messages": list(reversed(render_messages(make_question("AAPL", "T"))))},
        {"messages": render_messages(make_question("T", "AAPL"))},
    ],
    ids=str,
)
def test_each_of_what_is_sent_changes_the_name(changes: dict[str, Any]) -> None:
    assert request(**changes).hash() != request().hash()


def test_which_of_several_answers_is_meant_changes_the_name() -> None:
    assert len({request().hash(sample) for sample in range(5)}) == 5


def test_order_of_keys_does_not() -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return [backwards(each) for each in value] if isinstance(value, list) else value

    sound = request()
    turned = replace(
        sound,
        messages=tuple(backwards(list(sound.messages))),
        response_format=backwards(dict(sound.response_format or {})),
        params=backwards(dict(sound.params)),
    )

    assert json.dumps(turned.response_format) != json.dumps(sound.response_format)
    assert turned.hash() == sound.hash()


def test_address_is_named_by_its_hash_alone() -> None:
    assert request(api_base="http://user:secret@host/v1").endpoint.isalnum()
    assert request(api_base=None).endpoint == request(api_base="").endpoint == "provider"


def test_models_known_to_refuse_a_temperature_are_sent_none() -> None:
    assert "temperature" not in request(model="openai/gpt-5-mini").params
