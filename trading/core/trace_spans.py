"""Trace spans of our own work, and how work that is taken up later joins its cycle's trace.

Only OpenTelemetry's API is used: without a provider a span is a few calls that do nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from trading.models import Event

TRACEPARENT = "traceparent"
_tracer = trace.get_tracer("trading")
_w3c = TraceContextTextMapPropagator()


@contextmanager
def span(
    name: str, *, cycle_id: object = None, context: Context | None = None, **facts: str
) -> Iterator[Span]:
    """Record the block as a span of the trace, with its cycle's id and ``facts`` as attributes.

    Args:
        context: whose child it is; None: of what goes on in this thread.
    """
    attributes = {f"orchestrator.{key}": value for key, value in facts.items()}
    if cycle_id is not None:
        attributes["orchestrator.cycle_id"] = str(cycle_id)
    with _tracer.start_as_current_span(name, context=context, attributes=attributes) as recorded:
        yield recorded


def note_cycle(cycle_id: object) -> None:
    """Put the cycle's id on the span under way: it began before there was a cycle."""
    trace.get_current_span().set_attribute("orchestrator.cycle_id", str(cycle_id))


def traceparent() -> Mapping[str, str]:
    """Return what a new cycle's first event keeps of its trace; nothing where none is recorded."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier)
    return {TRACEPARENT: carrier[TRACEPARENT]} if TRACEPARENT in carrier else {}


def context_of_cycle(cycle_id: UUID | str | None) -> Context | None:
    """Return the context of a cycle's own trace, for work that is taken up again outside of it.

    One read by a unique index, and only where traces are recorded; None: no trace of it is known.
    """
    if cycle_id is None or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    first = Event.objects.filter(aggregate_type="cycle", aggregate_id=str(cycle_id), sequence=1)
    payload = first.values_list("payload", flat=True).first() or {}
    kept = payload.get(TRACEPARENT)
    return _w3c.extract({TRACEPARENT: kept}) if isinstance(kept, str) else None
