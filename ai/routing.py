"""Which models may be asked now and at what price: from the record of calls and the table of prices."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from ai import builtin, gateway
from ai.domain.breaker import FAILURES_TO_OPEN, Breaker, opened_until
from ai.domain.budget import FREE, Price
from ai.models import ModelCall, ModelPrice

# A shorter timeout says that the analysis had little time left, not that the model is slow.
MIN_TIMEOUT_COUNTED_MS = 2000
EXPECTED = (
    f"{builtin.MODEL}, a model that litellm knows a price of such as openai/gpt-4o-mini, one with a price under"
    " Model prices (0 is one), or provider/model, e.g. openai/llama3.2, where AI_API_BASE is this machine"
)


@dataclass(frozen=True, slots=True)
class Route:
    """A model, its breaker, its price (None: not known) and the longest answer it can give in tokens.

    ``price`` is what the budget reckons with: free where the endpoint is this machine and no price is known.
    """

    model: str
    breaker: Breaker
    price: Price | None
    max_output_tokens: int | None = None
    is_priced: bool = True


def routes_for(models: Iterable[str], *, api_base: str | None) -> dict[str, Route]:
    """Read the route of every model; the built-in analyst is free and has no breaker that could open."""
    rows = {row.model: row.price for row in ModelPrice.objects.all()}
    return {model: _route(model, rows.get(model), api_base) for model in dict.fromkeys(models)}


def unaskable(models: Iterable[str], *, api_base: str | None) -> dict[str, str]:
    """Return what was expected of each model that an analysis would pass over, or whose provider is not said.

    No provider is asked: that a name has a price does not say that its provider serves it to this account.
    """
    wanted = list(dict.fromkeys(models))
    rows = {row.model: row.price for row in ModelPrice.objects.filter(pk__in=wanted)}
    return {
        model: f"expected {EXPECTED}"
        for model in wanted
        if not _is_askable(model, rows.get(model), api_base=api_base)
    }


def _is_askable(model: str, set_price: Price | None, *, api_base: str | None) -> bool:
    if model.startswith(f"{builtin.PROVIDER}/"):
        return model == builtin.MODEL
    if set_price is not None or gateway.known_facts(model).price is not None:
        return True
    provider, _, name = model.partition("/")
    return bool(provider and name) and is_local(api_base)


def is_local(api_base: str | None) -> bool:
    """Return whether the endpoint is this machine: what is served there is not paid by the token."""
    host = (urlsplit(api_base).hostname or "") if api_base else ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def breaker_of(model: str) -> Breaker:
    """Return the breaker as the last calls of all analyses left it."""
    calls = ModelCall.objects.telling_about(model, shortest_timeout_ms=MIN_TIMEOUT_COUNTED_MS)
    recent = list(calls[:FAILURES_TO_OPEN])
    failures = next(
        (n for n, call in enumerate(recent) if call.status == ModelCall.Status.SUCCEEDED), len(recent)
    )
    if failures == 0:
        return Breaker()
    return Breaker(failures=failures, open_until=_open_until(recent[0], failures))


def _open_until(last: ModelCall, failures: int) -> datetime | None:
    seconds = last.retry_after_seconds
    retry_after = None if seconds is None else timedelta(seconds=seconds)
    return opened_until(failures, last.created_at, retry_after)


def _route(model: str, set_price: Price | None, api_base: str | None) -> Route:
    if model == builtin.MODEL:
        return Route(model, Breaker(), FREE)
    known = gateway.known_facts(model)
    price = set_price or known.price
    reckoned = price or (FREE if is_local(api_base) else None)
    return Route(model, breaker_of(model), reckoned, known.max_output_tokens, is_priced=price is not None)
