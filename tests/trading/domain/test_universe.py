"""The choice of a cycle's symbols, as pure arithmetic: caps, positions, scores, turns (ADR 0014)."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.domain.universe import (
    Candidate,
    Priority,
    Reason,
    Seat,
    Selection,
    cycles_until_seen,
    select_universe,
    split_slots,
)
from trading.domain.universe_record import read_record, record_of

START = datetime(2026, 1, 5, tzinfo=UTC)
ALL_REASONS = [frozenset(c) for n in (1, 2, 3, 4) for c in itertools.combinations(Reason, n)]


def candidate(symbol: str, *reasons: Reason, waited: int = 0) -> Candidate:
    return Candidate(symbol, frozenset(reasons or {Reason.APPROVED}), START - timedelta(minutes=waited))


def choose(
    candidates: Iterable[Candidate] = (),
    *,
    held: Sequence[str] = (),
    by_volume: Sequence[str] = (),
    cap: int = 120,
    seed: int = 0,
) -> Selection:
    return select_universe(held=held, candidates=list(candidates), by_volume=by_volume, cap=cap, seed=seed)


def symbols(selection: Selection) -> list[str]:
    return [taken.symbol for taken in selection.taken]


@pytest.mark.parametrize(
    ("reasons", "priority", "score"),
    [
        ({Reason.WATCHLIST}, Priority.HIGH, 20),
        ({Reason.APPROVED}, Priority.HIGH, 20),
        ({Reason.WATCHLIST, Reason.APPROVED}, Priority.HIGH, 20),
        ({Reason.CONFIDENT}, Priority.MEDIUM, 10),
        ({Reason.TRADED}, Priority.MEDIUM, 10),
        ({Reason.CONFIDENT, Reason.TRADED}, Priority.MEDIUM, 20),
        ({Reason.APPROVED, Reason.CONFIDENT}, Priority.HIGH, 25),
        ({Reason.WATCHLIST, Reason.TRADED}, Priority.HIGH, 30),
        ({Reason.APPROVED, Reason.CONFIDENT, Reason.TRADED}, Priority.HIGH, 35),
    ],
)
def test_score_and_priority(reasons: set[Reason], priority: Priority, score: int) -> None:
    one = candidate("AAPL", *reasons)

    assert (one.priority, one.score) == (priority, score)


def test_all_candidates_are_in_while_they_fit_and_volume_fills_the_rest() -> None:
    selection = choose([candidate("B"), candidate("A", Reason.TRADED)], by_volume=["A", "X", "Y"], cap=3)

    assert [(t.symbol, t.seat, t.score) for t in selection.taken] == [
        ("B", Seat.SCORE, 20),
        ("A", Seat.SCORE, 10),
        ("X", Seat.VOLUME, 0),
    ]
    assert (selection.waiting, selection.bound) == ((), 1)


def test_first_start_without_candidates_is_filled_by_volume() -> None:
    assert symbols(choose(by_volume=["X", "Y", "Z"], cap=2)) == ["X", "Y"]


def test_above_the_cap_two_thirds_go_by_score_and_a_third_to_the_longest_wait() -> None:
    low = [candidate(f"L{n}", Reason.TRADED, waited=n) for n in range(6)]
    high = [candidate(f"H{n}", waited=0) for n in range(6)]

    selection = choose([*low, *high], cap=6)

    seats = {seat: {t.symbol for t in selection.taken if t.seat is seat} for seat in Seat}
    assert (selection.score_slots, selection.rotation_slots) == (4, 2)
    assert seats[Seat.SCORE] < {f"H{n}" for n in range(6)}
    assert seats[Seat.ROTATION] == {"L5", "L4"}
    assert [c.symbol for c in selection.waiting][:3] == ["L3", "L2", "L1"]


def test_positions_are_in_above_the_cap_and_candidates_then_wait() -> None:
    selection = choose([candidate("A"), candidate("H1")], held=["H1", "H2", "H3"], cap=2)

    assert [(t.symbol, t.seat, t.score) for t in selection.taken] == [
        ("H1", Seat.POSITION, 20),
        ("H2", Seat.POSITION, 0),
        ("H3", Seat.POSITION, 0),
    ]
    assert [c.symbol for c in selection.waiting] == ["A"]
    assert selection.bound is None


def test_no_candidate_ties_on_seed_alone() -> None:
    many = [candidate(f"S{n}") for n in range(50)]

    assert choose(many, cap=9) == choose(reversed(many), cap=9)
    assert symbols(choose(many, cap=9, seed=1)) != symbols(choose(many, cap=9, seed=2))


@pytest.mark.parametrize(
    ("free", "slots"), [(0, (0, 0)), (1, (0, 1)), (2, (1, 1)), (3, (2, 1)), (120, (80, 40))]
)
def test_a_third_of_the_slots_rotates_and_one_at_least(free: int, slots: tuple[int, int]) -> None:
    assert split_slots(free) == slots


@pytest.mark.parametrize(
    ("candidates", "free", "cycles"), [(1000, 120, 23), (121, 120, 2), (120, 120, 1), (3, 1, 3), (5, 0, None)]
)
def test_the_bound_is_the_formula_of_the_record(candidates: int, free: int, cycles: int | None) -> None:
    assert cycles_until_seen(candidates, free) == cycles


@dataclass
class World:
    """Candidates that come, go and change their scores, over cycles; who was looked at when."""

    entered: dict[str, datetime] = field(default_factory=dict)
    reasons: dict[str, frozenset[Reason]] = field(default_factory=dict)
    looked: dict[str, datetime] = field(default_factory=dict)
    waited: dict[str, int] = field(default_factory=dict)
    cycle: int = 0

    def enter(self, symbol: str, reasons: frozenset[Reason]) -> None:
        if symbol not in self.entered:
            self.entered[symbol] = START + timedelta(minutes=self.cycle, seconds=-1)
            self.waited[symbol] = 0
        self.reasons[symbol] = reasons

    def leave(self, symbol: str) -> None:
        for known in (self.entered, self.reasons, self.waited):
            known.pop(symbol, None)

    def look(self, *, held: Sequence[str], cap: int, seed: int = 0) -> Selection:
        """Run one cycle and count for each candidate how many it has now gone without."""
        now = START + timedelta(minutes=self.cycle)
        candidates = [
            Candidate(s, self.reasons[s], max(self.entered[s], self.looked.get(s, START - timedelta(days=1))))
            for s in self.entered
        ]
        selection = choose(candidates, held=held, cap=cap, seed=seed)
        seen = set(symbols(selection))
        for symbol in self.waited:
            self.waited[symbol] = 0 if symbol in seen else self.waited[symbol] + 1
        self.looked |= dict.fromkeys(seen, now)
        self.cycle += 1
        return selection


def test_a_thousand_candidates_over_two_hundred_cycles() -> None:
    """Caps held, nobody starved beyond the bound, open positions never left out."""
    chance = random.Random(7)
    names = [f"S{n}" for n in range(1000)]
    world, longest, looks = World(), 0, dict.fromkeys(names, 0)
    for name in names:
        world.enter(name, chance.choice(ALL_REASONS))
    for _ in range(200):
        held = chance.sample(names, 10) + [f"HELD{n}" for n in range(5)]
        selection = world.look(held=held, cap=120)
        taken = symbols(selection)
        assert len(taken) == len(set(taken)) == 120
        assert set(held) <= set(taken)
        longest = max(longest, *world.waited.values())
        for symbol in set(taken) & set(looks):
            looks[symbol] += 1

    bound = cycles_until_seen(1000, 120 - 15)
    assert bound == 27
    assert longest < bound
    assert min(looks.values()) >= 200 // bound


def test_the_bound_is_tight_enough_to_be_worth_stating() -> None:
    """With fixed scores the last in line is seen in the last cycle that the bound allows, not long before."""
    world, longest = World(), 0
    for n in range(1000):
        world.enter(f"S{n}", frozenset({Reason.APPROVED if n < 80 else Reason.TRADED}))
    for _ in range(60):
        world.look(held=(), cap=120)
        longest = max(longest, *world.waited.values())

    assert longest == 22
    assert cycles_until_seen(1000, 120) == 23


Step = tuple[int, list[int], list[tuple[int, frozenset[Reason]]], list[int]]
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.integers(0, 4),  # positions that are no candidate
        st.lists(st.integers(0, 39), max_size=4),  # positions in candidates
        st.lists(st.tuples(st.integers(0, 39), st.sampled_from(ALL_REASONS)), max_size=10),  # come, or change
        st.lists(st.integers(0, 39), max_size=3),  # go
    ),
    min_size=10,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps=steps, cap=st.integers(0, 14), start=st.integers(0, 40), seed=st.integers(0, 3))
def test_nobody_starves_whatever_comes_and_goes(steps: list[Step], cap: int, start: int, seed: int) -> None:
    world = World()
    for n in range(start):
        world.enter(f"S{n}", ALL_REASONS[n % len(ALL_REASONS)])
    # All that ever are candidates, and the fewest slots that positions ever leave.
    everybody = {f"S{n}" for n in range(start)} | {f"S{n}" for step in steps for n, _ in step[2]}
    fewest = min(max(0, cap - other - len(set(inside))) for other, inside, _, _ in steps)
    bound = cycles_until_seen(len(everybody), fewest)

    for other, inside, come, go in steps:
        for n in go:
            world.leave(f"S{n}")
        for n, reasons in come:
            world.enter(f"S{n}", reasons)
        held = [f"S{n}" for n in dict.fromkeys(inside)] + [f"HELD{n}" for n in range(other)]
        selection = world.look(held=held, cap=cap, seed=seed)

        taken = symbols(selection)
        assert len(taken) == len(set(taken)) <= max(cap, len(held))
        assert set(held) <= set(taken)
        if bound is not None:
            assert all(waited < bound for waited in world.waited.values())


@given(
    found=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(ALL_REASONS)), unique_by=lambda c: c[0]),
    held=st.lists(st.integers(0, 60), unique=True, max_size=5),
    cap=st.integers(0, 12),
)
def test_record_says_what_was_chosen(
    found: list[tuple[int, frozenset[Reason]]], held: list[int], cap: int
) -> None:
    candidates = [candidate(f"C{n}/USD", *reasons) for n, reasons in found]
    selection = choose(candidates, held=[f"C{n}/USD" for n in held], by_volume=["V1/USD", "V2/USD"], cap=cap)

    (stored,) = read_record(record_of({"crypto": selection}, {}))

    assert [(line.symbol, line.seat, line.score, set(line.reasons)) for line in stored.taken] == [
        (t.symbol, t.seat, t.score, set(t.reasons)) for t in selection.taken
    ]
    assert [(line.symbol, line.score, line.turn) for line in stored.waiting] == [
        (c.symbol, c.score, turn) for turn, c in enumerate(selection.waiting, start=1)
    ]
    assert (stored.cap, stored.bound) == (cap, selection.bound)
