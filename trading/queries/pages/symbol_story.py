"""Everything about one symbol for its page: prices, what was traded, decided and said, in a few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F
from django.utils import timezone

from risk.domain.deciding_words import deciding_words
from trading.core.statements.together import Select, first, read_together
from trading.domain.order_ids import PROTECTIVE
from trading.guards.standing import TRADE_COLUMNS, TradeRow
from trading.models import (
    AgentStatus,
    AIDecision,
    Approval,
    BarHistory,
    Order,
    RoundTrip,
    SymbolBook,
    SymbolLock,
    Thesis,
    Trade,
)
from trading.queries.guard_report import GuardLine, guards_of_symbol
from trading.queries.pages.candles import Candle, Span, candles_of, seen_prices
from trading.queries.pages.exit_lines import ExitChange, exit_changes, exit_lines
from trading.queries.pages.round_trips import with_outcome
from trading.queries.pages.symbol_standing import Asked, SymbolStanding, standing_of, standing_selects

MOST_ROWS = 12
DECISIONS_READ = (
    2_000  # among which those that wanted to trade are looked for: a day and a half of one strategy
)
RUNS_OF = 100  # decisions, of which those in a row that say the same are one line
MOST_TRADES = 200  # entries and exits on the chart
CYCLES_READ = 30  # whose headlines are looked through
_HEADLINES = """
SELECT DISTINCT ON (row ->> 'title') row ->> 'title' AS title, row ->> 'source' AS source,
       row ->> 'published_at' AS published_at
FROM (SELECT headlines FROM cycles ORDER BY started_at DESC, id DESC LIMIT %s) AS newest,
     jsonb_array_elements(headlines) AS row
WHERE row -> 'symbols' @> to_jsonb(%s::text) ORDER BY row ->> 'title', row ->> 'published_at' DESC
"""


@dataclass(frozen=True, slots=True)
class DecisionRun:
    """The newest of ``count`` decisions in a row that ended the same way, the first of them at ``since``."""

    newest: AIDecision
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class SymbolStory:
    """A symbol with what belongs to it, each list with its newest rows first.

    ``decisions`` are those that wanted to trade, ``newest_decision`` is the last one whatever it was. They and trades
    carry ``strategy_name``, decisions ``deciding`` as well, approvals their decision's columns.
    """

    now: SymbolStanding
    span: Span
    candles: Sequence[Candle]
    exits: Sequence[ExitChange]
    history: BarHistory | None
    thesis: Thesis | None
    book: SymbolBook | None
    trades: Sequence[Trade]
    trips: Sequence[RoundTrip]
    decisions: Sequence[DecisionRun]
    newest_decision: AIDecision | None
    approvals: Sequence[Approval]
    orders: Sequence[Order]
    headlines: Sequence[Mapping[str, str]]
    guards: Sequence[GuardLine]

    @property
    def protecting(self) -> list[Order]:
        """The orders at the broker that sell what is held."""
        return [order for order in self.orders if order.purpose in PROTECTIVE]

    @property
    def working(self) -> list[Order]:
        """The other orders that have not ended."""
        return [order for order in self.orders if order.purpose not in PROTECTIVE]


def symbol_story(symbol: str, span: Span, agent: AgentStatus) -> SymbolStory:
    """Read it in two statements, whatever the tables hold.

    Args:
        agent: its row, as the caller has read it.
    """
    read = read_together({**standing_selects(symbol, agent), **_selects(symbol, span, agent)})
    now = standing_of(symbol, read, agent)
    history: BarHistory | None = first(read["history"])
    for decision in (*read["decisions"], *read["newest"]):
        decision.deciding = deciding_words(decision.reason, decision.figures or {})
    return SymbolStory(
        now=now,
        span=span,
        candles=candles_of(span, read["seen"], history),
        exits=exit_lines(read["exits"], now.position),
        history=history,
        thesis=first(read["thesis"]),
        book=first(read["book"]),
        trades=read["trades"],
        trips=read["trips"],
        decisions=_runs(read["decisions"])[:MOST_ROWS],
        newest_decision=first(read["newest"]),
        approvals=read["approvals"],
        orders=read["orders"],
        headlines=sorted(read["headlines"], key=lambda row: row["published_at"] or "", reverse=True),
        guards=_guards(agent, read["trades"], now.lock),
    )


def _runs(decisions: Sequence[AIDecision]) -> list[DecisionRun]:
    """Return decisions with those in a row that say the same as one: each cycle repeats what nothing has changed."""
    runs: list[DecisionRun] = []
    said: tuple[object, ...] = ()
    for decision in decisions:
        says = (decision.action, decision.status, decision.reason, decision.strategy_id)
        if runs and says == said and decision.reason:
            last = runs[-1]
            runs[-1] = DecisionRun(last.newest, last.count + 1, decision.created_at)
        else:
            runs.append(DecisionRun(decision, 1, decision.created_at))
        said = says
    return runs


def _selects(symbol: str, span: Span, agent: AgentStatus) -> Asked:
    ordered = Order.objects.filter(symbol=symbol, filled_quantity__gt=0).order_by("-created_at")
    named = F("strategy__name")
    lately = AIDecision.objects.filter(symbol=symbol).order_by("-created_at", "-id")
    decided = lately.annotate(strategy_name=named, figures=F("risk_check__figures"))
    return {
        "history": BarHistory.objects.filter(pk=symbol),
        "seen": seen_prices(symbol, span),
        "exits": exit_changes(symbol, agent.market_rate),
        "book": SymbolBook.objects.filter(pk=symbol),
        "thesis": Thesis.objects.open().filter(symbol=symbol).annotate(strategy_name=named)[:1],
        "trades": Trade.objects.filter(order__in=ordered.values("pk")[:MOST_TRADES])
        .annotate(strategy_name=named, purpose=F("order__purpose"))
        .order_by("-traded_at", "-id"),
        "trips": with_outcome(RoundTrip.objects.filter(symbol=symbol))
        .annotate(strategy_name=named)
        .order_by("-closed_at", "-id")[:MOST_ROWS],
        "newest": decided[:1],
        "decisions": decided.filter(pk__in=lately.values("pk")[:DECISIONS_READ]).exclude(action="hold")[
            :RUNS_OF
        ],
        "approvals": Approval.objects.waiting(timezone.now())
        .filter(decision__symbol=symbol)
        .annotate(
            action=F("decision__action"),
            confidence=F("decision__confidence"),
            price=F("decision__price"),
            strategy_name=F("decision__strategy__name"),
        )
        .order_by("expires_at")[:RUNS_OF],
        "orders": Order.objects.open().filter(symbol=symbol).order_by("-created_at")[:MOST_ROWS],
        "headlines": Select(_HEADLINES, (CYCLES_READ, symbol)),
    }


def _guards(agent: AgentStatus, trades: Sequence[Trade], lock: SymbolLock | None) -> tuple[GuardLine, ...]:
    rows: list[TradeRow] = [
        tuple(getattr(trade, name.replace("order__", "")) for name in TRADE_COLUMNS) for trade in trades
    ]
    return guards_of_symbol(agent, rows, [lock] if lock else [])
