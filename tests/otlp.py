"""A collector on loopback that keeps the spans it is sent by OTLP/HTTP."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """A span as it arrived; times in seconds, ``process`` is its service's name."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    process: str
    pid: str
    start: float
    end: float
    attributes: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    is_error: bool


class Collector:
    """Serve in a thread inside the ``with`` block; ``is_hanging`` takes requests and never answers them."""

    def __init__(self, *, is_hanging: bool = False) -> None:
        self._lock = threading.Lock()
        self._bodies: list[bytes] = []  # read when somebody asks: not while the sender is measured
        self._spans: list[SeenSpan] = []
        self._release = threading.Event()
        self.requests = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector._lock:
                    collector.requests += 1
                if is_hanging:
                    collector._release.wait()
                    return
                if self.path == "/v1/traces":
                    with collector._lock:
                        collector._bodies.append(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Collector":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()

    def spans(self, **attributes: str) -> list[SeenSpan]:
        """Return what arrived so far with these attributes (``__`` for a dot), in order of time."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        with self._lock:
            self._spans += [span for body in self._bodies for span in _spans(body)]
            self._bodies.clear()
            found = list(self._spans)
        return sorted((s for s in found if wanted.items() <= s.attributes.items()), key=lambda s: s.start)

    def trace_of(self, cycle_id: str) -> list[SeenSpan]:
        """Return all spans of the traces that name the cycle."""
        traces = {span.trace_id for span in self.spans(orchestrator__cycle_id=cycle_id)}
        return [span for span in self.spans() if span.trace_id in traces]


def _spans(body: bytes) -> Iterator[SeenSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        service = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    name=span.name,
                    kind=KINDS[span.kind],
                    process=str(service.get("service.name", "")).removeprefix("orchestrator-"),
                    pid=str(service.get("service.instance.id", "")),
                    start=span.start_time_unix_nano / 1e9,
                    end=span.end_time_unix_nano / 1e9,
                    attributes=_attributes(span.attributes),
                    events=tuple({"name": e.name, **_attributes(e.attributes)} for e in span.events),
                    is_error=span.status.code == 2,
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    field = value.WhichOneof("value")
    if field == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, field) if field else None
