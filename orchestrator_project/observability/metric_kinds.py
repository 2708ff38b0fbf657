"""What is measured: counters and histograms with their labels, and totals that can be kept and added to."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

MOST_LABEL_SETS = 200
OTHER = "other"

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
BPS = (-100.0, -50.0, -20.0, -10.0, -5.0, -2.0, -1.0, 0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True)
class Spec:
    """A counter, or with ``buckets`` (inclusive upper bounds) a histogram."""

    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: Mapping[str, Spec] = MappingProxyType(
    {
        "cycles": Spec("Cycles that ended.", ("type", "status")),
        "cycle_seconds": Spec("From a cycle's start to its completion.", ("type",), SECONDS),
        "cycle_step_seconds": Spec("A step of a cycle.", ("step",), SECONDS),
        "decisions": Spec(
            "Decisions by what became of them; a stored or awaiting one may be counted again when it is answered.",
            ("action", "status", "reason"),
        ),
        "denials": Spec("Decisions the risk gate denied.", ("code",)),
        "orders": Spec("Orders that reached a status.", ("status",)),
        "order_submit_seconds": Spec("From the claim to the broker's acknowledgement.", (), SECONDS),
        "order_fill_seconds": Spec("From the claim to the last fill.", (), SECONDS),
        "slippage_bps": Spec(
            "Fill price against the price decided on; positive is worse for us.", ("side",), BPS
        ),
        "sagas": Spec("Sagas that reached a status.", ("status",)),
        "provider_errors": Spec("Errors of cycles, by what was being done.", ("operation", "error")),
        "model_calls": Spec("Calls of models.", ("model", "status")),
        "model_call_seconds": Spec("How long a model took to answer.", ("model",), SECONDS),
        "model_tokens": Spec("Tokens by direction.", ("model", "direction")),
        "model_cost_usd": Spec("What the budgets were charged.", ("model",)),
        "clock_steps": Spec("Steps of a clock that were noticed.", ("clock",)),
        "switch_engagements": Spec("How often the kill switch was engaged.", ("trigger",)),
        "senders_fenced": Spec("Processes that did not end a request in time and were cut off."),
    }
)

Labels = tuple[str, ...]


@dataclass(slots=True)
class Histogram:
    """Observations by bucket (not cumulative; the last is beyond all bounds) and their sum."""

    counts: list[float]
    total: float = 0.0


@dataclass(slots=True)
class Totals:
    """All counters and histograms since counting began."""

    counters: dict[str, dict[Labels, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Labels, Histogram]] = field(default_factory=dict)

    def add(self, name: str, labels: Sequence[str], amount: float = 1.0) -> None:
        """Add to a counter; beyond 200 sets of labels the rest is counted together."""
        series = self.counters.setdefault(name, {})
        key = _bounded(name, labels, series)
        series[key] = series.get(key, 0.0) + amount

    def observe(self, name: str, labels: Sequence[str], value: float) -> None:
        """Add an observation to a histogram."""
        buckets = METRICS[name].buckets
        series = self.histograms.setdefault(name, {})
        key = _bounded(name, labels, series)
        histogram = series.setdefault(key, Histogram([0.0] * (len(buckets) + 1)))
        histogram.counts[bisect_left(buckets, value)] += 1
        histogram.total += value

    def to_json(self) -> dict[str, Any]:
        """Return the totals as JSON can hold them."""
        return {
            "counters": {
                name: [[list(key), amount] for key, amount in series.items()]
                for name, series in self.counters.items()
            },
            "histograms": {
                name: [[list(key), h.counts, h.total] for key, h in series.items()]
                for name, series in self.histograms.items()
            },
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Totals":
        """Read kept totals; what a newer or older version does not know of is left out."""
        totals = cls()
        for name, series in kept.get("counters", {}).items():
            if name in METRICS:
                totals.counters[name] = {tuple(key): amount for key, amount in series}
        for name, series in kept.get("histograms", {}).items():
            if name in METRICS:
                size = len(METRICS[name].buckets) + 1
                totals.histograms[name] = {
                    tuple(key): Histogram(list(counts), total)
                    for key, counts, total in series
                    if len(counts) == size
                }
        return totals


def _bounded(name: str, labels: Sequence[str], series: Mapping[Labels, object]) -> Labels:
    key = tuple(labels)
    if len(key) != len(METRICS[name].labels):
        raise ValueError(f"{name} has the labels {METRICS[name].labels}, was given {key}")
    if key in series or len(series) < MOST_LABEL_SETS:
        return key
    return (OTHER,) * len(key)
