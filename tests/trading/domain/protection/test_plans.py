"""Where a position is left: the bounds hold whatever a strategy, a model or the market says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.protection.plans import (
    COIN_TICK,
    PENNY,
    SUB_PENNY,
    ExitProposal,
    ExitRules,
    clamped,
    plan_exit,
    raised_stop,
    tick_at,
)

ABSURD = [
    Decimal(text)
    for text in ("NaN", "sNaN", "Infinity", "-Infinity", "-5", "0", "-0", "1e400", "500", "1e-400")
]
figures = st.one_of(
    st.none(), st.sampled_from(ABSURD), st.decimals(Decimal("0.01"), Decimal(400), allow_nan=False, places=4)
)
counts = st.one_of(st.none(), st.integers(-3, 2000))
rules_said = st.builds(ExitRules, figures, figures, figures, figures, figures, counts, figures, figures)
proposals = st.builds(ExitProposal, figures, figures, counts)
stocks = st.decimals(Decimal("0.0101"), Decimal(900_000), allow_nan=False, places=4)
coins = st.decimals(Decimal("0.0000001"), Decimal(900_000), allow_nan=False, places=9)
entries = st.one_of(stocks.map(lambda price: (price, False)), coins.map(lambda price: (price, True)))
DEFAULT = ExitRules(stop_percent=Decimal(5), reward_to_risk=Decimal(2))


@given(rules=rules_said, proposal=proposals, atr=figures, entry=entries)
def test_every_plan_is_within_the_bounds(rules, proposal, atr, entry):
    price, is_coin = entry
    tick = tick_at(price, is_coin=is_coin)

    plan = plan_exit(rules, entry_price=price, atr=atr, proposal=proposal, tick=tick)

    for figure in (plan.stop_price, plan.target_price, plan.trailing_percent):
        assert figure is None or (figure.is_finite() and figure > 0)
    assert plan.stop_price < price
    assert plan.target_price is None or plan.target_price > price
    assert plan.stop_price % tick_at(plan.stop_price, is_coin=is_coin) == 0
    assert plan.last_session_count is None or plan.last_session_count > 0
    lowest = price * (100 - rules.widest) / 100
    highest = price * (100 - rules.tightest) / 100
    assert plan.stop_price >= lowest or plan.stop_price + tick >= price  # no tick lies between
    assert plan.stop_price <= highest or plan.stop_price - tick < lowest
    if plan.trailing_percent is not None:
        assert rules.tightest <= plan.trailing_percent <= rules.widest


@given(rules=rules_said, proposal=proposals)
def test_a_clamped_proposal_is_within_the_bounds_and_stays_as_it_is(rules, proposal):
    kept, _ = clamped(rules, proposal)

    assert kept.stop_percent is None or rules.tightest <= kept.stop_percent <= rules.widest
    assert clamped(rules, kept) == (kept, ())


@given(
    current=st.one_of(st.none(), figures),
    highest=figures,
    trailing=figures,
    step=figures,
    tick=st.sampled_from([PENNY, SUB_PENNY, COIN_TICK]),
)
def test_a_trailing_stop_is_never_lowered(current, highest, trailing, step, tick):
    raised = raised_stop(
        current,
        highest_price=highest if highest is not None else Decimal("NaN"),
        trailing_percent=trailing if trailing is not None else Decimal("NaN"),
        step_percent=step if step is not None else Decimal("NaN"),
        tick=tick,
    )

    assert raised is None or (raised.is_finite() and 0 < raised < highest)
    assert raised is None or current is None or (current.is_finite() and raised > current)


def test_the_strategys_own_figures():
    plan = plan_exit(DEFAULT, entry_price=Decimal(100))

    assert (plan.stop_price, plan.target_price) == (Decimal(95), Decimal(110))
    assert (plan.trailing_percent, plan.last_session_count) == (None, None)


def test_a_known_range_goes_before_the_percentage():
    rules = ExitRules(stop_percent=Decimal(5), stop_atr_multiple=Decimal(2))

    assert plan_exit(rules, entry_price=Decimal(100), atr=Decimal("1.5")).stop_price == Decimal(97)
    assert plan_exit(rules, entry_price=Decimal(100)).stop_price == Decimal(95)


def test_what_a_decision_proposes_goes_before_the_strategy():
    proposal = ExitProposal(Decimal(3), Decimal(4), 5)

    plan = plan_exit(DEFAULT, entry_price=Decimal(100), proposal=proposal)

    assert (plan.stop_price, plan.target_price, plan.last_session_count) == (Decimal(97), Decimal(104), 5)


def test_a_proposal_beyond_the_bounds_is_clamped_and_noted():
    rules = ExitRules(stop_percent=Decimal(5), time_stop_sessions=10)

    kept, notes = clamped(rules, ExitProposal(Decimal(40), Decimal("0.1"), 30))

    assert kept == ExitProposal(Decimal(15), Decimal("0.5"), 10)
    assert notes == (
        "stop of 40 % taken as 15 %",
        "target of 0.1 % taken as 0.5 %",
        "horizon of 30 sessions taken as 10",
    )


@pytest.mark.parametrize(
    ("entry", "stop", "target"),
    [
        ("33.33", "31.66", "36.67"),
        ("1.02", "0.969", "1.13"),
        ("0.95", "0.9025", "1.05"),
        ("0.5001", "0.475", "0.5502"),
    ],
)
def test_each_price_is_on_the_tick_of_its_own_size(entry, stop, target):
    price = Decimal(entry)

    plan = plan_exit(DEFAULT, entry_price=price, tick=tick_at(price, is_coin=False))

    assert (plan.stop_price, plan.target_price) == (Decimal(stop), Decimal(target))


@pytest.mark.parametrize("entry", ["0", "-1", "NaN", "Infinity", "0.0001"])
def test_an_entry_with_no_price_below_it_has_no_plan(entry):
    with pytest.raises(ValueError, match="entry"):
        plan_exit(DEFAULT, entry_price=Decimal(entry), tick=SUB_PENNY)


def test_a_trailing_stop_follows_in_steps():
    follow = {"trailing_percent": Decimal(5), "step_percent": Decimal(1)}

    assert raised_stop(Decimal(95), highest_price=Decimal("100.5"), **follow) is None
    assert raised_stop(Decimal(95), highest_price=Decimal(102), **follow) == Decimal("96.90")
    assert raised_stop(None, highest_price=Decimal(100), **follow) == Decimal(95)
