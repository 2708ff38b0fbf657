"""What the console shows at a glance: read models for every page's header and for the dashboard.

Each figure comes with the time at which it was read. ``is_stale`` says which are too old to be taken for
live: they are shown, and marked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.db.models import Exists, F, QuerySet
from django.utils import timezone

from ai.builtin import LABEL as BUILTIN_ANALYST
from risk.domain.numbers import HUNDRED, ZERO
from risk.models import KillSwitch, RiskLimits, RiskReservation
from risk.services import book, switch
from trading.core.statements.together import Select, first, read_together
from trading.domain.ages import is_fresh
from trading.domain.statuses import DecisionStatus
from trading.guards.pause import EntriesPause, entries_pause
from trading.market.market_time import market_now
from trading.models import (
    AgentStatus,
    AIDecision,
    Approval,
    ConsolePreference,
    Cycle,
    EquitySnapshot,
    Event,
    Heartbeat,
    Order,
    Position,
    SetAsideRow,
    SymbolLock,
)
from trading.protection.coverage import coverage_of, unprotected_of
from trading.queries.approval_queue import most_urgent
from trading.queries.guard_report import GuardReport, guard_report

STALE_AFTER = timedelta(minutes=5)
SYNTHETIC = "synthetic"
CYCLES_SHOWN = 8
CYCLES_SEARCHED = 30
DECISIONS_SHOWN = 10
PROBLEMS_SHOWN = 7
LEFT_OUT_SHOWN = 10
CURVE_POINTS = 240
FURTHER = [
    DecisionStatus.EXECUTING,
    DecisionStatus.EXECUTED,
    DecisionStatus.AWAITING_APPROVAL,
    DecisionStatus.REJECTED,
    DecisionStatus.FAILED,
]
NOT_RECORDED = "no reason was recorded"


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """Where the agent stands, for the header of every page.

    ``state_reason`` says why trading is halted or reducing, "" while it is active. ``unprotected`` are the
    symbols held without a stop resting at the broker for all of it, read only while the switch is engaged.
    ``time_zone`` is what who looks chose, "" for the browser's own.
    """

    mode: str
    trading_state: str
    engagement: KillSwitch | None
    state_reason: str
    simulated: bool
    agent: AgentStatus
    world: str
    analyst: str
    approvals_open: int
    entries_pause: EntriesPause
    unprotected: tuple[str, ...] = ()
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class MarketClockView:
    """The broker's clock carried forward; ``now`` is None when it was not read for five minutes."""

    now: datetime | None
    last_known: datetime | None
    read_at: datetime | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class Money:
    """The account in USD as last read; ``day_pnl`` is measured from the previous close's equity."""

    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    day_pnl: Decimal
    day_pnl_percent: Decimal | None
    source: str
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is held and reserved against the limits in force; percentages of equity.

    ``percent``, ``reserved_percent`` and the limits are None when equity or limits are not known.
    """

    held: Decimal
    reserved: Decimal
    percent: Decimal | None
    reserved_percent: Decimal | None
    limit_percent: Decimal | None
    position_count: int
    max_positions: int | None
    day_loss_limit_percent: Decimal | None
    limits_version: int | None


@dataclass(frozen=True, slots=True)
class CycleLine:
    """A cycle in one line; ``duration_seconds`` is until now while it runs."""

    cycle: Cycle
    duration_seconds: float
    decisions: int | None
    trades: int | None
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    error_count: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that went wrong in a recent cycle, ``count`` times in the same words."""

    at: str
    cycle_id: UUID
    operation: str
    symbol: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the dashboard shows, read at ``now``."""

    now: datetime
    market: MarketClockView
    money: Money | None
    curve: tuple[tuple[datetime, Decimal], ...]
    exposure: Exposure
    positions: tuple[Position, ...]
    cycles: tuple[CycleLine, ...]
    last_analysis: CycleLine | None
    decisions: tuple[AIDecision, ...]
    problems: tuple[Problem, ...]
    heartbeats: tuple[Heartbeat, ...]
    left_out: tuple[SetAsideRow, ...] = ()
    urgent: Approval | None = None
    guards: GuardReport | None = None


def is_stale(moment: datetime | None, now: datetime | None = None) -> bool:
    """Return whether a figure of ``moment`` (wall time) is too old, or from the future, to be taken for live."""
    return not is_fresh(moment, now or timezone.now(), STALE_AFTER)


def agent_standing(user_id: int = 0) -> AgentStanding:
    """Return the agent's standing, read in one statement; defaults before the first start.

    Args:
        user_id: of who looks; 0: nobody does.
    """
    engaged = switch.engagements()
    waiting, values = Approval.objects.waiting(timezone.now()).query.sql_with_params()
    read = read_together(
        {
            "agent": AgentStatus.objects.filter(pk=1),
            "engagement": engaged[:1],
            # An engaged switch lets this program sell nothing: only what rests at the broker protects.
            "protecting": Order.objects.protecting().filter(Exists(engaged)).order_by("created_at"),
            "preference": ConsolePreference.objects.filter(user_id=user_id),
            "held": Position.objects.filter(Exists(engaged)).order_by("symbol"),
            "waiting": Select(f"SELECT count(*) AS waiting FROM ({waiting}) AS approvals", values),  # noqa: S608 - our own query
        }
    )
    agent, engagement = first(read["agent"]) or AgentStatus(), first(read["engagement"])
    preference: ConsolePreference | None = first(read["preference"])
    simulated = django_settings.ENVIRONMENT.venue_enabled
    return AgentStanding(
        mode=agent.mode,
        trading_state="halted" if engagement else agent.trading_state,
        engagement=engagement,
        state_reason=_state_reason(agent, engagement),
        simulated=simulated,
        agent=agent,
        world=_world(agent, simulated=simulated),
        analyst=", ".join(django_settings.ENVIRONMENT.ai_models) or BUILTIN_ANALYST,
        entries_pause=entries_pause(agent),
        approvals_open=first(read["waiting"])["waiting"],
        time_zone=preference.time_zone if preference else "",
        unprotected=tuple(unprotected_of(read["held"], coverage_of(read["protecting"]), watches=False)),
    )


def _world(agent: AgentStatus, *, simulated: bool) -> str:
    """Say whose prices these are; what the venue itself said is stored with the agent."""
    if not simulated:
        return agent.world or "Alpaca paper account"
    if agent.world:
        synthetic = SYNTHETIC in agent.world.lower()
        return "local venue, synthetic prices" if synthetic else "local venue, replayed real prices"
    replayed = django_settings.ENVIRONMENT.venue_data is not None
    return "local venue, replayed real prices" if replayed else "local venue, synthetic prices"


def _state_reason(agent: AgentStatus, engagement: KillSwitch | None) -> str:
    if engagement is not None:
        return engagement.reason
    if agent.trading_state == "active":
        return ""
    said = (
        Event.objects.filter(aggregate_type="agent", aggregate_id="1", payload__to=agent.trading_state)
        .order_by("-sequence")
        .first()
    )
    return str(said.payload.get("reason") or NOT_RECORDED) if said else NOT_RECORDED


def overview(agent: AgentStatus | None = None) -> Overview:
    """Read the dashboard: a fixed number of small queries, whatever the tables hold.

    Args:
        agent: its row where the caller has just read it.
    """
    now = timezone.now()
    agent = agent or AgentStatus.objects.filter(pk=1).first() or AgentStatus()
    read = read_together(_selects(now))
    account = money_of(first(read["synced"] or read["curve"]))
    positions, recent, reserved = tuple(read["positions"]), read["cycles"], book.reserved_of(read["reserved"])
    lines = [_line(cycle, now) for cycle in recent]
    trading = [line for line in lines if line.cycle.cycle_type != Cycle.Type.MAINTENANCE]
    return Overview(
        now=now,
        market=MarketClockView(
            market_now(agent), agent.market_time, agent.market_time_read_at, agent.market_open
        ),
        money=account,
        curve=tuple((row.created_at, row.equity) for row in reversed(read["curve"])),
        exposure=exposure_of(positions, account, first(read["limits"]), reserved),
        positions=positions,
        cycles=tuple(lines[:CYCLES_SHOWN]),
        last_analysis=next((line for line in trading if line.decisions), None),
        decisions=tuple(read["decisions"]),
        problems=tuple(_problems(recent[:CYCLES_SHOWN]))[:PROBLEMS_SHOWN],
        heartbeats=tuple(read["heartbeats"]),
        left_out=tuple(read["left_out"]),
        guards=guard_report(agent, locks=read["locks"], reserved=reserved),
        urgent=first(read["urgent"]),
    )


def _selects(now: datetime) -> dict[str, QuerySet[Any]]:
    snapshots = EquitySnapshot.objects.all()
    return {
        "synced": snapshots.filter(sync_sequence__isnull=False).order_by("-sync_sequence")[:1],
        "curve": snapshots.order_by("-created_at")[:CURVE_POINTS],
        "positions": Position.objects.order_by(F("market_value").desc(nulls_last=True), "symbol"),
        "cycles": Cycle.objects.with_errors()
        .defer("symbols", "universe", "headlines")
        .order_by("-started_at", "-id")[:CYCLES_SEARCHED],
        "limits": RiskLimits.objects.all()[:1],
        "reserved": RiskReservation.objects.counting(),
        "locks": SymbolLock.objects.in_force(None),
        "decisions": _latest_decisions(),
        "heartbeats": Heartbeat.objects.order_by("process"),
        "left_out": SetAsideRow.objects.all()[:LEFT_OUT_SHOWN],
        "urgent": most_urgent(now),
    }


def money() -> Money | None:
    """Return the account as last read, None before the first reading."""
    return money_of(EquitySnapshot.objects.newest())


def money_of(snapshot: EquitySnapshot | None) -> Money | None:
    """Return the account by its newest reading."""
    if snapshot is None:
        return None
    start = snapshot.session_start_equity
    pnl = snapshot.equity - start
    return Money(
        equity=snapshot.equity,
        cash=snapshot.cash,
        buying_power=snapshot.buying_power,
        day_pnl=pnl,
        day_pnl_percent=pnl / start * HUNDRED if start else None,
        source=snapshot.source,
        read_at=snapshot.created_at,
    )


def exposure(positions: tuple[Position, ...], account: Money | None) -> Exposure:
    """Return what is held and reserved against the limits in force."""
    return exposure_of(positions, account, RiskLimits.objects.first(), book.read_reserved())


def exposure_of(
    positions: tuple[Position, ...], account: Money | None, limits: RiskLimits | None, counting: book.Reserved
) -> Exposure:
    """Return the same of what the caller has read."""
    held = sum((p.exposure for p in positions), ZERO)
    reserved = sum(counting.by_symbol.values(), ZERO)
    equity = account.equity if account and account.equity > 0 else None
    return Exposure(
        held=held,
        reserved=reserved,
        percent=held / equity * HUNDRED if equity else None,
        reserved_percent=reserved / equity * HUNDRED if equity else None,
        limit_percent=limits.max_exposure_percent if limits else None,
        position_count=len(positions),
        max_positions=limits.max_positions if limits else None,
        day_loss_limit_percent=limits.max_daily_loss_percent if limits else None,
        limits_version=limits.version if limits else None,
    )


def _line(cycle: Cycle, now: datetime) -> CycleLine:
    metrics: Mapping[str, Any] = cycle.metrics
    return CycleLine(
        cycle=cycle,
        duration_seconds=((cycle.ended_at or now) - cycle.started_at).total_seconds(),
        decisions=metrics.get("decisions_count"),
        trades=metrics.get("trades_count"),
        outcomes=metrics.get("decisions_by_status", {}),
        reasons=metrics.get("skipped", {}),
        error_count=len(cycle.errors),
    )


def _latest_decisions() -> QuerySet[AIDecision]:
    """Return the newest decisions that came past the gate or before a person; denials are counted elsewhere."""
    newest = [  # of each status by its own index: among a million denials there may be no other
        AIDecision.objects.filter(status=status).order_by("-created_at", "-id").values("pk")[:DECISIONS_SHOWN]
        for status in FURTHER
    ]
    found = AIDecision.objects.filter(pk__in=newest[0].union(*newest[1:], all=True))
    return found.order_by("-created_at", "-id")[:DECISIONS_SHOWN]


def _problems(cycles: list[Cycle]) -> list[Problem]:
    """Return the errors of these cycles and why they ended early, newest cycle first."""
    found: list[Problem] = []
    for cycle in cycles:
        if cycle.reason:
            ended = cycle.ended_at or cycle.started_at
            told = Problem(ended.isoformat(), cycle.pk, f"cycle {cycle.status}", "", cycle.reason)
            # One that is told already, of a newer cycle: while the switch is engaged each minute has another.
            same = next((place for place, one in enumerate(found) if _is_same(one, told)), None)
            if same is None:
                found.append(told)
            else:
                found[same] = replace(found[same], count=found[same].count + 1)
        found += _errors(cycle)
    return found


def _is_same(one: Problem, other: Problem) -> bool:
    return (one.operation, one.symbol, one.message) == (other.operation, other.symbol, other.message)


def _errors(cycle: Cycle) -> list[Problem]:
    """Return a cycle's errors, newest first, those in the same words as one."""
    grouped: dict[tuple[str, str, str], Problem] = {}
    for error in cycle.errors:
        operation, symbol, message = (str(error.get(key, "")) for key in ("operation", "symbol", "message"))
        key = (operation, symbol, message)
        before = grouped.pop(key, None)
        count = before.count + 1 if before else 1
        grouped[key] = Problem(str(error.get("at", "")), cycle.pk, operation, symbol, message, count)
    return list(reversed(grouped.values()))
