"""What the gate would have judged by at the moment of a question, for who asks again what it would have said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from risk.domain.book_json import book_to_json
from risk.domain.numbers import ZERO
from risk.domain.types import AssetRules, LimitValues
from trading.analysis.sealed_facts import sealed
from trading.domain.guards.rules import GuardBlock
from trading.execution import gate_inputs
from trading.execution.gate_ground import read_ground
from trading.execution.gate_inputs import Standing
from trading.market.price_facts import PRICE_SETTINGS
from trading.models import Asset, DecisionRecord

KIND, FORMAT = "gate", 2
EVERY_SYMBOL = "*"
SETTINGS = (*PRICE_SETTINGS, "confidence_threshold", "exit_confidence_threshold")


def read_gate_scene(symbols: Iterable[str]) -> DecisionRecord:
    """Return the account's limits and book, and what stands beside them, as a record, unsaved.

    ``rules`` are the different sizes that assets allow, ``rule_of`` names each symbol's among them by its place;
    ``held`` what of a symbol may be sold, base units; ``blocks`` what guards have against entries (``*``: in every
    symbol) and against a model's own exits; ``trust`` its mode, its floor, and the versions of the curves in force.
    """
    wanted = sorted(set(symbols))
    ground = read_ground(wanted)
    account, standing, limits = ground.account, ground.standing, ground.limits
    guards = gate_inputs.guards_before_the_lock(standing, ground.locks)
    rules, rule_of = _rules(wanted, ground.assets)
    held = {symbol: account.held(symbol) for symbol in sorted(account.positions)}
    content = {
        "kind": KIND,
        "format": FORMAT,
        "limits": None if limits is None else _limits(limits.to_limits()),
        "book": book_to_json(replace(account.book, entry_rates=guards.rates)),
        "held": {symbol: str(quantity) for symbol, quantity in held.items() if quantity > ZERO},
        "stocks_trade": standing.stocks_trade,
        "rules": rules,
        "rule_of": rule_of,
        "blocks": {
            "entries": {symbol or EVERY_SYMBOL: _block(found) for symbol, found in guards.entries.items()},
            "exits": {symbol: _block(found) for symbol, found in guards.holds.items()},
        },
        "settings": {name: str(standing.values[name]) for name in SETTINGS},
        "trust": _trust(standing),
    }
    return sealed(content)


def _trust(standing: Standing) -> dict[str, Any]:
    terms = gate_inputs.trust_terms(standing, gate_inputs.read_curves(standing.values))
    versions = sorted(curve.version for curve in terms.curves)
    return {"mode": terms.mode.value, "floor": str(terms.floor), "curves": versions}


def _rules(symbols: Sequence[str], assets: Mapping[str, Asset]) -> tuple[list[list[Any]], dict[str, int]]:
    """Return the different rules, and each symbol's place among them; a symbol that is no known asset has none."""
    places: dict[AssetRules, int] = {}
    rule_of = {}
    for symbol in symbols:
        rules = gate_inputs.rules_of(assets.get(symbol))
        if rules is not None:
            rule_of[symbol] = places.setdefault(rules, len(places))
    return [_rule(rules) for rules in places], rule_of


def _limits(limits: LimitValues) -> dict[str, Any]:
    figures = asdict(limits)
    figures.pop("strategy_version")
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in figures.items()}


def _rule(rules: AssetRules) -> list[Any]:
    sizes = (rules.quantity_step, rules.min_quantity, rules.min_notional)
    return [rules.tradable, rules.fractionable, *map(str, sizes)]


def _block(found: GuardBlock) -> list[str]:
    return [found.guard.value, found.detail]
