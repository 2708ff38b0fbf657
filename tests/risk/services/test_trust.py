"""Trust curves: what is published, what is refused, and which are in force."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from risk.domain.trust import Knot, Scope, Standing, in_force, is_well_formed, trust_of
from risk.errors import TrustError
from risk.models import TrustCurve
from risk.services.trust import curves, publish
from tests.factories import make_trust_curve

NOW = datetime(2026, 11, 2, 15, tzinfo=UTC)
STRATEGY = str(uuid4())
SCOPE = Scope("openai/gpt-4o-mini", STRATEGY, "decisions-v3", "gpt-4o-mini-2024-07-18")


def knot(confidence: str, low: str, probability: str = "0.7", n: str = "100") -> Knot:
    return Knot(Decimal(confidence), Decimal(probability), Decimal(low), Decimal(n))


def published(**overrides: Any) -> TrustCurve:
    values: dict[str, Any] = {
        "scope": SCOPE,
        "knots": [knot("0.7", "0.51"), knot("0.9", "0.58")],
        "break_even": Decimal("0.5"),
        "reference": Decimal("0.6"),
        "valid_until": NOW,
        "label_spec": "excess-5s-v1",
        "evidence": {"n": 500},
        "author": "ada",
    }
    return publish(**(values | overrides))


@pytest.mark.django_db
def test_what_is_published_is_what_the_gate_reads() -> None:
    row = published()

    [curve] = curves()

    assert (curve.version, curve.scope) == (row.version, SCOPE)
    assert curve.knots == (knot("0.7", "0.51"), knot("0.9", "0.58"))
    assert (curve.break_even, curve.reference) == (Decimal("0.5"), Decimal("0.6"))
    assert curve.valid_until == NOW
    assert is_well_formed(curve)
    assert trust_of(Decimal("0.92"), curve, now=NOW, floor=Decimal("0.25")).factor == Decimal("0.8")


@pytest.mark.django_db
def test_highest_version_of_each_scope_is_in_force_and_one_query_reads_all() -> None:
    published()
    other = published(scope=Scope("anthropic/claude"))
    newest = published(knots=[knot("0.9", "0.5")])

    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = curves()

    assert {curve.version for curve in found} == {other.version, newest.version}
    assert len(queries) == 1


@pytest.mark.django_db
def test_another_model_behind_the_same_name_has_earned_nothing() -> None:
    """docs/evaluation.md, "Trust"."""
    published()
    published(scope=Scope(SCOPE.model, answered=SCOPE.answered))
    changed = Scope(SCOPE.model, STRATEGY, "decisions-v3", "gpt-4o-mini-2026-01-01")

    assert in_force(curves(), changed) is None
    assert trust_of(Decimal("0.9"), None, now=NOW, floor=Decimal("0.25")).standing is Standing.MISSING


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"scope": Scope(" ")}, "model: was ' ', expected a model's name of 1 to 500"),
        ({"scope": Scope("m" * 501)}, "model: was"),
        ({"scope": Scope("m", answered="a" * 201)}, "answered_model: was 'a.*expected at most 200"),
        ({"scope": Scope("m", "Balanced momentum", "p")}, "strategy: was 'Balanced momentum', expected a strat"),
        ({"scope": Scope("m", STRATEGY.upper(), "p")}, "strategy: was"),
        ({"scope": Scope("m", "*", "")}, "prompt_version: was '', expected a prompt's version"),
        ({"scope": Scope("m", STRATEGY)}, r"prompt_version: was \*, expected one"),
        ({"knots": []}, "knots: was 0 of them, expected 1 to 1001"),
        ({"knots": [knot("0.9", "0.5")] * 1002}, "knots: was 1002 of them"),
        ({"knots": [knot("1.1", "0.5")]}, "knots: confidence of knot 0 was 1.1, expected a number from 0 to 1"),
        ({"knots": [knot("0.9", "NaN")]}, "knots: low of knot 0 was NaN"),
        ({"knots": [knot("0.9", "0.5", "-1")]}, "knots: probability of knot 0 was -1"),
        ({"knots": [knot("0.9", "0.5", n="-1")]}, "knots: n_effective of knot 0 was -1, expected"),
        ({"knots": [knot("0.9", "0.71")]}, "knots: low of knot 0 was 0.71, expected at most its probability"),
        ({"knots": [knot("0.9", "0.5"), knot("0.9", "0.5")]}, "confidence of knot 1 was 0.9, expected more"),
        ({"knots": [knot("0.8", "0.5"), knot("0.9", "0.4")]}, "low of knot 1 was 0.4, expected at least"),
        ({"break_even": Decimal("-0.1")}, "break_even: was -0.1, expected a number from 0 to 1"),
        ({"reference": Decimal("Infinity")}, "reference: was Infinity"),
        ({"break_even": Decimal("0.50001")}, "break_even: was 0.50001.*at most 4 decimal places"),
        ({"reference": Decimal("0.5")}, r"reference: was 0.5, expected more than break_even \(0.5\)"),
        ({"valid_until": NOW.replace(tzinfo=None)}, "valid_until: was 2026-11-02 15:00:00, expected"),
        ({"label_spec": ""}, "label_spec: was '', expected the name of a label"),
        ({"author": " "}, "author: was ' ', expected who publishes it"),
    ],
)  # fmt: skip
def test_what_the_gate_could_not_believe_is_refused_by_name(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(TrustError, match=said):
        published(**overrides)

    assert curves() == ()


@pytest.mark.django_db
def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(TrustError, match=r"model: .*knots: .*author: "):
        published(scope=Scope(""), knots=[], author="")


@pytest.mark.django_db
def test_database_changes_no_published_curve() -> None:
    row = published()

    with pytest.raises(IntegrityError, match="a row of trust_curves never changes"), transaction.atomic():
        TrustCurve.objects.filter(pk=row.pk).update(reference=1)

    assert TrustCurve.objects.get().reference == Decimal("0.6")


@pytest.mark.django_db
@pytest.mark.parametrize("knots", [None, "all of them", [["0.9", "0.6", "0.5"]], [["0.9", "a", "0.5", "1"]]])
def test_row_that_cannot_be_read_has_the_floor(knots: Any) -> None:
    make_trust_curve(knots=knots or [], model="m")

    [curve] = curves()

    trust = trust_of(Decimal("0.9"), curve, now=NOW, floor=Decimal("0.25"))
    assert (trust.factor, trust.standing) == (Decimal("0.25"), Standing.MALFORMED)
