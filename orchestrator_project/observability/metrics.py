"""``GET /metrics`` in Prometheus' text form: totals kept in PostgreSQL and how things stand now.

Each part is read in a thread of its own with a time limit, so that a scrape answers whatever is away, and says so.
ADR 0019 says why nothing is kept in the processes, and who may read.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime
from ipaddress import ip_address
from itertools import accumulate
from time import monotonic
from typing import Generic, TypeVar

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from orchestrator_project.observability.metric_kinds import METRICS, Histogram, Totals
from orchestrator_project.observability.metric_readings import (
    GAUGES,
    Reading,
    database_readings,
    provider_readings,
    redis_readings,
)
from orchestrator_project.observability.metric_totals import (
    STATEMENT_MS,
    add_clock_steps,
    known_series,
    read_totals,
)
from trading.access.api_callers import user_of_token
from trading.access.login_limits import seconds_after_wrong_token

T = TypeVar("T")
PREFIX = "orchestrator"
PATIENCE_SECONDS = 4.0  # Prometheus waits for 10
SCHEMES = ("token", "bearer")
TOKEN_TRUSTED_SECONDS = 600.0
log = structlog.get_logger(__name__)


class Part(Generic[T]):
    """Something read in a thread of its own, by one reader at a time; those who come meanwhile share it."""

    def __init__(self, name: str, read: Callable[[], T]) -> None:
        self.name = name
        self.seconds = 0.0
        self._read = read
        self._lock = threading.Lock()
        self._under_way: Future[T] | None = None

    def start(self) -> None:
        """Begin to read, unless that is going on already."""
        with self._lock:
            if self._under_way is None or self._under_way.done():
                future: Future[T] = Future()
                self._under_way = future
                # Not a pool's: those are waited for at exit, and a database that hangs would keep us from ending.
                work = threading.Thread(
                    target=self._run, args=(future,), name=f"metrics-{self.name}", daemon=True
                )
                work.start()

    def result(self, give_up_at: float) -> T | None:
        """Return what was read, None where it failed or is not there in time."""
        with self._lock:
            under_way = self._under_way
        if under_way is None:
            return None
        try:
            return under_way.result(max(give_up_at - monotonic(), 0.0))
        except FutureTimeoutError:
            log.warning("metrics_unread", part=self.name, error_type="timeout")
        except Exception as error:  # noqa: BLE001 - a scrape must answer: what is away is said by a metric
            log.warning("metrics_unread", part=self.name, error_type=type(error).__name__)
        return None

    def _run(self, future: "Future[T]") -> None:
        try:
            future.set_result(self._timed())
        except BaseException as error:  # noqa: BLE001 - who waits for it judges it
            future.set_exception(error)

    def _timed(self) -> T:
        began = monotonic()
        try:
            return self._read()
        finally:
            connections.close_all()  # this thread's: a scrape is rare, a connection kept would be one more
            self.seconds = monotonic() - began


def _from_database() -> tuple[Totals, datetime, list[Reading]]:
    _limit_session()
    with transaction.atomic():
        counted = read_totals()
        return add_clock_steps(known_series(counted.totals)), counted.until, database_readings()


def _limit_session() -> None:
    """Let this thread's session read only, and no statement take longer than a scrape may."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {STATEMENT_MS}")
        cursor.execute("SET default_transaction_read_only = on")


def _from_providers() -> list[Reading]:
    try:
        return provider_readings()
    except (DatabaseError, InterfaceError):
        return []  # the database's own part says that it is away


class SystemCollector(Collector):
    """Turns totals and readings into Prometheus' families; every family is there even when it has no sample."""

    def __init__(self) -> None:
        self._database = Part("database", _from_database)
        self._redis = Part("redis", redis_readings)
        self._providers = Part("providers", _from_providers)

    def describe(self) -> Iterable[Metric]:
        """Describe nothing, so that registering reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read all parts side by side."""
        give_up_at = monotonic() + PATIENCE_SECONDS
        parts = (self._database, self._redis, self._providers)
        for part in parts:
            part.start()
        database = self._database.result(give_up_at)
        queues = self._redis.result(give_up_at)
        providers = self._providers.result(give_up_at)
        totals, until, readings = database or (Totals(), None, [])
        yield _gauge("database_up", "1 where PostgreSQL answered.", float(database is not None))
        yield _gauge("redis_up", "1 where Redis answered.", float(queues is not None))
        behind = [abs((timezone.now() - until).total_seconds())] if until else []
        yield _gauge("counters_behind_seconds", "How far back the counters reach.", *behind)
        took = GaugeMetricFamily(f"{PREFIX}_scrape_seconds", "What reading a part took.", labels=["part"])
        for part in parts:
            took.add_metric([part.name], part.seconds)
        yield took
        yield from _families([*readings, *(queues or ()), *(providers or ())])
        yield from _counted(totals)


def _gauge(name: str, text: str, *value: float) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text)
    for number in value:
        family.add_metric([], number)
    return family


def _families(readings: Iterable[Reading]) -> Iterator[Metric]:
    families = {
        name: GaugeMetricFamily(f"{PREFIX}_{name}", gauge.help, labels=gauge.labels)
        for name, gauge in GAUGES.items()
    }
    for reading in readings:
        families[reading.name].add_metric(reading.labels, reading.value)
    yield from families.values()


def _counted(totals: Totals) -> Iterator[Metric]:
    for name, spec in METRICS.items():
        full = f"{PREFIX}_{name}"
        if spec.buckets:
            histograms = HistogramMetricFamily(full, spec.help, labels=spec.labels)
            for labels, histogram in totals.histograms.get(name, {}).items():
                histograms.add_metric(labels, _buckets(spec.buckets, histogram), histogram.total)
            yield histograms
        else:
            counters = CounterMetricFamily(full, spec.help, labels=spec.labels)
            for labels, amount in totals.counters.get(name, {}).items():
                counters.add_metric(labels, amount)
            yield counters


def _buckets(bounds: tuple[float, ...], histogram: Histogram) -> list[tuple[str, float]]:
    names = [*(str(bound) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(histogram.counts), strict=True))


REGISTRY = CollectorRegistry()
REGISTRY.register(SystemCollector())
ProcessCollector(namespace=f"{PREFIX}_web", registry=REGISTRY)
_trusted: dict[str, float] = {}  # hashes of tokens, and until when they need no look-up


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape: from this machine openly unless it is set otherwise, from elsewhere with an API token."""
    if not (_is_local(request) or _has_token(request)):
        words = "an API token is needed"
        where = "" if _needs_token() else " from other machines"
        refused = HttpResponse(f"{words}{where}\n", "text/plain", 401)
        refused["WWW-Authenticate"] = "Token"
        if "Authorization" in request.headers:
            wait = seconds_after_wrong_token(request.META.get("REMOTE_ADDR") or "")
            if wait:
                refused.status_code = 429
                refused["Retry-After"] = str(wait)
        return refused
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _is_local(request: HttpRequest) -> bool:
    """Whether the peer is this machine itself, and no proxy that speaks for others."""
    if _needs_token() or "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:
        return False


def _needs_token() -> bool:
    """Whether everybody needs a token: equity is no business of every user of this machine."""
    return bool(settings.ENVIRONMENT.orchestrator_metrics == "token")


def _has_token(request: HttpRequest) -> bool:
    """Whether an active user's token came along; one known lately is believed while the database is away."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in SCHEMES or not key.strip():
        return False
    digest = hashlib.sha256(key.strip().encode()).hexdigest()
    try:
        user = user_of_token(key.strip())
    except (DatabaseError, InterfaceError):
        return _trusted.get(digest, 0.0) > monotonic()
    is_known = user is not None and user.is_active
    if is_known:
        _trusted[digest] = monotonic() + TOKEN_TRUSTED_SECONDS
    else:
        _trusted.pop(digest, None)
    return is_known
