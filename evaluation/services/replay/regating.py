"""The gate, asked again: the very function that traded, on the book as it was recorded, under other rules.

Open loop: every cycle is judged on the book that was recorded with it, so what other rules would have bought or left
in one cycle is not held in the next. Within a cycle the order is the stated one, each on a book that holds what those
before it reserved. No person is asked, whatever the mode was: it says what the rules would have let through.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from ai.domain.types import ProposedExit, SymbolFacts
from evaluation.services.replay.sources import RecordedVerdict, Source, bodies_of
from evaluation.services.replay.variation import Variation, strategy_content
from risk.domain.book_json import book_from_json
from risk.domain.limits import LIMIT_NAMES, StrategyLimits
from risk.domain.numbers import HUNDRED, ZERO, plain_decimal
from risk.domain.reasons import DenyReason
from risk.domain.types import (
    AssetRules,
    Block,
    LimitValues,
    OrderIntent,
    PriceBand,
    PriceFacts,
    Reference,
    RiskBook,
    SizingRule,
)
from risk.services.book import Wish, judge_in_order
from risk.services.limits import PERCENT_FIELDS
from trading.analysis.decision_records import read_record
from trading.analysis.gate_scene import EVERY_SYMBOL, FORMAT, KIND
from trading.analysis.sealed_facts import unsealed
from trading.domain.protection.plans import ExitProposal, ExitRules, clamped, plan_exit, tick_at
from trading.domain.symbols import is_coin
from trading.errors import RecordError
from trading.execution.gate_passage import turn_of
from trading.models import Cycle, StrategyVersion

RULES = tuple(ExitRules.__dataclass_fields__)
NO_BOOK = "the book of its cycle is not on record"
# Not replayed: it hangs on prices of the hours before, which are not on record.
KEPT = (DenyReason.IMPLAUSIBLE_PRICE, DenyReason.STALE_PRICE)


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a decision came to be, as recorded or asked anew."""

    source: Source
    action: str
    confidence: Decimal
    reasoning: str
    exit: ProposedExit
    is_as_recorded: bool = False


@dataclass(frozen=True, slots=True)
class GateScene:
    """What the gate stood on, as recorded with a cycle."""

    book: RiskBook
    limits: LimitValues | None
    held: Mapping[str, Decimal]
    rules: Mapping[str, AssetRules]
    blocks: Mapping[str, Mapping[str, Sequence[str]]]
    settings: Mapping[str, Decimal]
    stocks_trade: bool
    band: PriceBand


@dataclass(frozen=True, slots=True)
class _Strategy:
    """A strategy in one version, read once; ``own`` None where it is not on record."""

    size_percent: Decimal
    sizing: SizingRule
    allows_fractions: bool
    rules: ExitRules
    own: StrategyLimits | None


def as_recorded(source: Source) -> Proposed:
    """Return what a decision was."""
    said = ProposedExit(
        None if source.stop_percent is None else Decimal(source.stop_percent),
        None if source.target_percent is None else Decimal(source.target_percent),
        source.horizon_sessions,
    )
    return Proposed(
        source, source.action, Decimal(source.confidence), source.reasoning, said, is_as_recorded=True
    )


def scenes_of(cycles: Iterable[UUID]) -> dict[UUID, GateScene]:
    """Return what is on record of these cycles, by id; nothing of a cycle from before it was kept."""
    named = Cycle.objects.filter(pk__in=set(cycles), gate_record__isnull=False)
    names = dict(named.values_list("pk", "gate_record_id"))
    bodies = bodies_of(sorted({name for name in names.values() if name is not None}))
    scenes = {name: _scene(unsealed(body)) for name, body in bodies.items()}
    return {cycle_id: scenes[name] for cycle_id, name in names.items() if name in scenes}


class GateAgain:
    """The gate under other rules; it keeps the strategies that it has read, which never change."""

    def __init__(self, variation: Variation) -> None:
        self._variation = variation
        self._strategies: dict[tuple[str, int | None], _Strategy] = {}
        self._seen: tuple[str, Mapping[str, SymbolFacts]] = ("", {})

    def judge(self, scene: GateScene, proposed: Sequence[Proposed]) -> dict[UUID, RecordedVerdict]:
        """Return the answer to each that wants to trade, by decision; all of one cycle."""
        wanting = [each for each in proposed if each.action in ("buy", "sell")]
        wanting.sort(key=lambda one: turn_of(one.action, one.confidence, one.source.symbol, one.source.id))
        wishes = [self._wish(each, scene) for each in wanting]
        limits = None if scene.limits is None else self._variation.limited(scene.limits)
        answers = judge_in_order(wishes, book=scene.book, limits=limits)
        found = {}
        for each, (verdict, _) in zip(wanting, answers, strict=True):
            kept = each.source.verdict
            if each.is_as_recorded and kept is not None and kept.reason in KEPT:
                found[each.source.id] = kept
                continue
            found[each.source.id] = RecordedVerdict(
                verdict.allowed, verdict.reason or "", plain_decimal(verdict.quantity), verdict.figures
            )
        return found

    def _wish(self, each: Proposed, scene: GateScene) -> Wish:
        source, is_exit = each.source, each.action == "sell"
        strategy, price = self._strategy(source), _price(source)
        intent = OrderIntent(
            symbol=source.symbol,
            reducing=is_exit,
            confidence=each.confidence,
            min_confidence=_threshold(source, scene, self._variation, is_exit=is_exit),
            size_percent=strategy.size_percent,
            price=price,
            price_age_seconds=0.0,
            max_price_age_seconds=float(scene.settings["price_max_age"]),
            market_open=is_coin(source.symbol) or scene.stocks_trade,
            rules=_rules(source.symbol, scene, strategy, is_exit=is_exit),
            sizing=strategy.sizing,
            volatility_percent=self._volatility(each, strategy),
            # By which it is believed: whether it can be is not asked again (``KEPT``).
            price_facts=None
            if price is None
            else PriceFacts(scene.band, close=Reference(price, "as recorded")),
            stop_share=None if is_exit or price is None else self._stop_share(each, strategy.rules, price),
            block=_block(source, scene, is_exit=is_exit),
        )
        held = scene.held.get(source.symbol, ZERO)
        return Wish(intent, held, source.id, source.cycle_id, strategy.own)

    def _volatility(self, each: Proposed, strategy: _Strategy) -> Decimal | None:
        kept = each.source.verdict.figures.get("volatility_percent") if each.source.verdict else None
        if kept not in (None, "None"):
            return Decimal(kept)
        if strategy.sizing != SizingRule.VOLATILITY_SCALED:
            return None
        facts = self._facts(each.source)
        return Decimal(str(facts.indicators.volatility_percent)) if facts and facts.indicators else None

    def _stop_share(self, each: Proposed, rules: ExitRules, price: Decimal) -> Decimal | None:
        said = each.exit
        proposal, _ = clamped(
            rules, ExitProposal(said.stop_percent, said.target_percent, said.horizon_sessions)
        )
        atr = atr_of(rules, self._facts(each.source), price) if rules.stop_atr_multiple is not None else None
        tick = tick_at(price, is_coin=is_coin(each.source.symbol))
        try:
            plan = plan_exit(rules, entry_price=price, atr=atr, proposal=proposal, tick=tick)
        except ValueError:
            return None
        return (price - plan.stop_price) / price

    def _facts(self, source: Source) -> SymbolFacts | None:
        """Return what a decision saw of its symbol; read where a rule needs it alone, one record after the other."""
        if source.record is None:
            return None
        if self._seen[0] != source.record:
            body = bodies_of([source.record]).get(source.record)
            seen = {} if body is None else {each.symbol: each for each in read_record(body).question.symbols}
            self._seen = (source.record, seen)
        return self._seen[1].get(source.symbol)

    def _strategy(self, source: Source) -> _Strategy:
        """Return a strategy as it was in the decision's version, or the one that stands in its place."""
        key = ("", None) if self._variation.strategy else (source.strategy, source.strategy_version)
        if key not in self._strategies:
            self._strategies[key] = self._read(source)
        return self._strategies[key]

    def _read(self, source: Source) -> _Strategy:
        content: Mapping[str, Any] = {}
        version = source.strategy_version
        if self._variation.strategy:
            content = strategy_content(self._variation.strategy)
        else:
            rows = StrategyVersion.objects.filter(strategy__name=source.strategy, version=version or 0)
            kept = rows.first()
            content = kept.content if kept is not None else {}
        return _Strategy(
            size_percent=Decimal(content.get("size_percent", 0)),
            sizing=SizingRule(content.get("sizing", SizingRule.FIXED_FRACTION)),
            allows_fractions=bool(content.get("allows_fractions")),
            rules=self._variation.protected(rules_in(content)),
            own=_own_limits(version, content),
        )


def rules_in(content: Mapping[str, Any]) -> ExitRules:
    """Return the exit rules in a version of a strategy."""
    figures: dict[str, Any] = {name: _figure(content.get(name)) for name in RULES}
    return ExitRules(**figures)


def atr_of(rules: ExitRules, facts: SymbolFacts | None, price: Decimal) -> Decimal | None:
    """Return the average true range at ``price`` in USD; None where the rules do not go by it, or it is not known."""
    if rules.stop_atr_multiple is None or facts is None or facts.indicators is None:
        return None
    return Decimal(repr(facts.indicators.atr_percent)) * price / HUNDRED


def _price(source: Source) -> Decimal | None:
    """Return the price that the gate had, else the one that the decision saw."""
    at_gate = source.verdict.figures.get("price") if source.verdict else None
    said = source.price if at_gate in (None, "None") else at_gate
    return None if said is None else Decimal(said)


def _own_limits(version: int | None, content: Mapping[str, Any]) -> StrategyLimits | None:
    if not content:
        return None
    figures = {name: _figure(content.get(name)) for name in LIMIT_NAMES}
    most = figures.pop("max_positions")
    return StrategyLimits(version or 0, max_positions=None if most is None else int(most), **figures)


def _threshold(source: Source, scene: GateScene, variation: Variation, *, is_exit: bool) -> Decimal:
    if source.approved:
        return ZERO
    if variation.threshold is not None and not is_exit:
        return Decimal(variation.threshold)
    return scene.settings["exit_confidence_threshold" if is_exit else "confidence_threshold"]


def _rules(symbol: str, scene: GateScene, strategy: _Strategy, *, is_exit: bool) -> AssetRules | None:
    rules = scene.rules.get(symbol)
    if rules is None or is_exit or is_coin(symbol) or strategy.allows_fractions:
        return rules
    return replace(rules, fractionable=False)


def _block(source: Source, scene: GateScene, *, is_exit: bool) -> Block | None:
    blocks = scene.blocks["exits" if is_exit else "entries"]
    if is_exit and source.approved:
        return None
    found = blocks.get(source.symbol) or (None if is_exit else blocks.get(EVERY_SYMBOL))
    return None if found is None else Block(DenyReason(found[0]), found[1])


def _scene(content: Mapping[str, Any]) -> GateScene:
    """Return a recorded scene.

    Raises:
        RecordError: it is none, or of a format this version cannot read.
    """
    if (content.get("kind"), content.get("format")) != (KIND, FORMAT):
        raise RecordError(f"this is no record of a gate of format {FORMAT}")
    values = {name: Decimal(value) for name, value in content["settings"].items()}
    rules = [AssetRules(each[0], each[1], *map(Decimal, each[2:])) for each in content["rules"]]
    return GateScene(
        book=book_from_json(content["book"]),
        limits=_limits(content["limits"]),
        held={symbol: Decimal(quantity) for symbol, quantity in content["held"].items()},
        rules={symbol: rules[place] for symbol, place in content["rule_of"].items()},
        blocks=content["blocks"],
        settings=values,
        stocks_trade=content["stocks_trade"],
        band=PriceBand(
            values["price_band_percent"] / HUNDRED,
            values["price_band_sigmas"],
            values["provider_disagreement"],
            values["implausible_disagreement"],
        ),
    )


def _limits(values: Mapping[str, Any] | None) -> LimitValues | None:
    if values is None:
        return None
    figures: dict[str, Any] = {name: Decimal(values[name]) for name in PERCENT_FIELDS}
    return LimitValues(version=values["version"], max_positions=values["max_positions"], **figures)


def _figure(value: Any) -> Decimal | None:
    return None if value in (None, "") else Decimal(str(value))
