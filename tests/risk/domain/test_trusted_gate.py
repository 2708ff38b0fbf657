"""Trust only shrinks: no entry is larger, no denial becomes an allowance, exits are as they were."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.domain.gate import judge
from risk.domain.reasons import DenyReason
from risk.domain.trust import Scope, Standing, Trust, TrustCurve, TrustMode
from risk.domain.trusted_gate import AppliedTrust, TrustTerms, judge_trusted
from risk.domain.types import LimitValues, OrderIntent, RiskBook, Verdict
from risk.services.book import Wish, judge_in_order
from tests.risk.domain.test_gate_properties import SYMBOLS, books, intents, limits
from tests.risk.domain.test_trust import (
    FLOOR,
    NOW,
    SCOPE,
    anything,
    curves,
    knot,
    make_curve,
    moments,
    shares,
)
from tests.risk.values import make_book, make_exit, make_intent, make_limit_values, make_rules

EXAMPLES, EXAMPLES_OF_THE_LONG_FORM = 200, 10_000
NOBODY = UUID(int=0)


def terms(*known: TrustCurve, **overrides: object) -> TrustTerms:
    values: dict[str, object] = {"mode": TrustMode.ON, "floor": FLOOR, "curves": known, "now": NOW}
    return TrustTerms(**(values | overrides))  # type: ignore[arg-type]  # a test's own overrides


def judged(intent: OrderIntent, held: TrustTerms, book: RiskBook | None = None) -> Verdict:
    applied = held.applied(intent.confidence, SCOPE)
    return judge_trusted(intent, book or make_book(), make_limit_values(), applied)


def test_entry_has_the_share_of_its_size_that_its_confidence_earned() -> None:
    """3 % of 100,000 USD at 100 USD a share; at 0.82 the bound is 0.56, six tenths of the way to 0.6."""
    verdict = judged(make_intent(confidence=Decimal("0.82")), terms(make_curve()))

    assert (verdict.quantity, verdict.notional) == (18, 1800)
    told = {name: verdict.figures[name] for name in ("trust_version", "trust_factor", "trust_mode")}
    assert told == {"trust_version": "3", "trust_factor": "0.6", "trust_mode": "on"}
    assert (verdict.figures["calibrated_confidence"], verdict.figures["confidence_low"]) == ("0.7", "0.56")


def test_shadow_says_the_same_and_changes_nothing() -> None:
    intent = make_intent(confidence=Decimal("0.82"))

    verdict = judged(intent, terms(make_curve(), mode=TrustMode.SHADOW))

    alone = judge(intent, make_book(), make_limit_values())
    assert replace(verdict, figures=alone.figures) == alone
    assert verdict.figures["trust_factor"] == "0.6"
    assert verdict.figures["trust_mode"] == "shadow"


def test_off_is_the_gate_alone() -> None:
    intent = make_intent()

    assert judged(intent, terms(mode=TrustMode.OFF)) == judge(intent, make_book(), make_limit_values())


@pytest.mark.parametrize(
    ("curve", "standing"),
    [
        (None, "missing"),
        (make_curve(valid_until=NOW - timedelta(days=1)), "expired"),
        (make_curve(knots=()), "malformed"),
        (make_curve(knots=(knot("0.95", "0.6"),)), "unseen"),
        (make_curve(scope=replace(SCOPE, answered="another")), "missing"),
    ],
)
def test_without_a_valid_record_the_floor_is_left(curve: TrustCurve | None, standing: str) -> None:
    verdict = judged(make_intent(), terms(*filter(None, [curve])))

    assert verdict.quantity == Decimal("7.5")
    assert verdict.figures["trust_standing"] == standing


def test_floor_of_nothing_denies_for_a_reason_of_its_own() -> None:
    verdict = judged(make_intent(), terms(floor=Decimal(0)))

    assert (verdict.reason, verdict.quantity, verdict.notional) == (DenyReason.UNTRUSTED_CONFIDENCE, 0, 0)
    assert verdict.detail == "nothing is left of its size: trust is missing, and the floor 0"
    assert verdict.figures["wanted_notional"] == "3000"
    assert verdict.figures["trust_factor"] == "0"


def test_what_trust_leaves_may_be_less_than_a_share() -> None:
    """Whole shares at 1,000 USD: of three, a quarter is none."""
    whole = make_rules(fractionable=False)

    verdict = judged(make_intent(rules=whole, price=Decimal(1000)), terms())

    assert verdict.reason is DenyReason.BELOW_MINIMUM
    assert verdict.detail == "trust leaves 0.25 of its size; the whole would have passed"


def test_crumb_of_the_whole_wish_is_not_bought_because_the_wish_became_smaller() -> None:
    """500 USD of room are a sixth of 3,000 and would be two thirds of 750: a denial stays one."""
    book = make_book(exposures={"AAPL": Decimal(9_500)})
    alone = judge(make_intent(), book, make_limit_values())

    verdict = judged(make_intent(), terms(), book)

    assert (alone.reason, verdict.reason) == (DenyReason.POSITION_TOO_LARGE, DenyReason.POSITION_TOO_LARGE)


@pytest.mark.parametrize("reason", ["kill_switch", "low_confidence", "stale_price", "daily_loss_limit"])
def test_every_denial_of_an_entry_says_what_trust_would_have_made_of_it(reason: str) -> None:
    denying: dict[str, tuple[OrderIntent, RiskBook]] = {
        "kill_switch": (make_intent(), make_book(switch_engaged=True)),
        "low_confidence": (make_intent(confidence=Decimal("0.65")), make_book()),
        "stale_price": (make_intent(price_age_seconds=None), make_book()),
        "daily_loss_limit": (make_intent(), make_book(session_start_equity=Decimal(200_000))),
    }
    intent, book = denying[reason]

    verdict = judged(intent, terms(make_curve()), book)

    assert verdict.reason == reason
    assert verdict.figures["trust_standing"] == "earned"
    assert verdict.figures["trust_version"] == "3"


def test_exit_is_no_business_of_trust() -> None:
    book = make_book(held_quantity=Decimal(5))
    none = AppliedTrust(Trust(Decimal(0), Standing.MISSING), TrustMode.ON)

    assert judge_trusted(make_exit(), book, make_limit_values(), none) == judge(make_exit(), book, None)


def test_those_after_it_find_the_smaller_order_in_their_book() -> None:
    """One order on the book is at most what it would be; what it leaves is free for the next."""
    intents_ = [make_intent(size_percent=Decimal(10)), make_intent(symbol="MSFT", size_percent=Decimal(10))]
    book = make_book(buying_power=Decimal(12_500))
    applied = terms().applied(Decimal("0.8"), SCOPE)
    wishes = [Wish(intent, Decimal(0), NOBODY, NOBODY, trust=applied) for intent in intents_]
    untrusted = [replace(wish, trust=None) for wish in wishes]

    small = [verdict.notional for verdict, _ in judge_in_order(wishes, book=book, limits=make_limit_values())]
    large = [v.notional for v, _ in judge_in_order(untrusted, book=book, limits=make_limit_values())]

    assert (small, large) == ([2500, 2500], [10_000, 2500])


class Case(NamedTuple):
    """An order and what it is judged by."""

    intent: OrderIntent
    book: RiskBook
    limits: LimitValues
    terms: TrustTerms


def hold(case: Case) -> None:
    """What must hold of the very function that live judging and replays call."""
    intent, book = case.intent, case.book
    applied = case.terms.applied(intent.confidence, SCOPE)
    wish = Wish(intent, book.held_quantity, NOBODY, NOBODY, trust=applied)
    [(before, _)] = judge_in_order([replace(wish, trust=None)], book=book, limits=case.limits)
    [(after, reservation)] = judge_in_order([wish], book=book, limits=case.limits)

    assert after.quantity <= before.quantity
    assert after.notional <= before.notional
    assert before.allowed or (after.reason, after.allowed) == (before.reason, False)
    assert (reservation is not None) is after.allowed
    if intent.reducing or applied is None:
        assert after == before
        return
    assert after.figures.keys() >= {"trust_mode", "trust_factor", "trust_standing"}
    if applied.mode is not TrustMode.ON:
        assert replace(after, figures=before.figures) == before
    floor = case.terms.floor if case.terms.floor.is_finite() and 0 <= case.terms.floor <= 1 else Decimal(0)
    assert applied.trust.standing is Standing.EARNED or applied.trust.factor == floor
    if after.allowed and applied.mode is TrustMode.ON:
        assert Decimal(after.figures["wanted_notional"]) <= Decimal(before.figures["wanted_notional"])


small_books = st.builds(
    replace,
    books,
    exposures=st.dictionaries(st.sampled_from(SYMBOLS), st.decimals("0", "2000", places=4)),
    trading_state=st.just(make_book().trading_state),
)
cases = st.builds(
    Case,
    intent=intents(reducing=False) | intents(reducing=True),
    book=books | small_books,
    limits=limits,
    terms=st.builds(
        TrustTerms,
        mode=st.sampled_from(TrustMode),
        floor=anything | shares,
        curves=curves.map(lambda curve: () if curve is None else (curve,)),
        now=st.none() | moments,
    ),
)


def test_no_curve_makes_an_order_larger_or_lets_one_through(request: pytest.FixtureRequest) -> None:
    """Through the gate that live judging and replays call: any curve, floor, mode; entries and exits."""
    long = request.config.getoption("--long")
    checked: Callable[[], None] = settings(
        max_examples=EXAMPLES_OF_THE_LONG_FORM if long else EXAMPLES, deadline=None
    )(given(case=cases)(hold))

    checked()


def test_unknown_market_time_leaves_the_floor() -> None:
    applied = terms(make_curve(), now=None).applied(Decimal("0.9"), SCOPE)

    assert applied is not None
    assert (applied.trust.standing, applied.trust.factor) == (Standing.EXPIRED, FLOOR)


def test_curve_of_the_model_stands_in_where_the_strategy_has_none() -> None:
    general = make_curve(version=8, scope=Scope("m"))

    applied = terms(general).applied(Decimal("0.9"), SCOPE)

    assert applied is not None
    assert (applied.trust.version, applied.trust.factor) == (8, 1)
