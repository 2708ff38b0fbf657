"""Faults on demand: rules, which requests they hit, and how often."""

import re
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

FaultKind = Literal[
    "latency",
    "rate_limit",
    "error",
    "hang",
    "drip",
    "reset_before",
    "reset_after",
    "truncate",
    "alter",
    "stale_price",
    "missing_symbol",
    "zero_price",
    "wrong_price",
    "reject_order",
    "fill_delay",
    "partial_fill",
    "content",
    "disconnect_stream",
    "hide_legs",
    "lost_update",
    "late_update",
    "repeat_update",
    "reorder_update",
]
TRANSPORT_KINDS = frozenset(
    {"latency", "rate_limit", "error", "hang", "drip", "reset_before", "reset_after", "truncate", "alter"}
)
PRICE_KINDS = frozenset({"stale_price", "missing_symbol", "zero_price", "wrong_price"})


class FaultSpec(BaseModel):
    """The body of ``POST /venue/faults``.

    Args:
        route: glob on ``POST /v2/orders`` (or on the path alone, where it holds no space); a regular
            expression where it begins with ``^``. Default: everything.
        times: how many hits until the rule is used up; None: without end.
        seconds: the delay (latency, fill_delay, late_update, the second of a repeat_update), the pause between bytes
            (drip), the length (hang; None: for ever), the age (stale_price), the wait before the rest (partial_fill;
            None: the rest never fills), the longest wait for an update to be overtaken by (reorder_update).
        status: of an error; for reject_order: refuse at once with it, None: accept, then reject.
        fraction: of the quantity, for partial_fill; of the price, for wrong_price.
        symbols: only these; None: all.
        probability: of a hit on each matching request.
        body: the reply's body (error, rate_limit), the model's answer (content), or the fields of a true reply
            that are told otherwise (alter), e.g. ``{"qty": null}``.
        rows: of a reply that is a list, for alter: the rows of these symbols; None: all.
        added: rows that are told after those of a true reply that is a list (alter).

    ``hide_legs`` lists orders as real accounts were seen to: ``status=open`` leaves out what is held, and ``nested`` a
    group whose first order is not of the status asked for.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    route: str = "*"
    times: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, ge=0)
    status: int | None = Field(default=None, ge=100, le=599)
    retry_after: float | None = Field(default=None, ge=0)
    symbols: list[str] | None = None
    probability: float = Field(default=1.0, ge=0, le=1)
    fraction: float = Field(default=0.5, gt=0, lt=1)
    body: object = None
    rows: list[str] | None = None
    added: list[dict[str, object]] = Field(default_factory=list)

    @field_validator("route")
    @classmethod
    def _compiles(cls, route: str) -> str:
        if route.startswith("^"):
            try:
                re.compile(route)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return route

    def matches_route(self, method: str, path: str) -> bool:
        """Tell whether the rule is about this request."""
        target = f"{method} {path}"
        if self.route.startswith("^"):
            return re.search(self.route, target) is not None
        return fnmatchcase(target if " " in self.route else path, self.route)


@dataclass(slots=True)
class FaultRule:
    """A rule at work."""

    fault_id: str
    spec: FaultSpec
    hits: int = 0

    @property
    def is_used_up(self) -> bool:
        """Tell whether it has hit as often as it may."""
        return self.spec.times is not None and self.hits >= self.spec.times

    def describe(self) -> dict[str, object]:
        """Return the rule with its hits, for ``GET /venue/faults``."""
        return {"id": self.fault_id, "hits": self.hits, "used_up": self.is_used_up, **self.spec.model_dump()}


@dataclass(slots=True)
class Faults:
    """All rules, in the order they were added; the first that matches a request is the one that hits."""

    seed: int
    rules: list[FaultRule] = field(default_factory=list)
    _chance: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._chance = np.random.Generator(np.random.PCG64(self.seed))

    def add(self, spec: FaultSpec) -> FaultRule:
        """Add a rule."""
        rule = FaultRule(uuid.uuid4().hex[:12], spec)
        self.rules.append(rule)
        return rule

    def remove(self, fault_id: str | None) -> bool:
        """Remove one rule, or all; tell whether there was one to remove."""
        kept = [rule for rule in self.rules if fault_id is not None and rule.fault_id != fault_id]
        removed = len(kept) < len(self.rules)
        self.rules = kept
        return removed

    def hit(
        self,
        kinds: Iterable[str],
        *,
        method: str = "",
        path: str = "",
        symbols: Collection[str] = (),
    ) -> FaultSpec | None:
        """Return the first rule of ``kinds`` that strikes this request, and count it."""
        for rule in self.rules:
            spec = rule.spec
            if spec.kind not in kinds or rule.is_used_up:
                continue
            if not spec.matches_route(method, path) or not _is_about(spec, symbols):
                continue
            if spec.probability < 1 and self._chance.random() >= spec.probability:
                continue
            rule.hits += 1
            return spec
        return None


def altered(spec: FaultSpec, reply: object) -> object:
    """Return a reply's JSON with the rule's fields laid over it, or over its rows, which its own follow.

    Anything else than an object or a list stays as it is.
    """
    fields = spec.body if isinstance(spec.body, dict) else {}
    if isinstance(reply, dict):
        return reply | fields
    if not isinstance(reply, list):
        return reply
    return [row | fields if _is_meant(spec, row) else row for row in reply] + spec.added


def _is_meant(spec: FaultSpec, row: object) -> bool:
    if not isinstance(row, dict):
        return False
    return spec.rows is None or _without_slash(str(row.get("symbol"))) in {
        _without_slash(name) for name in spec.rows
    }


def _is_about(spec: FaultSpec, symbols: Collection[str]) -> bool:
    if not spec.symbols:
        return True
    return not {_without_slash(name) for name in spec.symbols}.isdisjoint(map(_without_slash, symbols))


def _without_slash(symbol: str) -> str:
    return symbol.upper().replace("/", "")
