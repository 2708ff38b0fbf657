"""What the gate would answer now: the pure gate on the current book, nothing reserved, nothing stored."""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from connectors.base import Quote
from risk.domain.limits import LIMIT_NAMES
from risk.domain.numbers import HUNDRED, ZERO
from risk.domain.trust_words import trust_words
from risk.domain.types import LimitValues, RiskBook, Verdict
from risk.models import RiskCheck, RiskLimits
from risk.services.book import Wish, judge_in_order
from risk.services.trust import rows_in_force
from trading.core import settings
from trading.core.statements.together import first, read_together
from trading.domain.headroom import Headroom, closest, headrooms
from trading.execution import gate_inputs
from trading.execution.gate_passage import wish_of
from trading.models import (
    AIDecision,
    Asset,
    BarHistory,
    EquitySnapshot,
    MarketSnapshot,
    RuntimeSetting,
    SymbolLock,
)


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


@dataclass(frozen=True, slots=True)
class Together:
    """What the gate would say to several decisions, each after those before it have taken their room.

    Args:
        verdicts: by decision, in their order.
        exposure: of the account before the first, with what is reserved, USD; ``equity`` None where it is not known.
    """

    verdicts: Mapping[UUID, Verdict]
    bought: Decimal
    sold: Decimal
    exposure: Decimal
    equity: Decimal | None
    limit_percent: Decimal | None

    @property
    def fit(self) -> int:
        """How many of them would pass."""
        return sum(verdict.allowed for verdict in self.verdicts.values())

    @property
    def percent_after(self) -> Decimal | None:
        """The account's exposure once all that fit are filled, in percent of equity."""
        after = self.exposure + self.bought - self.sold
        return after / self.equity * HUNDRED if self.equity else None


@dataclass(frozen=True, slots=True)
class Scene:
    """What the gate is asked about, by decision in their order, and on what it stands, read once.

    ``read`` are the rows that it stands on, ``positions``, ``money`` and ``bars`` among them, and what was read beside.
    """

    decisions: Mapping[UUID, AIDecision]
    wishes: Mapping[UUID, Wish]
    book: RiskBook
    limits: RiskLimits | None
    values: LimitValues | None
    snapshots: Mapping[str, MarketSnapshot]
    read: Mapping[str, list[Any]]

    def alone(self) -> dict[UUID, GatePreview]:
        """Judge each decision as if a person approved it now, alone and before the others."""
        found = {}
        for pk, wish in self.wishes.items():
            decision = self.decisions[pk]
            ((verdict, _),) = judge_in_order([wish], book=self.book, limits=self.values)
            rooms = () if wish.intent.reducing else _rooms(verdict.figures, self.limits, verdict.notional)
            words = trust_words(decision.confidence, verdict.figures)
            found[pk] = GatePreview(verdict, self.snapshots.get(decision.symbol), rooms, words)
        return found

    def together(self, pks: Sequence[UUID]) -> Together:
        """Judge these decisions in their order as if a person approved them all now."""
        wishes = [self.wishes[pk] for pk in pks]
        answers = judge_in_order(wishes, book=self.book, limits=self.values)
        verdicts, moved = {}, {True: ZERO, False: ZERO}
        for pk, wish, (verdict, _) in zip(pks, wishes, answers, strict=True):
            verdicts[pk] = verdict
            moved[wish.intent.reducing] += verdict.notional
        return Together(
            verdicts=verdicts,
            bought=moved[False],
            sold=moved[True],
            exposure=sum(self.book.exposures.values(), ZERO) + sum(self.book.reserved.values(), ZERO),
            equity=self.book.equity,
            limit_percent=self.values.max_exposure_percent if self.values else None,
        )


def read_scene(
    decisions: Sequence[AIDecision],
    beside: Mapping[str, QuerySet[Any]] = MappingProxyType({}),
    *,
    quotes: Mapping[str, Quote] | None = None,
) -> Scene:
    """Read what the gate reads of a batch, without its lock: the queries are as many, however many decisions.

    Nothing is reserved, nothing stored, whatever is judged on it.

    Args:
        decisions: read with strategy and ``model_call``.
        beside: what else is to be read in the same statement, by name.
        quotes: prices that are newer than the stored ones, by symbol.
    """
    symbols = {decision.symbol for decision in decisions}
    read = read_together({**beside, **_selects(symbols), **gate_inputs.account_selects()})
    read["money"] = read["synced"] or read["by_time"]
    with settings.read_once(read["settings"]):
        return _scene(decisions, quotes or {}, read)


def _scene(
    decisions: Sequence[AIDecision], quotes: Mapping[str, Quote], read: Mapping[str, list[Any]]
) -> Scene:
    symbols = {decision.symbol for decision in decisions}
    account = gate_inputs.account_of(read, first(read["money"]))
    standing = gate_inputs.read_standing(account.agent)
    guards = gate_inputs.guards_before_the_lock(standing, read["locks"])
    bars = {row.symbol: row for row in read["bars"]}
    priced = gate_inputs.read_priced(symbols, standing, bars=bars)
    for symbol, quote in quotes.items():
        priced[symbol] = replace(priced[symbol], snapshot=_repriced(priced[symbol].snapshot, quote))
    curves = gate_inputs.read_curves(standing.values, read["curves"])
    stands_on = (standing, guards, account, {row.symbol: row for row in read["assets"]}, curves)
    limits: RiskLimits | None = first(read["limits"])
    return Scene(
        decisions={each.pk: each for each in decisions},
        wishes={each.pk: wish_of(_approved(each), priced[each.symbol], *stands_on) for each in decisions},
        book=replace(account.book, entry_rates=guards.rates),
        limits=limits,
        values=limits.to_limits() if limits else None,
        snapshots={symbol: each.snapshot for symbol, each in priced.items() if each.snapshot is not None},
        read=read,
    )


def _selects(symbols: Collection[str]) -> dict[str, QuerySet[Any]]:
    return {
        "by_time": EquitySnapshot.objects.order_by("-created_at")[:1],
        "settings": RuntimeSetting.objects.all(),
        "locks": SymbolLock.objects.in_force(None),
        "bars": BarHistory.objects.filter(pk__in=symbols),
        "assets": Asset.objects.filter(pk__in=symbols),
        "limits": RiskLimits.objects.all()[:1],
        "curves": rows_in_force(),
    }


def _approved(decision: AIDecision) -> AIDecision:
    """Return the decision as a person's approval would make it; never saved: the gate is asked what it would say."""
    approved = copy.copy(decision)
    approved.approved = True
    return approved


def _repriced(known: MarketSnapshot | None, quote: Quote) -> MarketSnapshot:
    """Return what is known of a symbol at a newer price; never saved."""
    newer = copy.copy(known) if known else MarketSnapshot(symbol=quote.symbol)
    newer.price, newer.source, newer.quoted_at = quote.price, quote.source, quote.quoted_at
    newer.fetched_at = timezone.now()
    return newer


def rooms_of(check: RiskCheck, limits: RiskLimits | None) -> tuple[Headroom, ...]:
    """Return what each limit had left when a stored check was made.

    Args:
        limits: of the version it judged by; None: that is not known.
    """
    if check.limits_version is None or check.reducing:
        return ()
    return _rooms(check.figures, limits, check.notional if check.allowed else ZERO)


def _rooms(figures: object, limits: RiskLimits | None, notional: Decimal) -> tuple[Headroom, ...]:
    """Return the rooms by the limits among the figures; those of the account's version where one is missing."""
    if limits is None or not isinstance(figures, dict):
        return ()
    judged: dict[str, Any] = {n: Decimal(figures.get(n, getattr(limits, n))) for n in LIMIT_NAMES}
    judged["max_positions"] = int(judged["max_positions"])
    return headrooms(figures, replace(limits.to_limits(), **judged), notional)
