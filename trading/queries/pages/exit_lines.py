"""Where a symbol's positions were to be sold, over time: the stop and the target that stood at each moment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from trading.core.statements.together import Select
from trading.models import Position

MOST_CHANGES = 300
# A moment of wall time as market time: by the account's reading before it, carried on at the market's rate.
_MARKET = """
(SELECT market_time + LEAST({at} - created_at, interval '5 minutes') * %s::float8 FROM equity_snapshots
 WHERE created_at <= {at} ORDER BY created_at DESC LIMIT 1)
"""
_CHANGES = f"""
WITH newest AS (SELECT * FROM orders WHERE symbol = %s ORDER BY created_at DESC LIMIT {MOST_CHANGES}),
told AS (SELECT * FROM events WHERE aggregate_type = 'position' AND aggregate_id = %s
         AND type IN ('position.stop_moved', 'position.closed') ORDER BY sequence DESC LIMIT {MOST_CHANGES})
SELECT at, kind, stop, target FROM (
    SELECT theses.opened_at AS at, 'opened' AS kind, theses.stop_price AS stop, theses.target_price AS target
    FROM theses JOIN newest ON newest.id = theses.order_id
    UNION ALL SELECT theses.closed_at, 'closed', NULL, NULL
    FROM theses JOIN newest ON newest.id = theses.order_id WHERE theses.closed_at IS NOT NULL
    UNION ALL SELECT {_MARKET.format(at="newest.created_at")}, 'moved',
        CASE purpose WHEN 'stop_loss' THEN stop_price END, CASE purpose WHEN 'take_profit' THEN limit_price END
    FROM newest WHERE purpose IN ('stop_loss', 'take_profit') AND broker_order_id IS NOT NULL
    UNION ALL SELECT {_MARKET.format(at="told.occurred_at")},
        CASE type WHEN 'position.closed' THEN 'closed' ELSE 'moved' END, (payload ->> 'after')::numeric, NULL FROM told
) AS changes WHERE at IS NOT NULL ORDER BY at DESC, kind LIMIT {MOST_CHANGES}
"""  # noqa: S608 - our own words


@dataclass(frozen=True, slots=True)
class ExitChange:
    """From ``at`` (market time) on a position is sold at these prices, USD; both None: nothing is to be sold."""

    at: datetime
    stop: Decimal | None
    target: Decimal | None


def exit_changes(symbol: str, market_rate: Decimal) -> Select:
    """Return the select of what changed a symbol's stop and target, the newest first.

    Args:
        market_rate: seconds of market time that pass in a second.
    """
    rate = float(market_rate)
    return Select(_CHANGES, (symbol, symbol, rate, rate))


def exit_lines(rows: Sequence[Mapping[str, Any]], position: Position | None) -> list[ExitChange]:
    """Return the changes, oldest first, the last of them what the position says now.

    Args:
        rows: of ``exit_changes``.
    """
    changes = list(_folded(rows))
    if position is not None and (position.stop_price is not None or position.target_price is not None):
        at = changes[-1].at if changes else position.opened_at
        if not changes or (changes[-1].stop, changes[-1].target) != (
            position.stop_price,
            position.target_price,
        ):
            changes.append(ExitChange(at, position.stop_price, position.target_price))
    return changes


def in_force(changes: Sequence[ExitChange], at: datetime) -> ExitChange | None:
    """Return what stood at a moment; None: nothing."""
    found = None
    for change in changes:
        if change.at > at:
            break
        found = change
    return found


def _folded(rows: Sequence[Mapping[str, Any]]) -> Iterator[ExitChange]:
    stop: Decimal | None = None
    target: Decimal | None = None
    for row in reversed(rows):
        stop, target = _after(row, "stop", stop), _after(row, "target", target)
        yield ExitChange(datetime.fromisoformat(row["at"]), stop, target)


def _after(row: Mapping[str, Any], name: str, before: Decimal | None) -> Decimal | None:
    """Return a price after a change: an order or a person moves one of the two, an entry sets both, an end neither."""
    if row["kind"] == "closed":
        return None
    said = row[name]
    if said is None:
        return None if row["kind"] == "opened" else before
    return Decimal(said)
