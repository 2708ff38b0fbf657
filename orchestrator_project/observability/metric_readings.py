"""The gauges: how things stand now, in a fixed number of small reads whatever the tables hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import redis
from django.conf import settings as django_settings
from django.db.models import Count
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from ai.domain.budget import day_start
from ai.models import ModelCall
from risk.services import switch
from trading.core import settings
from trading.core.provider_health import provider_health
from trading.domain.statuses import OPEN_ORDER, OPEN_SAGA, CycleStatus
from trading.models import AgentStatus, Approval, Cycle, Event, Heartbeat, Mode, Order, Position, Saga
from trading.models.control import TradingStateChoice
from trading.protection.coverage import unprotected_positions
from trading.queries import overview
from trading.work import conditions, disk_space
from trading.work.lock_registry import LOCK_KINDS, read_locks
from trading.work.schedule import why_no_cycle_starts

CYCLES_SEARCHED = 500
MOST_COUNTED = 10_000
REDIS_TIMEOUT_SECONDS = 1.0
UNACKNOWLEDGED = "unacked"  # kombu's hash of messages that a worker has and has not finished


@dataclass(frozen=True, slots=True)
class Gauge:
    """What a gauge is called and tells."""

    help: str
    labels: tuple[str, ...] = ()


GAUGES: Mapping[str, Gauge] = MappingProxyType(
    {
        "kill_switch_engaged": Gauge("1 while the kill switch is engaged."),
        "trading_state": Gauge("1 for the trading state in force.", ("state",)),
        "mode": Gauge("1 for the mode in force.", ("mode",)),
        "equity_usd": Gauge("Equity as last read."),
        "cash_usd": Gauge("Cash as last read."),
        "buying_power_usd": Gauge("Buying power as last read."),
        "account_age_seconds": Gauge("Since the account was last read."),
        "daily_pnl_usd": Gauge("Equity against the previous close's."),
        "daily_pnl_percent": Gauge("The same in percent of the previous close's."),
        "daily_loss_limit_percent": Gauge("The loss that engages the switch."),
        "exposure_usd": Gauge("Market value of all positions."),
        "exposure_percent": Gauge("Positions and reservations in percent of equity."),
        "exposure_limit_percent": Gauge("The account's limit of it."),
        "reserved_usd": Gauge("What orders under way may still take."),
        "positions": Gauge("Open positions."),
        "unprotected_positions": Gauge(
            "Open positions of which a stop at the broker covers nothing, or a part."
        ),
        "positions_limit": Gauge("The account's limit of them."),
        "cycle_interval_seconds": Gauge("How often beat starts a cycle."),
        "last_completed_cycle_age_seconds": Gauge("Since a cycle last completed.", ("type",)),
        "heartbeat_age_seconds": Gauge("Since a process last said that it lives.", ("process",)),
        "open_orders": Gauge("Orders that have not ended.", ("status",)),
        "open_sagas": Gauge("Sagas that have not ended.", ("status",)),
        "approvals_waiting": Gauge("Decisions put before a person and not answered."),
        "failed_analyses": Gauge("Analyses in a row that no model answered."),
        "model_cost_today_usd": Gauge("Charged to the day's budget since midnight UTC."),
        "model_budget_usd": Gauge("The day's budget."),
        "events_unpublished": Gauge("Events the relay has not published, counted up to 10,000."),
        "schedule_enabled": Gauge("1 while trading cycles start by themselves."),
        "condition": Gauge("1 from the beginning of a trouble of the system to its end.", ("condition",)),
        "lock_held_seconds": Gauge("How long a lock is held, the longest of its name.", ("lock",)),
        "lock_wait_seconds": Gauge("How long somebody waits for a lock, the longest of its name.", ("lock",)),
        "lock_waiters": Gauge("Sessions that wait for a lock of the database."),
        "disk_free_bytes": Gauge("What is left on the disk of the state folder."),
        "queue_length": Gauge("Messages that no worker has taken.", ("queue",)),
        "queue_unacknowledged": Gauge("Messages that a worker has and has not finished."),
        "provider_available": Gauge("1 where a provider may be asked: no breaker, no pause.", ("provider",)),
        "provider_breaker_open": Gauge("1 while a provider's breaker is not closed.", ("provider",)),
        "provider_failures": Gauge("Failures in a row.", ("provider",)),
        "provider_requests_used": Gauge("Requests in the last minute.", ("provider",)),
        "provider_requests_limit": Gauge("Requests allowed in a minute; 0: no limit.", ("provider",)),
    }
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One gauge's value; ``name`` is in ``GAUGES``."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


def database_readings() -> list[Reading]:
    """Read what PostgreSQL knows."""
    return [*_state(), *_account(), *_cycles(), *_work(), *_money_of_models(), *_outbox(), *_itself()]


def redis_readings() -> list[Reading]:
    """Read the queues.

    Raises:
        redis.RedisError: Redis is away.
    """
    seconds = REDIS_TIMEOUT_SECONDS
    with redis.Redis.from_url(
        django_settings.REDIS_URL,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    ) as client:
        pipe = client.pipeline(transaction=False)
        queues = queue_names()
        for queue in queues:
            pipe.llen(queue)
        pipe.hlen(UNACKNOWLEDGED)
        *lengths, unacknowledged = pipe.execute()
    found = [Reading("queue_length", length, (queue,)) for queue, length in zip(queues, lengths, strict=True)]
    return [*found, Reading("queue_unacknowledged", unacknowledged)]


def queue_names() -> tuple[str, ...]:
    """Return the queues that tasks are sent to."""
    routes = django_settings.CELERY_TASK_ROUTES.values()
    return (django_settings.CELERY_TASK_DEFAULT_QUEUE, *sorted({str(route["queue"]) for route in routes}))


def provider_readings() -> list[Reading]:
    """Read how the providers stand; nothing where none is configured or Redis is away."""
    found = []
    for line in provider_health().lines:
        labels = (line.provider,)
        found += [
            Reading("provider_available", float(line.state == "ready"), labels),
            Reading("provider_breaker_open", float(line.state in ("open", "half-open")), labels),
            Reading("provider_failures", line.failures, labels),
            Reading("provider_requests_used", line.used, labels),
            Reading("provider_requests_limit", line.limit, labels),
        ]
    return found


def _age(moment: datetime, now: datetime) -> float:
    """Return how far off a moment is in seconds: one that lies ahead is from before a step back, and not new."""
    return abs((now - moment).total_seconds())


def _state() -> Iterator[Reading]:
    agent = AgentStatus.objects.filter(pk=1).first() or AgentStatus()
    engaged = switch.is_engaged()
    state = TradingStateChoice.HALTED if engaged else agent.trading_state
    yield Reading("kill_switch_engaged", float(engaged))
    yield Reading("failed_analyses", agent.failed_analyses)
    for known in TradingStateChoice.values:
        yield Reading("trading_state", float(state == known), (known,))
    for mode in Mode.values:
        yield Reading("mode", float(agent.mode == mode), (mode,))


def _account() -> Iterator[Reading]:
    account = overview.money()
    exposure = overview.exposure(tuple(Position.objects.all()), account)
    if account is not None:
        yield Reading("equity_usd", float(account.equity))
        yield Reading("cash_usd", float(account.cash))
        yield Reading("buying_power_usd", float(account.buying_power))
        yield Reading("daily_pnl_usd", float(account.day_pnl))
        yield Reading("account_age_seconds", _age(account.read_at, timezone.now()))
        if account.day_pnl_percent is not None:
            yield Reading("daily_pnl_percent", float(account.day_pnl_percent))
    yield Reading("exposure_usd", float(exposure.held))
    yield Reading("reserved_usd", float(exposure.reserved))
    yield Reading("positions", exposure.position_count)
    yield Reading("unprotected_positions", len(unprotected_positions()))
    if exposure.percent is not None and exposure.reserved_percent is not None:
        yield Reading("exposure_percent", float(exposure.percent + exposure.reserved_percent))
    limits = {
        "exposure_limit_percent": exposure.limit_percent,
        "positions_limit": exposure.max_positions,
        "daily_loss_limit_percent": exposure.day_loss_limit_percent,
    }
    yield from (Reading(name, float(limit)) for name, limit in limits.items() if limit is not None)


def _cycles() -> Iterator[Reading]:
    """Look for the last completed ones among the newest 500, so that a long outage costs no scan.

    The newest by their numbers: after a clock stepped back their times do not say which that is.
    """
    now = timezone.now()
    yield Reading("cycle_interval_seconds", settings.seconds("cycle_interval"))
    recent = Cycle.objects.order_by("-number").values_list("cycle_type", "status", "ended_at")
    seen: set[str] = set()
    for cycle_type, status, ended_at in recent[:CYCLES_SEARCHED]:
        if status == CycleStatus.COMPLETED and ended_at is not None and cycle_type not in seen:
            seen.add(cycle_type)
            yield Reading("last_completed_cycle_age_seconds", _age(ended_at, now), (cycle_type,))


def _work() -> Iterator[Reading]:
    now = timezone.now()
    for process, beaten_at in Heartbeat.objects.values_list("process", "beaten_at"):
        yield Reading("heartbeat_age_seconds", _age(beaten_at, now), (process,))
    orders = dict(Order.objects.open().values_list("status").annotate(n=Count("pk")).order_by())
    sagas = dict(Saga.objects.open().values_list("status").annotate(n=Count("pk")).order_by())
    yield from (Reading("open_orders", orders.get(status, 0), (status,)) for status in OPEN_ORDER)
    yield from (Reading("open_sagas", sagas.get(status, 0), (status,)) for status in OPEN_SAGA)
    yield Reading("approvals_waiting", Approval.objects.waiting(now).count())


def _money_of_models() -> Iterator[Reading]:
    midnight = day_start(timezone.now())
    yield Reading("model_cost_today_usd", float(ModelCall.objects.cost_since(midnight)))
    yield Reading("model_budget_usd", float(django_settings.ENVIRONMENT.ai_daily_budget_usd))


def _itself() -> Iterator[Reading]:
    """Read the system's own troubles."""
    yield Reading("schedule_enabled", float(why_no_cycle_starts() is None))
    for condition in conditions.ALL:
        yield Reading("condition", float(conditions.has_begun(condition)), (condition.name,))
    found = read_locks()
    yield Reading("lock_waiters", len(found.waits))
    for lock in LOCK_KINDS:
        yield Reading("lock_held_seconds", found.longest_hold(lock), (lock,))
        yield Reading("lock_wait_seconds", found.longest_wait(lock), (lock,))
    if (free := disk_space.free_bytes()) is not None:
        yield Reading("disk_free_bytes", free)


def _outbox() -> Iterator[Reading]:
    """Count what waits for the relay."""
    yield Reading("events_unpublished", Event.objects.unpublished().order_by()[:MOST_COUNTED].count())
