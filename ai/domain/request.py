"""One request to a model as a value: all that may change its answer, nothing else, and its name."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ai.domain.prompt import Message

VERSION = 1  # of what the hash is made of: with another shape every name changes
PROVIDERS_OWN = "provider"
_NO_TEMPERATURE = ("gpt-5", "o1", "o3", "o4")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a model is to choose among what it could answer; what is None is left to it.

    ``temperature``: 0 asks for the likeliest answer, which promises no equal ones.
    """

    temperature: float | None = 0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What is put to a model.

    Args:
        model: a litellm name.
        response_format: the form the answer is asked for in, None where none is.
        api_base: the address that is asked; None: the provider's own.
        params: what else is sent and may change the answer, e.g. ``temperature`` and ``max_tokens``.
    """

    model: str
    messages: tuple[Message, ...]
    response_format: Mapping[str, Any] | None
    api_base: str | None
    params: Mapping[str, Any]

    @property
    def endpoint(self) -> str:
        """Where it is asked, without saying the address, which may hold a name or a key."""
        if not self.api_base:
            return PROVIDERS_OWN
        return hashlib.sha256(self.api_base.encode()).hexdigest()[:16]

    def hash(self, sample: int = 0) -> str:
        """Return the SHA-256, in hex, of the canonical JSON of what is sent, and of which of several answers is meant.

        Keys, time limits and retries are no part of it. The prompt's version is not either, for its bytes are; nor is
        how an answer is read, so that what is stored can be read better one day.
        """
        named = {
            "v": VERSION,
            "model": self.model,
            "endpoint": self.endpoint,
            "messages": [dict(message) for message in self.messages],
            "response_format": self.response_format,
            "params": dict(self.params),
            "sample": sample,
        }
        text = json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def request_for(
    model: str,
    messages: Sequence[Message],
    *,
    response_format: Mapping[str, Any] | None,
    api_base: str | None = None,
    max_output_tokens: int | None = None,
    takes_temperature: bool = True,
    sampling: Sampling = Sampling(),
) -> ModelRequest:
    """Return the request for a question.

    Args:
        max_output_tokens: where the answer is cut; a cut answer is an error.
        takes_temperature: False for a model that was found to refuse one; some are known by their names.
    """
    params: dict[str, Any] = {}
    knows_temperature = takes_temperature and not model.rpartition("/")[2].startswith(_NO_TEMPERATURE)
    if sampling.temperature is not None and knows_temperature:
        params["temperature"] = sampling.temperature
    if sampling.seed is not None:
        params["seed"] = sampling.seed
    if max_output_tokens is not None:
        params["max_tokens"] = max_output_tokens
    return ModelRequest(model, tuple(messages), response_format, api_base or None, params)
