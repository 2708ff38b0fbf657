"""Strategies: what may be set, and that every change is a new version."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction

from ai.domain.text import LONGEST_MODEL_NAME
from risk.domain.limits import LIMIT_NAMES, looser
from risk.domain.numbers import plain_decimal
from risk.services.limits import limits_in_force
from trading.domain.symbols import EXPECTED, is_coin, is_symbol
from trading.errors import StrategyError
from trading.models import Strategy, StrategyVersion

CONTENT = (
    "name",
    "instructions",
    "universe",
    "symbols",
    "model_names",
    "keywords",
    "size_percent",
    "sizing",
    *LIMIT_NAMES,
)
FIRST_AUTHOR = "system"
LONGEST_KEYWORD = 60
# What a first start begins with.
DEFAULT_STRATEGY = "Balanced momentum"
DEFAULT_INSTRUCTIONS = (
    "Look for liquid symbols with a rising trend that are not overbought, or oversold symbols in a rising"
    " trend. Sell what is held when its trend has broken or it is overbought. Prefer to hold: only propose"
    " what the figures support, and say which."
)


def check_strategy(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with proposed values, by field; empty when they can be taken.

    A field that is missing is not judged here. Limits are compared with the account's in force: when those
    become tighter later, the gate takes the tighter of both.
    """
    account = limits_in_force()
    limits = {name: values.get(name) for name in LIMIT_NAMES}
    problems = looser(limits, account.to_limits() if account else None)
    size = values.get("size_percent")
    if size is not None and not (Decimal(size).is_finite() and 0 < size <= 100):
        problems["size_percent"] = f"size percent: was {size}, expected a number above 0 and at most 100"
    problems |= _list_problems(values)
    return problems


def save_strategy(strategy: Strategy, *, author: str) -> Strategy:
    """Store a strategy, new or changed; a change of its content is its next version.

    Raises:
        StrategyError: a value cannot be taken; the message names it and what was expected.
    """
    problems = check_strategy({name: getattr(strategy, name) for name in CONTENT})
    if problems:
        raise StrategyError("; ".join(problems.values()))
    with transaction.atomic():
        before = Strategy.objects.select_for_update().filter(pk=strategy.pk).first()
        if before is not None:
            keep_version(before)
            strategy.version = before.version + (content_of(before) != content_of(strategy))
        strategy.save()
        keep_version(strategy, author=author)
    return strategy


def keep_version(strategy: Strategy, *, author: str = FIRST_AUTHOR) -> None:
    """Write the version in force down unless it is written already."""
    StrategyVersion.objects.get_or_create(
        strategy=strategy,
        version=strategy.version,
        defaults={"content": content_of(strategy), "author": author},
    )


def content_of(strategy: Strategy) -> dict[str, Any]:
    """Return all that makes up the strategy, as JSON values; decimals as plain text."""
    return {name: _comparable(getattr(strategy, name)) for name in CONTENT}


def symbols_of(strategy: Strategy, symbols: Sequence[str]) -> list[str]:
    """Return those of a cycle's symbols that the strategy looks at, in order."""
    wanted = set(strategy.symbols)
    return [
        symbol
        for symbol in symbols
        if (not wanted or symbol in wanted)
        and (strategy.universe == Strategy.Universe.ALL or is_coin(symbol) == _only_coins(strategy))
    ]


def shares_of(
    strategies: Sequence[Strategy], symbols: Sequence[str], held: frozenset[str]
) -> dict[Strategy, list[str]]:
    """Return what each strategy looks at in a cycle.

    What is held and belongs to no strategy's universe is put before all of them: a position must not lose
    everybody who could propose its sale.
    """
    shares = {strategy: symbols_of(strategy, symbols) for strategy in strategies}
    covered = {symbol for share in shares.values() for symbol in share}
    orphans = {symbol for symbol in symbols if symbol in held and symbol not in covered}
    return {
        strategy: [symbol for symbol in symbols if symbol in orphans or symbol in set(share)]
        for strategy, share in shares.items()
    }


def _only_coins(strategy: Strategy) -> bool:
    return strategy.universe == Strategy.Universe.COINS


def _list_problems(values: Mapping[str, Any]) -> dict[str, str]:
    problems = {}
    malformed = [symbol for symbol in values.get("symbols") or () if not is_symbol(symbol)]
    if malformed:
        problems["symbols"] = f"symbols: was {malformed[0]!r}, expected {EXPECTED}"
    for name, longest, expected in (
        ("model_names", LONGEST_MODEL_NAME, "a litellm name such as openai/gpt-4o-mini"),
        ("keywords", LONGEST_KEYWORD, "a word or a phrase"),
    ):
        for value in values.get(name) or ():
            if not value.strip() or len(value) > longest or (name == "model_names" and " " in value.strip()):
                problems[name] = f"{name}: was {value!r}, expected {expected} of at most {longest} characters"
    return problems


def _comparable(value: Any) -> Any:
    is_number = isinstance(value, Decimal | int) and not isinstance(value, bool)
    return plain_decimal(Decimal(value)) if is_number else value
