"""What models were paid in a time, made by the database: of all calls that trade, and by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from risk.domain.numbers import ZERO
from trading.performance.sums import ALL, Limits, in_time
from trading.performance.together import Line, Sum


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What models were paid, USD; ``unpriced``: calls of which nobody knows the price."""

    usd: Decimal = ZERO
    calls: int = 0
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class ModelCosts:
    """What models cost in a time: all of it, and by group; None where a call belongs to no one group."""

    total: ModelCost
    groups: Mapping[str, ModelCost] | None


_CALLS = (
    "SELECT calls.id, calls.model, calls.prompt_version, COALESCE(calls.cost_usd, calls.charged_usd) AS usd,"
    " calls.cost_usd IS NULL AND calls.charged_usd = 0 AND calls.model NOT LIKE 'builtin/%%' AS is_unpriced,"
    " {at} AS at FROM model_calls AS calls{joined} WHERE calls.purpose = 'trade'"
)
# A call belongs to the market time of its cycle's first sync: by wall time a replayed week would be one day.
_PLACED = _CALLS.format(
    at="COALESCE(synced.at, calls.created_at)",
    joined=" LEFT JOIN (SELECT cycle_id, MIN(market_time) AS at FROM equity_snapshots WHERE cycle_id IS NOT NULL"
    " GROUP BY cycle_id) AS synced ON synced.cycle_id = calls.cycle_id",
)
_OF_ANY_TIME = _CALLS.format(at="calls.created_at", joined="")
_COST_KEYS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "model": ("placed.model", "placed"),
        "prompt": ("placed.prompt_version", "placed"),
        "day": ("width_bucket(placed.at, %(bounds)s::timestamptz[])::text", "placed"),
        "strategy": (
            "asked.strategy_id::text",
            "(SELECT DISTINCT model_call_id, strategy_id FROM ai_decisions) AS asked"
            " JOIN placed ON placed.id = asked.model_call_id",
        ),
    }
)
_COST = "COALESCE(SUM(placed.usd), 0), COUNT(*), COUNT(*) FILTER (WHERE placed.is_unpriced)"


def model_costs(by: str | None, limits: Limits) -> Sum[ModelCosts]:
    """Sum up what models cost in the time; no groups where a call belongs to no one of them (symbol, exit)."""
    has_groups = by in _COST_KEYS
    is_whole = (limits.start, limits.end) == (None, None) and by != "day"
    calls = _OF_ANY_TIME if is_whole else _PLACED
    # Of all calls two looks into the index cost less than a copy of them; of a time the few found are kept.
    kept = "NOT MATERIALIZED" if is_whole or by != "strategy" else "MATERIALIZED"
    key, source = _COST_KEYS[by or ""] if has_groups else (ALL, "placed")
    kind = "'group'" if has_groups else "''"
    select = f"SELECT {kind}, COALESCE({key}, ''), {_COST} FROM {source} GROUP BY 2"  # noqa: S608 - our own words
    if by == "strategy":  # a call may be of several, so that the groups do not add up to the whole
        select = f"SELECT '', '', {_COST} FROM placed UNION ALL {select}"  # noqa: S608 - our own words
    return Sum(
        f"WITH placed AS {kept} (SELECT * FROM ({calls}) AS calls WHERE {in_time('calls.at')}) {select}",  # noqa: S608 - our own words
        3,
        limits.values,
        lambda lines: _costs(lines, has_groups=has_groups),
    )


def _costs(lines: Sequence[Line], *, has_groups: bool) -> ModelCosts:
    found = [(kind, key, ModelCost(usd, int(calls), int(free))) for kind, key, usd, calls, free, *_ in lines]
    whole = [cost for kind, _, cost in found if not kind] or [cost for _, _, cost in found]
    total = ModelCost(
        sum((cost.usd for cost in whole), ZERO),
        sum(cost.calls for cost in whole),
        sum(cost.unpriced for cost in whole),
    )
    groups = {key: cost for kind, key, cost in found if kind}
    return ModelCosts(total, groups if has_groups else None)
