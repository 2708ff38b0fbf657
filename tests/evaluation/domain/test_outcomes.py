"""Outcomes of decisions, held against pandas; splits change nothing; what cannot be resolved says why."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from evaluation.domain.outcomes import (
    LEAST_MEMBERS,
    Followed,
    LabelSpec,
    Outcome,
    Pending,
    Session,
    Universe,
    Unresolvable,
    due_session,
    first_of_each,
    judge,
    resolve,
    session_index,
    signed_confidence,
)
from evaluation.errors import MalformedObservationsError

START = date(2026, 1, 5)
COST = Decimal("0.0014")
DAYS = [START + timedelta(days=7 * week + day) for week in range(12) for day in range(5)]
SESSIONS = [Session(day, datetime(day.year, day.month, day.day, 21, tzinfo=UTC)) for day in DAYS]
LATE = SESSIONS[-1].closes_at
NAMES = [f"S{number}" for number in range(8)]


def closes(seed: int = 1) -> pd.DataFrame:
    steps = np.random.default_rng(seed).normal(0.0005, 0.02, (len(DAYS), len(NAMES)))
    return pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0)), index=DAYS, columns=NAMES).round(4)


def followed(
    table: pd.DataFrame, name: str, place: int, price: str | None = None, *, factor: str = "1"
) -> Followed:
    """A symbol decided on in session ``place``; later history divided by ``factor``, as a split does it."""
    history = {day: Decimal(str(value)) for day, value in table[name].items()}
    then = {day: close for day, close in history.items() if day < DAYS[place]}
    later = {day: close / Decimal(factor) for day, close in history.items()}
    known = Decimal(price) if price else history[DAYS[place - 1]]
    return Followed(known, then, later)


def at(place: int) -> datetime:
    return SESSIONS[place].closes_at - timedelta(hours=5)


def outcome(place: int = 10, action: str = "buy", **overrides: object) -> Outcome | Unresolvable | Pending:
    values: dict[str, object] = {
        "action": action,
        "as_of": at(place),
        "spec": LabelSpec.FIVE_SESSIONS,
        "sessions": SESSIONS,
        "round_trip_cost": COST,
        "now": LATE,
    }
    if not {"symbol", "universe"} <= overrides.keys():
        members = [followed(closes(), name, place) for name in NAMES]
        values |= {"symbol": members[0], "universe": members}
    values |= overrides
    values["universe"] = Universe(values["universe"])  # type: ignore[arg-type]  # as above
    return resolve(**values)  # type: ignore[arg-type]  # a test's own overrides


def test_a_thousand_outcomes_equal_those_of_pandas() -> None:
    random = np.random.default_rng(5)
    table = closes(5)
    members = {place: [followed(table, each, place) for each in NAMES] for place in range(1, len(DAYS))}
    previous, labelled = table.shift(1), 0
    for spec in LabelSpec:
        forward = table.shift(-spec.horizon) / previous - 1
        excess = forward.sub(forward.mean(axis=1), axis=0)
        for _ in range(340):
            place, name = int(random.integers(1, len(DAYS))), str(random.choice(NAMES))
            action = str(random.choice(["buy", "sell", "hold"]))
            symbol = members[place][NAMES.index(name)]
            found = outcome(place, action, spec=spec, symbol=symbol, universe=members[place])
            expected = excess.loc[DAYS[place], name]
            if pd.isna(expected):
                assert found is Pending.NOT_DUE
                continue
            labelled += 1
            assert isinstance(found, Outcome)
            assert float(found.excess_return) == pytest.approx(expected, abs=2e-8)
            right = {"buy": expected > float(COST), "sell": expected < 0}.get(action)
            assert found.right == right
            assert found.missed == (expected > float(COST) if action == "hold" else None)
    assert labelled > 800


@pytest.mark.parametrize("factor", ["4", "10", "0.125", "1.0031"])
def test_a_split_between_decision_and_label_changes_nothing(factor: str) -> None:
    table = closes()

    plain = outcome()
    split = outcome(symbol=followed(table, "S0", 10, factor=factor))

    assert isinstance(plain, Outcome)
    assert isinstance(split, Outcome)
    assert abs(split.excess_return - plain.excess_return) <= Decimal("0.00000001")
    assert split.right == plain.right


def test_labelling_again_says_the_same() -> None:
    assert outcome() == outcome()


def test_a_moment_belongs_to_the_session_that_closes_next() -> None:
    close = SESSIONS[3].closes_at

    assert session_index(close, SESSIONS) == 3
    assert session_index(close + timedelta(seconds=1), SESSIONS) == 4
    assert session_index(LATE + timedelta(seconds=1), SESSIONS) is None
    friday = SESSIONS[4].closes_at - timedelta(hours=1)
    due = due_session(friday, SESSIONS, horizon=1)
    assert due is not None
    assert due.day == date(2026, 1, 12)
    assert due_session(at(len(DAYS) - 1), SESSIONS, horizon=1) is None


def test_before_the_horizons_close_it_is_not_due() -> None:
    due = SESSIONS[15].closes_at

    assert outcome(now=due - timedelta(seconds=1)) is Pending.NOT_DUE
    assert isinstance(outcome(now=due), Outcome)


def without(symbol: Followed, *, since: date, until: date = date.max) -> Followed:
    return replace(
        symbol, later={day: each for day, each in symbol.later.items() if not since <= day <= until}
    )


def test_what_is_delisted_halted_or_not_known_says_so() -> None:
    symbol = followed(closes(), "S0", 10)
    gone, halted = without(symbol, since=DAYS[13]), without(symbol, since=DAYS[14], until=DAYS[16])
    soon = SESSIONS[19].closes_at

    assert outcome(symbol=gone) is Unresolvable.DELISTED
    assert outcome(symbol=gone, now=soon) is Pending.NO_BARS_YET
    assert outcome(symbol=halted) is Unresolvable.HALTED
    assert outcome(symbol=replace(symbol, price=None)) is Unresolvable.NO_PRICE
    assert outcome(symbol=replace(symbol, then={})) is Unresolvable.NO_COMMON_BAR


def test_where_nobody_has_a_bar_nobody_was_delisted() -> None:
    universe = [without(followed(closes(), name, 10), since=DAYS[13]) for name in NAMES]

    assert outcome(symbol=universe[0], universe=universe) is Pending.NO_BARS_YET


def test_a_universe_of_a_few_is_no_benchmark() -> None:
    few = [followed(closes(), name, 10) for name in NAMES[: LEAST_MEMBERS - 1]]

    assert outcome(universe=few) is Unresolvable.NO_BENCHMARK


def test_a_member_that_ends_stays_at_its_last_close() -> None:
    """Leaving it out would let the universe keep only those that did well enough to be there."""
    table = closes()
    universe = [followed(table, name, 10) for name in NAMES]
    universe[3] = without(universe[3], since=DAYS[13])

    found = outcome(universe=universe)

    assert isinstance(found, Outcome)
    ends = [table[name].iloc[12 if name == "S3" else 15] / table[name].iloc[9] - 1 for name in NAMES]
    assert (found.members, float(found.universe_return)) == (8, pytest.approx(np.mean(ends), abs=1e-8))


@pytest.mark.parametrize(
    ("action", "excess", "right", "missed"),
    [
        ("buy", "0.0014", False, None),
        ("buy", "0.00140001", True, None),
        ("sell", "0", False, None),
        ("sell", "-0.00000001", True, None),
        ("hold", "0.0014", None, False),
        ("hold", "0.002", None, True),
    ],
)
def test_what_is_right(action: str, excess: str, right: bool | None, missed: bool | None) -> None:
    assert judge(action, Decimal(excess), round_trip_cost=COST) == (right, missed)


def test_another_action_is_refused() -> None:
    with pytest.raises(MalformedObservationsError, match="short"):
        judge("short", Decimal(0), round_trip_cost=COST)


def test_the_first_of_a_session_counts() -> None:
    rows = [
        (("A", 1), at(2) + timedelta(minutes=1), "second"),
        (("A", 1), at(2), "first"),
        (("B", 1), at(1), "other"),
    ]

    assert first_of_each(rows) == ["other", "first"]


def test_signed_confidence_of_a_hold_is_0() -> None:
    found = [signed_confidence(each, Decimal("0.8")) for each in ("buy", "sell", "hold")]

    assert found == [Decimal("0.8"), Decimal("-0.8"), 0]
