"""Which symbols a cycle looks at, and which a person may ask for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F, Min, Q
from django.utils import timezone

from trading.core import settings
from trading.domain.symbols import EXPECTED, is_coin, is_symbol, meant_by
from trading.domain.universe import HIGH_CONFIDENCE, Candidate, Reason, Selection, select_universe
from trading.domain.universe_record import Record, UniverseClass, UniverseLine, read_record, record_of
from trading.errors import SymbolsError
from trading.market.market_time import latest_market_time
from trading.models import (
    AIDecision,
    Asset,
    Cycle,
    Fill,
    Position,
    SymbolLook,
    UniverseCandidate,
)
from trading.models.market import AssetClassChoice

LOOK_BACK = timedelta(hours=24)
SEED = 0  # of ties between candidates that are equal in score, priority and waiting time
CLASSES = ((AssetClassChoice.STOCK, "max_stocks"), (AssetClassChoice.CRYPTO, "max_coins"))
NOT_TRADABLE = "the broker lists no tradable asset of this name"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Universe:
    """A cycle's symbols, stocks first, and the record of why these."""

    symbols: list[str]
    record: Record


@dataclass(frozen=True, slots=True)
class SymbolStanding:
    """How a symbol fared in a stored universe; no line: nothing spoke for it, or it could not be considered."""

    line: UniverseLine | None
    left_out: str = ""


def choose_universe() -> Universe:
    """Choose the symbols of a cycle: positions, candidates under the caps, the rest by dollar volume."""
    held = list(Position.objects.values_list("symbol", flat=True))
    rejected = set(UniverseCandidate.objects.filter(status="rejected").values_list("symbol", flat=True))
    wanted, left_out = _candidates(held, rejected)
    selections: dict[str, Selection] = {}
    for asset_class, setting in CLASSES:
        coins = asset_class == AssetClassChoice.CRYPTO
        cap = settings.count(setting)
        mine = [candidate for candidate in wanted if is_coin(candidate.symbol) is coins]
        selections[asset_class.value] = select_universe(
            held=[symbol for symbol in held if is_coin(symbol) is coins],
            candidates=mine,
            by_volume=_by_volume(asset_class, rejected, cap + len(held)) if len(mine) < cap else (),
            cap=cap,
            seed=SEED,
        )
    symbols = [taken.symbol for selection in selections.values() for taken in selection.taken]
    return Universe(symbols, record_of(selections, left_out))


def mark_looked_at(symbols: Sequence[str], at: datetime) -> None:
    """Note that a cycle takes these symbols up, in the transaction that stores the cycle."""
    SymbolLook.objects.bulk_create(
        (SymbolLook(symbol=symbol, looked_at=at) for symbol in symbols),
        update_conflicts=True,
        unique_fields=["symbol"],
        update_fields=["looked_at"],
    )


def last_universe() -> Mapping[str, Any]:
    """Return the record of the newest cycle that chose its own symbols; empty when there is none."""
    chosen = Cycle.objects.filter(cycle_type=Cycle.Type.ANALYSIS).exclude(universe={})
    return chosen.order_by("-started_at").values_list("universe", flat=True).first() or {}


def symbol_standings(record: Mapping[str, Any]) -> dict[str, SymbolStanding]:
    """Return how each symbol of a stored universe fared."""
    classes: list[UniverseClass] = read_record(record)
    lines = [line for one in classes for line in (*one.taken, *one.waiting)]
    out = record.get("left_out", {})
    return {line.symbol: SymbolStanding(line) for line in lines} | {
        symbol: SymbolStanding(None, left_out=why) for symbol, why in out.items()
    }


def checked_symbols(symbols: Iterable[str]) -> list[str]:
    """Return the symbols a person asked for, if all can be looked at.

    Raises:
        SymbolsError: one is malformed or unknown, or there are more than the caps allow.
    """
    asked = list(dict.fromkeys(symbols))
    problems = unknown_symbols(asked)
    for label, cap, chosen in (
        ("stocks", settings.count("max_stocks"), [s for s in asked if not is_coin(s)]),
        ("coins", settings.count("max_coins"), [s for s in asked if is_coin(s)]),
    ):
        if len(chosen) > cap:
            problems[label] = f"{len(chosen)} asked for, at most {cap} in a cycle"
    if problems:
        raise SymbolsError(problems)
    return asked


def unknown_symbols(symbols: Iterable[str]) -> dict[str, str]:
    """Return what is wrong with each symbol that is malformed or that the broker does not list as tradable.

    Where a tradable one may have been meant, as by a coin's short name, it is named.
    """
    asked = list(symbols)
    meant = {s: meant_by(s) for s in asked}
    looked_up = {s for s in asked if is_symbol(s)}.union(*meant.values())
    tradable = Asset.objects.filter(symbol__in=looked_up, tradable=True)
    known = set(tradable.values_list("symbol", flat=True))
    problems = {}
    for symbol in asked:
        if symbol in known:
            continue
        hint = next((f"; {other}?" for other in meant[symbol] if other in known), "")
        wrong = f"unknown, {NOT_TRADABLE}" if is_symbol(symbol) else f"malformed, expected {EXPECTED}"
        problems[symbol] = wrong + hint
    return problems


def _candidates(held: Sequence[str], rejected: set[str]) -> tuple[list[Candidate], dict[str, str]]:
    """Return the candidates, and why symbols that would be some cannot be looked at."""
    reasons: dict[str, set[Reason]] = {}
    entered: dict[str, datetime] = {}
    for symbol, reason, since in (*_asked_for(), *_confident(), *_traded()):
        if symbol in rejected and symbol not in held:
            continue
        reasons.setdefault(symbol, set()).add(reason)
        entered[symbol] = min(since, entered.get(symbol, since))
    known = set(Asset.objects.filter(symbol__in=reasons, tradable=True).values_list("symbol", flat=True))
    looks = dict(SymbolLook.objects.filter(symbol__in=reasons).values_list("symbol", "looked_at"))
    left_out = {s: NOT_TRADABLE for s in sorted(reasons) if s not in known and s not in held}
    candidates = [
        Candidate(symbol, frozenset(found), max(entered[symbol], looks.get(symbol, LONG_AGO)))
        for symbol, found in reasons.items()
        if symbol not in left_out
    ]
    return candidates, left_out


Speaking = tuple[str, Reason, datetime]


def _asked_for() -> list[Speaking]:
    rows = UniverseCandidate.objects.filter(Q(status="approved") | Q(on_watchlist=True))
    found: list[Speaking] = []
    for row in rows:
        since = row.entered_at or row.created_at
        found += [(row.symbol, Reason.APPROVED, since)] if row.status == "approved" else []
        found += [(row.symbol, Reason.WATCHLIST, since)] if row.on_watchlist else []
    return found


def _confident() -> list[Speaking]:
    """What a decision of the last 24 hours of market time wanted to trade; a confident hold wants nothing."""
    rows = (
        AIDecision.objects.filter(
            cycle__market_time__gte=_looks_back_to(),
            confidence__gt=HIGH_CONFIDENCE,
            action__in=["buy", "sell"],
        )
        .values_list("symbol")
        .annotate(since=Min("created_at"))
        .order_by()
    )
    return [(symbol, Reason.CONFIDENT, since) for symbol, since in rows]


def _traded() -> list[Speaking]:
    rows = (
        Fill.objects.filter(executed_at__gte=_looks_back_to())
        .values_list("symbol")
        .annotate(since=Min("recorded_at"))
        .order_by()
    )
    return [(symbol, Reason.TRADED, since) for symbol, since in rows]


def _looks_back_to() -> datetime:
    return (latest_market_time() or timezone.now()) - LOOK_BACK


def _by_volume(asset_class: AssetClassChoice, rejected: set[str], most: int) -> list[str]:
    ranked = (
        Asset.objects.filter(asset_class=asset_class, tradable=True)
        .exclude(symbol__in=rejected)
        .order_by(F("dollar_volume").desc(nulls_last=True), "symbol")
    )
    return list(ranked.values_list("symbol", flat=True)[:most])
