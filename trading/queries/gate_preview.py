"""What the gate would answer now: the pure gate on the current book, nothing reserved, nothing stored."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from risk.domain.limits import LIMIT_NAMES, tighter
from risk.domain.numbers import ZERO
from risk.domain.trust_words import trust_words
from risk.domain.trusted_gate import judge_trusted
from risk.domain.types import Verdict
from risk.models import RiskCheck, RiskLimits
from trading.domain.headroom import Headroom, closest, headrooms
from trading.execution import gate_inputs
from trading.market.price_facts import latest_snapshots
from trading.models import AIDecision, MarketSnapshot, Position


@dataclass(frozen=True, slots=True)
class GatePreview:
    """The gate's answer as it would be now, at the last known price.

    ``rooms`` is what each limit has left once the order is counted; empty for a reducing order. ``trust`` says what
    trust would make of it, "" where nobody asks.
    """

    verdict: Verdict
    snapshot: MarketSnapshot | None
    rooms: tuple[Headroom, ...]
    trust: str = ""

    @property
    def price_now(self) -> Decimal | None:
        """The last known price, USD per base unit."""
        return self.snapshot.price if self.snapshot else None

    @property
    def closest(self) -> Headroom | None:
        """The limit with the least room."""
        return closest(self.rooms)


def preview_all(decisions: Sequence[AIDecision]) -> dict[UUID, GatePreview]:
    """Judge each decision as if a person approved it now, alone and before the others.

    Read them with strategy and ``model_call``.
    """
    if not decisions:
        return {}
    symbols = {decision.symbol for decision in decisions}
    snapshots = latest_snapshots(symbols)
    limits = RiskLimits.objects.first()
    book = gate_inputs.risk_book_for(decisions[0].symbol)
    standing = gate_inputs.read_standing()
    curves = gate_inputs.read_curves(standing.values)
    guards = gate_inputs.guards_before_the_lock(standing)
    book = replace(book, entry_rates=guards.rates)
    held = dict(Position.objects.filter(pk__in=symbols).values_list("symbol", "quantity_available"))
    found = {}
    for decision in decisions:
        approved = copy.copy(decision)  # never saved: the gate is asked what it would say
        approved.approved = True
        intent = gate_inputs.order_intent(approved, snapshots.get(decision.symbol), guards=guards)
        own_book = replace(book, held_quantity=held.get(decision.symbol, ZERO))
        own = gate_inputs.own_limits(decision.strategy)
        tight = tighter(limits.to_limits(), own) if limits else None
        verdict = judge_trusted(intent, own_book, tight, gate_inputs.trust_of(decision, standing, curves))
        rooms = _rooms(verdict.figures, limits, verdict.notional) if not intent.reducing else ()
        found[decision.pk] = GatePreview(
            verdict,
            snapshots.get(decision.symbol),
            rooms,
            trust_words(decision.confidence, verdict.figures),
        )
    return found


def rooms_of(check: RiskCheck) -> tuple[Headroom, ...]:
    """Return what each limit had left when a stored check was made, with the limits it judged by."""
    if check.limits_version is None or check.reducing:
        return ()
    limits = RiskLimits.objects.filter(pk=check.limits_version).first()
    return _rooms(check.figures, limits, check.notional if check.allowed else ZERO)


def _rooms(figures: object, limits: RiskLimits | None, notional: Decimal) -> tuple[Headroom, ...]:
    """Return the rooms by the limits among the figures; those of the account's version where one is missing."""
    if limits is None or not isinstance(figures, dict):
        return ()
    judged: dict[str, Any] = {n: Decimal(figures.get(n, getattr(limits, n))) for n in LIMIT_NAMES}
    judged["max_positions"] = int(judged["max_positions"])
    return headrooms(figures, replace(limits.to_limits(), **judged), notional)
