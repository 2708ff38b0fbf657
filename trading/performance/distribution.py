"""How the round trips turned out, in percent of what they cost, counted by the database."""

from dataclasses import dataclass
from itertools import pairwise

from django.db import connection

from trading.performance.sums import Limits, closed_in

EDGES = (-10, -5, -2, -1, 0, 1, 2, 5, 10)  # percent


@dataclass(frozen=True, slots=True)
class Bin:
    """Trades from ``low`` (inclusive) to ``high`` percent; None: open. ``share`` of the largest bin, 0 to 1."""

    low: int | None
    high: int | None
    trades: int
    share: float

    @property
    def label(self) -> str:
        """In words."""
        if self.low is None:
            return f"below {self.high} %"
        return f"{self.low} % and more" if self.high is None else f"{self.low} to {self.high} %"


def distribution(limits: Limits) -> list[Bin]:
    """Return the trades closed in the time by what they earned, lowest first; none where nothing was closed."""
    statement = (
        "WITH closed AS (SELECT SUM(realised_pnl) AS pnl,"  # noqa: S608 - our own words
        " SUM(CASE side WHEN 'long' THEN cost ELSE proceeds END) AS paid"
        f" FROM round_trips WHERE {closed_in()})"
        " SELECT width_bucket(pnl / paid * 100, %(edges)s::numeric[]), COUNT(*) FROM closed WHERE paid > 0 GROUP BY 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, {**limits.values, "edges": list(EDGES)})
        counts = dict(cursor.fetchall())
    most = max(counts.values(), default=0)
    bounds = pairwise((None, *EDGES, None))
    return [
        Bin(low, high, counts.get(place, 0), counts.get(place, 0) / most)
        for place, (low, high) in enumerate(bounds)
        if most
    ]
