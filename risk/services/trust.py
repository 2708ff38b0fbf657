"""Published trust curves: every change is a new version, the old ones never change."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db.models import QuerySet

from risk.domain.numbers import ONE, ZERO, plain_decimal
from risk.domain.trust import ANY, Knot, Scope, TrustCurve, knots_json
from risk.errors import TrustError
from risk.models import LONGEST_ANSWERED_NAME, LONGEST_MODEL_NAME, LONGEST_SCOPE
from risk.models import TrustCurve as TrustCurveRow

log = structlog.get_logger(__name__)
MOST_KNOTS = 1001
PLACES = 4  # of break_even and reference, as the columns hold them
EXPECTED_SHARE = "expected a number from 0 to 1"
_LONGEST_AUTHOR = 150


def curves() -> tuple[TrustCurve, ...]:
    """Return the curves in force, one of each scope: its highest version. One query."""
    return curves_of(rows_in_force())


def curves_of(rows: Iterable[TrustCurveRow]) -> tuple[TrustCurve, ...]:
    """Return the curves of the rows in force that the caller has read."""
    return tuple(row.to_curve() for row in rows)


def rows_in_force() -> QuerySet[TrustCurveRow]:
    """Return the same as rows, with what they rest on."""
    scope = ("model", "answered_model", "strategy", "prompt_version")
    return TrustCurveRow.objects.order_by(*scope, "-version").distinct(*scope)


def versions(numbers: Collection[int]) -> dict[int, TrustCurve]:
    """Return published versions by number, in force or not; unknown ones are left out."""
    return {number: row.to_curve() for number, row in TrustCurveRow.objects.in_bulk(list(numbers)).items()}


def publish(
    *,
    scope: Scope,
    knots: Sequence[Knot],
    break_even: Decimal,
    reference: Decimal,
    valid_until: datetime,
    label_spec: str,
    evidence: Mapping[str, Any],
    author: str,
) -> TrustCurveRow:
    """Put a curve in force as the next version of its scope.

    Args:
        scope: ``strategy`` is the strategy's id as text, or ``*``.
        knots: in rising order of confidence, ``low`` never falling and at most ``probability``; all 0 to 1.
        break_even: below ``reference``; both 0 to 1, of at most 4 decimal places.
        valid_until: market time, inclusive; then its scope has the floor.
        label_spec: what being right meant, e.g. ``excess-5s-v1``.
        evidence: from which outcomes: windows, counts, method; JSON values.

    Raises:
        TrustError: a value cannot be taken; the message names each field and what was expected.
    """
    curve = TrustCurve(0, scope, tuple(knots), break_even, reference, valid_until)
    problems = [*check_curve(curve).values(), *_name_problems(label_spec, author)]
    if problems:
        raise TrustError("; ".join(problems))
    row = TrustCurveRow.objects.create(
        model=scope.model,
        answered_model=scope.answered,
        strategy=scope.strategy,
        prompt_version=scope.prompt,
        label_spec=label_spec,
        knots=knots_json(knots),
        break_even=break_even,
        reference=reference,
        valid_until=valid_until,
        evidence=dict(evidence),
        author=author,
    )
    log.info("trust_published", version=row.version, model=scope.model, author=author, label_spec=label_spec)
    return row


def check_curve(curve: TrustCurve) -> dict[str, str]:
    """Return what is wrong with a curve, by field; empty when it can be published."""
    problems = dict(_scope_problems(curve.scope))
    shares = {"break_even": curve.break_even, "reference": curve.reference}
    for name, value in shares.items():
        if not _is_share(value) or value != round(value, PLACES):
            problems[name] = f"{name}: was {value}, {EXPECTED_SHARE}, of at most {PLACES} decimal places"
    if not problems.keys() & shares.keys() and curve.break_even >= curve.reference:
        problems["reference"] = (
            f"reference: was {plain_decimal(curve.reference)}, expected more than break_even"
            f" ({plain_decimal(curve.break_even)})"
        )
    if curve.valid_until.tzinfo is None:
        problems["valid_until"] = f"valid_until: was {curve.valid_until}, expected a time with its zone"
    if problem := _knot_problem(curve.knots):
        problems["knots"] = f"knots: {problem}"
    return problems


def _name_problems(label_spec: str, author: str) -> Iterator[str]:
    if not label_spec.strip() or len(label_spec) > LONGEST_SCOPE:
        yield f"label_spec: was {label_spec!r}, expected the name of a label, e.g. excess-5s-v1"
    if not author.strip() or len(author) > _LONGEST_AUTHOR:
        yield f"author: was {author!r}, expected who publishes it, in 1 to {_LONGEST_AUTHOR} characters"


def _scope_problems(scope: Scope) -> Iterator[tuple[str, str]]:
    if not scope.model.strip() or len(scope.model) > LONGEST_MODEL_NAME:
        expected = f"expected a model's name of 1 to {LONGEST_MODEL_NAME} characters"
        yield "model", f"model: was {scope.model!r}, {expected}"
    if len(scope.answered) > LONGEST_ANSWERED_NAME:
        expected = f"expected at most {LONGEST_ANSWERED_NAME} characters"
        yield "answered_model", f"answered_model: was {scope.answered!r}, {expected}"
    if scope.strategy != ANY and not _is_id(scope.strategy):
        yield (
            "strategy",
            f"strategy: was {scope.strategy!r}, expected a strategy's id in lower case, or {ANY}",
        )
    if not scope.prompt.strip() or len(scope.prompt) > LONGEST_SCOPE:
        yield "prompt_version", f"prompt_version: was {scope.prompt!r}, expected a prompt's version, or {ANY}"
    if scope.strategy != ANY and scope.prompt == ANY:
        yield "prompt_version", f"prompt_version: was {ANY}, expected one, as the curve is of one strategy"


def _knot_problem(knots: Sequence[Knot]) -> str:
    """Return what is wrong with the first knot that cannot be taken; "" where all can."""
    if not 1 <= len(knots) <= MOST_KNOTS:
        return f"was {len(knots)} of them, expected 1 to {MOST_KNOTS}"
    before: Knot | None = None
    for place, knot in enumerate(knots):
        for name in ("confidence", "probability", "low"):
            if not _is_share(value := getattr(knot, name)):
                return f"{name} of knot {place} was {value}, {EXPECTED_SHARE}"
        if not (knot.n_effective.is_finite() and knot.n_effective >= 0):
            return f"n_effective of knot {place} was {knot.n_effective}, expected a number from 0"
        if knot.low > knot.probability:
            return (
                f"low of knot {place} was {knot.low}, expected at most its probability ({knot.probability})"
            )
        if before is not None and knot.confidence <= before.confidence:
            return f"confidence of knot {place} was {knot.confidence}, expected more than {before.confidence}"
        if before is not None and knot.low < before.low:
            return f"low of knot {place} was {knot.low}, expected at least the one before ({before.low})"
        before = knot
    return ""


def _is_share(value: Decimal) -> bool:
    return value.is_finite() and ZERO <= value <= ONE


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
