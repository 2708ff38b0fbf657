"""Strategies: what may be set, and that every change is a new version."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import structlog
from django.conf import settings as django_settings
from django.db import transaction

from ai.domain.text import LONGEST_MODEL_NAME
from ai.routing import unaskable
from risk.domain.limits import LIMIT_NAMES, looser
from risk.domain.numbers import plain_decimal
from risk.services import locks
from risk.services.limits import limits_in_force
from trading.analysis.sampling import NAMES as SAMPLING
from trading.analysis.sampling import sampling_problems
from trading.core import transitions
from trading.domain.protection.rule_bounds import RULE_NAMES, rule_problems
from trading.domain.symbols import is_coin, is_symbol
from trading.errors import StrategyError
from trading.market.universe import unknown_symbols
from trading.models import Strategy, StrategyVersion

log = structlog.get_logger(__name__)
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
    *RULE_NAMES,
    "allows_fractions",
    *SAMPLING,
    "is_shadow",
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


def check_strategy(values: Mapping[str, Any], *, stored: Strategy | None = None) -> dict[str, str]:
    """Return what is wrong with proposed values, by field; empty when they can be taken.

    A field that is missing is not judged here. Limits are compared with the account's in force: when those
    become tighter later, the gate takes the tighter of both. Symbols and models of the strategy as it is ``stored``
    are not judged again unless it becomes active: one that was delisted since must not keep the rest from changing.
    """
    account = limits_in_force()
    limits = {name: values.get(name) for name in LIMIT_NAMES}
    problems = looser(limits, account.to_limits() if account else None)
    size = values.get("size_percent")
    if size is not None and not (Decimal(size).is_finite() and 0 < size <= 100):
        problems["size_percent"] = f"size percent: was {size}, expected a number above 0 and at most 100"
    kept = stored if stored is not None and (stored.is_active or not values.get("is_active")) else None
    problems |= rule_problems(values) | sampling_problems(values)
    problems |= _symbol_problems(values, kept=kept) | _model_problems(values, kept=kept)
    return problems | _list_problems(values)


def save_strategy(strategy: Strategy, *, author: str, reason: str = "") -> Strategy:
    """Store a strategy, new or changed; a change of its content is its next version.

    An event says what it was and is, by field, with author and reason; so it does where it only starts or stops.

    Raises:
        StrategyError: a value cannot be taken; the message names it and what was expected.
    """
    with transaction.atomic():
        if strategy.is_shadow:  # no decision is at the gate while it ceases to trade
            locks.lock_book()
        before = Strategy.objects.select_for_update().filter(pk=strategy.pk).first()
        values = {name: getattr(strategy, name) for name in (*CONTENT, "is_active")}
        if problems := check_strategy(values, stored=before):
            raise StrategyError("; ".join(problems.values()))
        if before is not None:
            keep_version(before)
            strategy.version = before.version + (content_of(before) != content_of(strategy))
        strategy.save()
        keep_version(strategy, author=author, reason=reason)
        _record_change(strategy, before, author=author, reason=reason)
    return strategy


def keep_version(strategy: Strategy, *, author: str = FIRST_AUTHOR, reason: str = "") -> None:
    """Write the version in force down unless it is written already."""
    StrategyVersion.objects.get_or_create(
        strategy=strategy,
        version=strategy.version,
        defaults={"content": content_of(strategy), "author": author, "reason": reason},
    )


def content_of(strategy: Strategy) -> dict[str, Any]:
    """Return all that makes up the strategy, as JSON values; decimals as plain text."""
    return {name: _comparable(getattr(strategy, name)) for name in CONTENT}


def _record_change(strategy: Strategy, before: Strategy | None, *, author: str, reason: str) -> None:
    was = content_of(before) | {"is_active": before.is_active} if before else {}
    now = content_of(strategy) | {"is_active": strategy.is_active}
    changes = {name: [was.get(name), now[name]] for name in now if before and was[name] != now[name]}
    if before and not changes:
        return
    facts = {"name": strategy.name, "version": strategy.version, "actor": author, "reason": reason}
    kind = "changed" if before else "created"
    log.info(
        f"strategy_{kind}",
        strategy=strategy.name,
        version=strategy.version,
        actor=author,
        changed=list(changes),
    )
    transitions.append_event(
        aggregate_type="strategy",
        aggregate_id=str(strategy.pk),
        event_type=f"strategy.{kind}",
        payload={**facts, "changes": changes, "is_active": strategy.is_active},
        cycle_id=None,
    )


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
    for name, longest, expected in (
        ("model_names", LONGEST_MODEL_NAME, "a litellm name such as openai/gpt-4o-mini"),
        ("keywords", LONGEST_KEYWORD, "a word or a phrase"),
    ):
        for value in values.get(name) or ():
            if not value.strip() or len(value) > longest or (name == "model_names" and " " in value.strip()):
                problems[name] = f"{name}: was {value!r}, expected {expected} of at most {longest} characters"
    return problems


def _symbol_problems(values: Mapping[str, Any], *, kept: Strategy | None) -> dict[str, str]:
    given, universe = values.get("symbols") or (), values.get("universe")
    new = [symbol for symbol in given if kept is None or symbol not in kept.symbols]
    said = [f"was {symbol!r}, {problem}" for symbol, problem in unknown_symbols(new).items()]
    if universe in (Strategy.Universe.STOCKS, Strategy.Universe.COINS):
        judged = given if kept is None or kept.universe != universe else new
        outside = [s for s in judged if is_symbol(s) and is_coin(s) != (universe == Strategy.Universe.COINS)]
        said += [f"was {s!r}, expected {universe} alone, as the universe says" for s in outside]
    return {"symbols": f"symbols: {'; '.join(said)}"} if said else {}


def _model_problems(values: Mapping[str, Any], *, kept: Strategy | None) -> dict[str, str]:
    given = [name for name in values.get("model_names") or () if kept is None or name not in kept.model_names]
    unknown = unaskable(given, api_base=django_settings.ENVIRONMENT.ai_api_base)
    said = [f"was {name!r}, {problem}" for name, problem in unknown.items()]
    return {"model_names": f"model_names: {'; '.join(said)}"} if said else {}


def _comparable(value: Any) -> Any:
    is_number = isinstance(value, Decimal | int) and not isinstance(value, bool)
    return plain_decimal(Decimal(value)) if is_number else value
