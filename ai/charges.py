"""What a call cost, and what the budgets count of it."""

from dataclasses import replace
from decimal import Decimal

from ai.calls import CallOutcome
from ai.routing import Route


def priced(outcome: CallOutcome, route: Route) -> CallOutcome:
    """Return the outcome with our own price of what it used, where we know one and a reply reported the tokens."""
    if not (route.price and route.is_priced and outcome.was_answered):
        return outcome
    # Token counts are a provider's word: never below nothing.
    cost = route.price.of(max(outcome.prompt_tokens, 0), max(outcome.completion_tokens, 0))
    return replace(outcome, cost_usd=cost)


def charged_usd(outcome: CallOutcome, estimate: Decimal) -> Decimal:
    """Return what the budgets count: the cost, or all that was set aside where a provider may have worked.

    A timeout or an answer that tells no tokens may well be on the bill; a refused request is not.
    """
    if outcome.cost_usd is not None:
        return outcome.cost_usd
    may_be_billed = outcome.error is None or outcome.error.kind != "failed"
    return estimate if may_be_billed else Decimal(0)
