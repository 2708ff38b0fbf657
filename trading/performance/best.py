"""Which decisions earned most, found by the database: there are as many as trades, and a page shows a few of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from risk.domain.numbers import ZERO
from trading.performance.sums import Limits, in_time, open_lots
from trading.performance.together import Line, Sum


@dataclass(frozen=True, slots=True)
class Best:
    """The decisions that earned most.

    Args:
        labels: what each is called by its id, the best first.
        groups: how many decisions there are in the time that closed, hold or were paid anything.
        widest: the most that one of those earned or lost, USD.
    """

    labels: Mapping[str, str]
    groups: int
    widest: Decimal


def best_decisions(limits: Limits, most: int, *, is_whole: bool) -> Sum[Best]:
    """Find the ``most`` decisions with the highest profit, or realised where the profit is not known (``rows_by``).

    Args:
        is_whole: the time is all that is on record, so that what is held now belongs to it.
    """
    # A group for each trade: by the index of the decisions it needs neither a sort nor a table of hashes.
    closed = (
        "SELECT entry_decision_id AS key, SUM(realised_pnl) AS realised FROM round_trips"  # noqa: S608 - our own words
        f" WHERE exit_order_id IS NOT NULL AND entry_decision_id IS NOT NULL AND {in_time('closed_at')} GROUP BY 1"
    )
    paid = (
        f"SELECT decision_id AS key, amount AS profit, {not is_whole} AS is_unknown FROM cash_lines"  # noqa: S608 - our own words
        f" WHERE decision_id IS NOT NULL AND {in_time('happened_at')}"
    )
    held = (
        " UNION ALL SELECT key::uuid, quantity * value / units - cost, value IS NULL"  # noqa: S608 - our own words
        f" FROM ({open_lots('decision').sql}) AS held (key, symbol, lots, quantity, cost, value, units)"
        " WHERE key <> ''"
    )
    others = (
        "SELECT key, CASE WHEN BOOL_OR(is_unknown) THEN 0 ELSE SUM(profit) END AS other"  # noqa: S608 - our own words
        f" FROM ({paid}{held if is_whole else ''}) AS parts GROUP BY key"
    )
    profits = (
        "SELECT key, COALESCE(realised, 0) + COALESCE(other, 0) AS profit"  # noqa: S608 - our own words
        f" FROM ({closed}) AS closed FULL JOIN ({others}) AS others USING (key)"
    )
    return Sum(
        "SELECT best.key, CONCAT(action, ' ', symbol), groups, widest FROM ("  # noqa: S608 - our own words
        "SELECT key, profit, COUNT(*) OVER () AS groups, MAX(ABS(profit)) OVER () AS widest"
        f" FROM ({profits}) AS profits ORDER BY profit DESC, key LIMIT %(most)s) AS best"
        " JOIN ai_decisions ON ai_decisions.id = best.key ORDER BY profit DESC, best.key",
        2,
        {**limits.values, "most": most},
        _best,
    )


def _best(lines: Sequence[Line]) -> Best:
    groups, widest = lines[0][2:4] if lines else (0, ZERO)
    return Best({key: label for key, label, *_ in lines}, int(groups), widest)
