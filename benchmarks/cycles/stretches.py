"""Where the time of one cycle went, from its own rows, the venue's log of requests, and the model's."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from benchmarks.cycles.result import Stretch

REQUESTS = {
    "GET /v2/stocks/": "  request: stocks' data",
    "GET /v1beta3/": "  request: coins' data",
    "GET /v1beta1/news": "  request: news",
    "GET /finnhub/": "  request: finnhub",
    "GET /coingecko/": "  request: coingecko",
    "POST /v2/orders": "  request: post of an order",
    "GET /v2/orders": "  request: look at orders",
    "GET /v2/account/activities": "  request: activities",
    "GET /v2/account": "  request: account",
    "GET /v2/positions": "  request: positions",
    "GET /v2/clock": "  request: clock",
}


def stretches_of(
    cycle: Any,
    *,
    began: datetime,
    requests: Sequence[dict[str, Any]],
    calls: Sequence[tuple[float, float]],
) -> list[Stretch]:
    """Return a cycle's stretches in the order in which they began.

    Args:
        requests: of the venue's log, while the cycle ran.
        calls: of the model, begin and end in unix seconds.
    """
    zero = began.timestamp()
    found = [
        *_steps(cycle),
        *_rows(cycle),
        *_asked(requests),
        ("model calls", *_span([moment for call in calls for moment in call]), len(calls)),
    ]
    return sorted(
        (
            Stretch(name, begin - zero, end - zero, count)
            for name, begin, end, count in found
            if begin is not None and end is not None and begin >= zero - 0.01
        ),
        key=lambda stretch: (stretch.begin, stretch.end),
    )


Found = tuple[str, float | None, float | None, int]


def _span(moments: Iterable[float]) -> tuple[float | None, float | None]:
    known = list(moments)
    return (min(known), max(known)) if known else (None, None)


def _steps(cycle: Any) -> list[Found]:
    """Return the cycle's own steps, each with when it began and ended."""
    from trading.models import Event

    steps: dict[str, list[tuple[float, float]]] = {}
    for event in Event.objects.filter(cycle_id=cycle.pk, type__startswith="cycle.step."):
        if "seconds" in event.payload:
            end = event.occurred_at
            begin = end - timedelta(seconds=float(event.payload["seconds"]))
            name = event.type.rpartition(".")[2]
            steps.setdefault(name, []).append((begin.timestamp(), end.timestamp()))
    return [
        (f"step {name}", min(b for b, _ in spans), max(e for _, e in spans), len(spans))
        for name, spans in steps.items()
    ]


def _rows(cycle: Any) -> list[Found]:
    """Return when the first and the last row of each kind was written."""
    from risk.models import RiskCheck
    from trading.models import AIDecision, Order, Saga, Trade

    def of(name: str, moments: Iterable[datetime | None]) -> Found:
        known = [moment.timestamp() for moment in moments if moment is not None]
        return (name, *_span(known), len(known))

    orders = list(Order.objects.filter(cycle_id=cycle.pk))
    fills = [f for order in orders for f in order.fills.all()] if orders else []
    trades = Trade.objects.filter(cycle_id=cycle.pk).count()
    sagas = list(Saga.objects.filter(cycle_id=cycle.pk))
    return [
        of(
            "decisions stored",
            AIDecision.objects.filter(cycle_id=cycle.pk).values_list("created_at", flat=True),
        ),
        of("gate judged", RiskCheck.objects.filter(cycle_id=cycle.pk).values_list("created_at", flat=True)),
        of("orders acknowledged", (order.acknowledged_at for order in orders)),
        of("fills recorded", (fill.recorded_at for fill in fills)),
        of("orders ended", (order.ended_at for order in orders)),
        of(f"sagas ended ({trades} trades booked)", (saga.ended_at for saga in sagas)),
        of("cycle ended", [cycle.ended_at]),
    ]


def _asked(requests: Sequence[dict[str, Any]]) -> list[Found]:
    """Return the requests by kind: from the first one's arrival to the last one's."""
    kinds: dict[str, list[float]] = {}
    for request in requests:
        asked = f"{request['method']} {request['path']}"
        name = next((words for prefix, words in REQUESTS.items() if asked.startswith(prefix)), None)
        if name is not None:
            kinds.setdefault(name, []).append(datetime.fromisoformat(request["at"]).timestamp())
    return [(name, *_span(moments), len(moments)) for name, moments in kinds.items()]


def drawn(stretches: Sequence[Stretch], *, width: int = 60) -> str:
    """Return the waterfall as lines of text on one axis."""
    if not stretches:
        return ""
    whole = max(stretch.end for stretch in stretches) or 1.0
    lines = [f"  {'':38}{'count':>6}{'from':>9}{'to':>9}  0 s {'.' * (width - 12)} {whole:.2f} s"]
    for stretch in stretches:
        first = round(stretch.begin / whole * (width - 1))
        last = max(first + 1, round(stretch.end / whole * (width - 1)) + 1)
        bar = " " * first + "#" * (last - first)
        lines.append(f"  {stretch.name:38}{stretch.count:>6}{stretch.begin:>9.3f}{stretch.end:>9.3f}  {bar}")
    return "\n".join(lines)
