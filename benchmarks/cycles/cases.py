"""What is measured: each case with its set-up, the limits raised for it, and the bound it is held against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

CHAT_SECONDS, DATA_SECONDS, POST_SECONDS, FILL_SECONDS = 0.5, 0.1, 0.05, 0.05
MODEL_CALLS = 16  # at once, in every case: the limit is one call's time, not the default's turns of four
BROKER_LIMIT = 200  # requests in a minute, the broker's own
UNLIMITED = 0
WORKERS = 2  # as `manage.py up` on two cores
# Of equity for each of 140 orders: all together below all of it, and enough for a whole share of every stock, as an
# entry with a bracket must be; the dearest costs 565 USD of 100,000.
SIZE_OF_140 = "0.7"
PAST_CYCLES = 100_000
SYNTHETIC_SYMBOLS = 140  # what the venue's own market gives a cycle; more are written as files
_RAISED = MappingProxyType({"limit_alpaca_trading": "10000"})


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table.

    ``orders`` are bought in each measured cycle. ``bound`` is in seconds; where ``bound_of`` names a case it is
    a factor of that one's median, with ``past_cycles``, which are written in the middle, of the median before them.
    ``settings`` are runtime settings.
    """

    name: str
    words: str
    symbols: int = 140
    orders: int = 0
    bound: float | None = None
    bound_of: str = ""
    broker_limit: int = BROKER_LIMIT
    workers: int = WORKERS
    past_cycles: int = 0
    size_percent: str = "3"
    settings: Mapping[str, str] = field(default_factory=dict)


CASES = {
    case.name: case
    for case in (
        Case("plain", "140 symbols, no order", bound=1.2),
        Case("orders15", "140 symbols, 15 orders", orders=15, bound=1.5),
        Case(
            "orders15-raised",
            "15 orders, broker's rate raised",
            orders=15,
            broker_limit=UNLIMITED,
            settings=_RAISED,
        ),
        Case(
            "orders140",
            "140 orders, limits and rate raised",
            orders=140,
            bound=2.5,
            broker_limit=UNLIMITED,
            size_percent=SIZE_OF_140,
            settings=_RAISED,
        ),
        Case(
            "symbols1400",
            "1,400 symbols, caps raised",
            symbols=1_400,
            bound=10,
            bound_of="plain",
            settings={"max_stocks": "1380", "limit_alpaca_data": "10000"},
        ),
        Case(
            "history",
            f"15 orders, {PAST_CYCLES:,} past cycles",
            orders=15,
            bound=1.1,
            past_cycles=PAST_CYCLES,
            broker_limit=UNLIMITED,
            settings=_RAISED,
        ),
        *(
            Case(
                f"workers{count}",
                f"140 orders, {count} worker process{'es' if count > 1 else ''}",
                orders=140,
                broker_limit=UNLIMITED,
                workers=count,
                size_percent=SIZE_OF_140,
                settings=_RAISED,
            )
            for count in (1, 2, 4, 8)
        ),
    )
}
GATE = "gate"
DEFAULT = tuple(name for name in CASES if not name.startswith("workers"))
