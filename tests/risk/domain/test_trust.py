"""Trust only shrinks: no entry is larger, no denial becomes an allowance, exits are as they were."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.domain.trust import (
    Knot,
    Scope,
    Standing,
    Trust,
    TrustCurve,
    TrustMode,
    in_force,
    is_well_formed,
    knots_json,
    read_knots,
    trust_of,
    trusted_intent,
)
from tests.risk.values import make_intent

NOW = datetime(2026, 11, 2, 15, tzinfo=UTC)
FLOOR = Decimal("0.25")
SCOPE = Scope("m", "s", "p")


def knot(confidence: str, low: str, probability: str = "0.7") -> Knot:
    return Knot(Decimal(confidence), Decimal(probability), Decimal(low), Decimal(100))


def make_curve(**overrides: object) -> TrustCurve:
    values: dict[str, object] = {
        "version": 3,
        "scope": SCOPE,
        "knots": (knot("0.6", "0.49"), knot("0.7", "0.52"), knot("0.8", "0.56"), knot("0.9", "0.62")),
        "break_even": Decimal("0.5"),
        "reference": Decimal("0.6"),
        "valid_until": NOW + timedelta(days=1),
    }
    return TrustCurve(**(values | overrides))  # type: ignore[arg-type]  # a test's own overrides


@pytest.mark.parametrize(
    ("confidence", "factor"),
    [
        ("0.6", "0.25"),
        ("0.69", "0.25"),
        ("0.7", "0.25"),
        ("0.8", "0.6"),
        ("0.89", "0.6"),
        ("0.9", "1"),
        ("1", "1"),
    ],
)
def test_factor_is_how_far_the_lower_bound_lies_above_break_even(confidence: str, factor: str) -> None:
    """(low - 0.5) / 0.1, between the floor and 1; between two knots the lower one counts."""
    found = trust_of(Decimal(confidence), make_curve(), now=NOW, floor=FLOOR)

    assert (found.factor, found.standing, found.version) == (Decimal(factor), Standing.EARNED, 3)


MALFORMED: dict[str, dict[str, object]] = {
    "no knots": {"knots": ()},
    "nan": {"knots": (knot("0.6", "NaN"),)},
    "above 1": {"knots": (knot("0.6", "1.2", "1.3"),)},
    "negative": {"knots": (knot("0.6", "-0.1"),)},
    "falling": {"knots": (knot("0.6", "0.6"), knot("0.7", "0.5"))},
    "out of order": {"knots": (knot("0.7", "0.5"), knot("0.6", "0.6"))},
    "twice": {"knots": (knot("0.6", "0.5"), knot("0.6", "0.6"))},
    "bound above estimate": {"knots": (knot("0.6", "0.8"),)},
    "reference at break even": {"reference": Decimal("0.5")},
    "infinite reference": {"reference": Decimal("Infinity")},
    "no zone": {"valid_until": datetime(2027, 1, 1)},  # noqa: DTZ001 - what is malformed here
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_curve_has_the_floor(name: str) -> None:
    curve = make_curve(**MALFORMED[name])

    assert not is_well_formed(curve)
    assert trust_of(Decimal("0.9"), curve, now=NOW, floor=FLOOR) == Trust(FLOOR, Standing.MALFORMED, 3)


def test_missing_expired_and_unseen_have_the_floor() -> None:
    """Where market time is not known, nothing is known to be valid."""
    curve = make_curve()
    late = curve.valid_until + timedelta(microseconds=1)

    assert trust_of(Decimal("0.9"), None, now=NOW, floor=FLOOR) == Trust(FLOOR, Standing.MISSING)
    assert trust_of(Decimal("0.9"), curve, now=late, floor=FLOOR) == Trust(FLOOR, Standing.EXPIRED, 3)
    assert trust_of(Decimal("0.9"), curve, now=None, floor=FLOOR) == Trust(FLOOR, Standing.EXPIRED, 3)
    assert trust_of(Decimal("0.59"), curve, now=NOW, floor=FLOOR) == Trust(FLOOR, Standing.UNSEEN, 3)
    assert trust_of(Decimal("0.9"), curve, now=curve.valid_until, floor=FLOOR).factor == 1


@pytest.mark.parametrize("floor", ["NaN", "-1", "1.5", "Infinity"])
def test_floor_that_cannot_be_meant_is_none(floor: str) -> None:
    found = trust_of(Decimal("0.9"), None, now=NOW, floor=Decimal(floor))

    assert found.denies


def test_scope_falls_back_by_strategy_then_by_prompt_and_takes_the_highest_version() -> None:
    own = make_curve(version=2)
    newer = make_curve(version=5)
    prompt = make_curve(version=7, scope=Scope("m", "*", "p"))
    model = make_curve(version=9, scope=Scope("m"))
    others = [
        make_curve(version=11, scope=Scope("other")),
        make_curve(version=12, scope=Scope("m", "s", "*")),
    ]

    assert in_force([own, newer, prompt, model, *others], SCOPE) is newer
    assert in_force([prompt, model, *others], SCOPE) is prompt
    assert in_force([model, *others], SCOPE) is model
    assert in_force(others, SCOPE) is None


def test_an_expired_curve_of_ones_own_is_not_passed_over() -> None:
    old = make_curve(valid_until=NOW - timedelta(days=1))
    general = make_curve(version=8, scope=Scope("m"))

    assert trust_of(Decimal("0.9"), in_force([old, general], SCOPE), now=NOW, floor=FLOOR).factor == FLOOR


def test_figures_say_what_led_to_the_factor() -> None:
    found = trust_of(Decimal("0.82"), make_curve(), now=NOW, floor=FLOOR)

    assert found.figures(TrustMode.SHADOW) == {
        "trust_mode": "shadow",
        "trust_factor": "0.6",
        "trust_standing": "earned",
        "trust_version": "3",
        "calibrated_confidence": "0.7",
        "confidence_low": "0.56",
    }
    assert found.figures(TrustMode.OFF) == {}
    assert trust_of(Decimal("0.8"), None, now=NOW, floor=FLOOR).figures(TrustMode.ON) == {
        "trust_mode": "on",
        "trust_factor": "0.25",
        "trust_standing": "missing",
    }


def test_only_on_shrinks_and_only_entries() -> None:
    """An exit whose size is 0 percent of equity would be denied as invalid: it is not touched at all."""
    entry, none = make_intent(size_percent=Decimal(3)), Trust(Decimal(0), Standing.MISSING)
    half = Trust(Decimal("0.5"), Standing.EARNED, 3)

    assert trusted_intent(entry, none, TrustMode.OFF) is entry
    assert trusted_intent(entry, none, TrustMode.SHADOW) is entry
    assert trusted_intent(entry, half, TrustMode.ON).size_percent == Decimal("1.5")
    leaving = replace(entry, reducing=True)
    assert trusted_intent(leaving, none, TrustMode.ON) is leaving


def test_knots_are_read_as_written() -> None:
    curve = make_curve()

    assert read_knots(knots_json(curve.knots)) == curve.knots
    assert read_knots([[0.6, 0.7, 0.49, 100]]) == (knot("0.6", "0.49"),)


@pytest.mark.parametrize(
    "rows",
    [
        None,
        "knots",
        7,
        [1],
        ["abcd"],
        [[1, 2, 3]],
        [[1, 2, 3, None]],
        [[1, 2, 3, "x"]],
        [[1, 2, 3, True]],
        {},
    ],
)
def test_anything_else_is_no_knots(rows: object) -> None:
    assert read_knots(rows) == ()


anything = st.decimals(allow_nan=True, allow_infinity=True) | st.decimals("-0.5", "1.5", places=3)
shares = st.decimals("0", "1", places=3)
wild_knots = st.lists(st.builds(Knot, anything, anything, anything, anything), max_size=4).map(tuple)
fair_knots = st.lists(st.tuples(shares, shares, shares), max_size=6).map(
    lambda rows: tuple(
        Knot(c, max(p, low), low, Decimal(50))
        for c, p, low in zip(
            sorted({row[0] for row in rows}),
            [row[1] for row in rows],
            sorted(row[2] for row in rows),
            strict=False,
        )
    )
)
moments = st.sampled_from([NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)])
curves = st.none() | st.builds(
    TrustCurve,
    version=st.integers(1, 9),
    scope=st.just(SCOPE),
    knots=wild_knots | fair_knots,
    break_even=anything | shares,
    reference=anything | shares,
    valid_until=moments,
)


@given(curve=curves, confidence=anything, floor=anything, now=st.none() | moments)
def test_factor_is_a_share_whatever_is_given(
    curve: TrustCurve | None, confidence: Decimal, floor: Decimal, now: datetime | None
) -> None:
    trust = trust_of(confidence, curve, now=now, floor=floor)

    assert Decimal(0) <= trust.factor <= 1
    trust.figures(TrustMode.ON)
