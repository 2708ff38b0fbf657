"""Traces by OTLP/HTTP, where OTEL_EXPORTER_OTLP_ENDPOINT is set; without it nothing here is even imported.

Called once per process, after its last fork: ``apps.py`` for web, beat, sweeper, listener and commands,
``celery.py`` for the children of a worker. ADR 0019 says what is recorded and what is left out.
"""

import atexit
import os
import threading
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, Status, TraceState
from opentelemetry.util.types import Attributes

from connectors import proxies
from connectors.redaction import REDACTED, redact, redact_value

log = structlog.get_logger(__name__)
IDS = ("cycle_id", "decision_id", "saga_id", "order_id", "task_id")
NOT_TRACED = "health/live,health/ready,health/startup,metrics,static/"
LONGEST_ATTRIBUTE = 1000  # an insert of 140 rows has a statement of 20 kB
QUEUE_SPANS, BATCH_SPANS = 8192, 512
EXPORT_EVERY_MS = 1000
EXPORT_TIMEOUT_SECONDS = 2.0
AWAY_SECONDS = 30.0
SAY_AGAIN_SECONDS = 600.0
STOP_SECONDS = 3.0
_ADDRESSES = frozenset({"http.url", "url.full", "http.target", "url.path", "http.route"})
_QUERIES = frozenset({"url.query", "http.query"})


def start_tracing(endpoint: str, process: str) -> None:
    """Record this process's spans and send them to the collector at ``endpoint``; call it after the last fork."""
    trace.set_tracer_provider(make_provider(endpoint, process))
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]  # it is not annotated
    DjangoInstrumentor().instrument(excluded_urls=NOT_TRACED)
    for kind in (Psycopg2Instrumentor, RedisInstrumentor, RequestsInstrumentor, HTTPXClientInstrumentor):
        kind().instrument()
    atexit.register(stop_tracing)


def make_provider(endpoint: str, process: str) -> TracerProvider:
    """Return what makes spans and sends them, in batches from a thread of its own."""
    provider = TracerProvider(
        sampler=ParentBased(root=OwnRoots()),
        resource=Resource.create(
            {
                "service.namespace": "trading-orchestrator",
                "service.name": os.environ.get("OTEL_SERVICE_NAME") or f"orchestrator-{process}",
                "service.instance.id": str(os.getpid()),
            }
        ),
        span_limits=SpanLimits(max_attribute_length=LONGEST_ATTRIBUTE, max_events=16),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(IdsOnSpans())
    session = requests.Session()
    session.trust_env = not proxies.current().is_direct(urlsplit(endpoint).hostname or "")
    collector = OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=EXPORT_TIMEOUT_SECONDS, session=session)
    provider.add_span_processor(
        BatchSpanProcessor(
            CalmExporter(collector, urlsplit(endpoint).hostname or ""),
            max_queue_size=QUEUE_SPANS,
            schedule_delay_millis=EXPORT_EVERY_MS,
            max_export_batch_size=BATCH_SPANS,
        )
    )
    return provider


def stop_tracing(provider: trace.TracerProvider | None = None) -> None:
    """Send what is left, for 3 s at most: a collector that hangs must not keep a process from ending."""
    provider = provider or trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        ending = threading.Thread(target=provider.shutdown, name="trace-shutdown", daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)


class OwnRoots(Sampler):
    """Starts no trace at a lone client call: the polls of beat, workers and sweeper would drown the cycles."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Drop client spans; this is asked about spans without a parent only."""
        decision = Decision.DROP if kind is SpanKind.CLIENT else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision, attributes if decision is not Decision.DROP else None)

    def get_description(self) -> str:
        """Return the sampler's name."""
        return "OwnRoots"


class IdsOnSpans(SpanProcessor):
    """Puts the ids that the log lines carry on every span, too."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Copy the bound ids."""
        bound = structlog.contextvars.get_contextvars()
        for name in IDS:
            if name in bound:
                span.set_attribute(f"orchestrator.{name}", str(bound[name]))


class CalmExporter(SpanExporter):
    """Exports spans redacted; leaves a collector that fails alone for half a minute, and says so seldom.

    Runs in the batch processor's thread: what it does costs the traced work nothing but its share of the GIL.
    """

    def __init__(self, collector: SpanExporter, host: str) -> None:
        self._collector = collector
        self._host = host
        self._away_until = 0.0
        self._say_after = 0.0
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans, or lose and count them."""
        now = monotonic()
        if now < self._away_until:
            self._lost += len(spans)
            return SpanExportResult.FAILURE
        result = self._collector.export([redacted_span(span) for span in spans])
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                log.info("trace_export_again", collector=self._host, lost_spans=self._lost)
                self._lost = 0
            return result
        self._lost += len(spans)
        self._away_until = monotonic() + AWAY_SECONDS
        if now >= self._say_after:
            self._say_after = now + SAY_AGAIN_SECONDS
            log.warning("trace_export_failed", collector=self._host, lost_spans=self._lost)
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._collector.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is kept here."""
        return True


def redacted_span(span: ReadableSpan) -> ReadableSpan:
    """Return the span without keys: in its attributes, its events (exceptions with tracebacks) and its status."""
    events = [
        Event(redact(event.name), attributes=_clean(event.attributes), timestamp=event.timestamp)
        for event in span.events
    ]
    description = span.status.description
    return ReadableSpan(
        name=redact(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_clean(span.attributes),
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, redact(description) if description else None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _clean(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return attributes redacted; of addresses only what stands before the question mark."""
    clean: dict[str, Any] = {}
    for name, value in (attributes or {}).items():
        if name in _QUERIES:
            clean[name] = REDACTED
        elif name in _ADDRESSES and isinstance(value, str):
            clean[name] = redact(value.partition("?")[0])
        else:
            clean[name] = redact_value(value, name=name)
    return clean
