"""What a guard says stops entries; of exits one that a model wants, and that for the minimum hold alone."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.domain.blocks import OF_ENTRIES
from risk.domain.gate import judge
from risk.domain.reasons import DenyReason
from risk.domain.types import Block, EntryRate, LimitValues, OrderIntent, RiskBook
from tests.risk.domain.test_gate_properties import books, intents, limits
from tests.risk.values import make_book, make_exit, make_intent, make_limit_values

GUARDS = sorted({*OF_ENTRIES, DenyReason.MINIMUM_HOLD})
HELD = {"held_quantity": Decimal(5)}
every_block = st.builds(Block, st.sampled_from(GUARDS), st.just("said"))
rates = st.builds(EntryRate, st.just(DenyReason.ENTRIES_PER_HOUR), st.integers(0, 50), st.integers(1, 50))


@pytest.mark.parametrize("reason", sorted(OF_ENTRIES))
def test_block_denies_an_entry_with_its_reason_its_sentence_and_its_figures(reason: DenyReason) -> None:
    intent = make_intent(block=Block(reason, "it was sold just now", {"blocked_until": "later"}))

    verdict = judge(intent, make_book(), make_limit_values())

    assert (verdict.reason, verdict.detail) == (reason, "it was sold just now")
    assert verdict.figures == {"blocked_until": "later"}


def test_minimum_hold_denies_what_a_model_sells_and_nothing_that_protects() -> None:
    block = Block(DenyReason.MINIMUM_HOLD, "just bought")

    assert judge(make_exit(block=block), make_book(**HELD), None).reason == "minimum_hold"
    assert judge(make_exit(block=block, protective=True), make_book(**HELD), None).reason is None


@pytest.mark.parametrize(("entries", "under_way", "denied"), [(2, 0, False), (1, 2, True), (3, 0, True)])
def test_entries_under_way_count_with_those_that_were(entries: int, under_way: int, denied: bool) -> None:
    reserved = {f"S{n}": Decimal(1) for n in range(under_way)}
    rate = EntryRate(DenyReason.ENTRIES_PER_HOUR, entries, 3)

    verdict = judge(make_intent(), make_book(reserved=reserved, entry_rates=(rate,)), make_limit_values())

    assert verdict.reason == ("entries_per_hour" if denied else None)


def test_pause_denies_entries_and_says_whose_it_is() -> None:
    book = make_book(entries_paused="paused by ada: earnings", **HELD)

    verdict = judge(make_intent(), book, make_limit_values())

    assert (verdict.reason, verdict.detail) == ("entries_paused", "paused by ada: earnings")
    assert judge(make_exit(), book, None).reason is None


@given(
    intent=intents(reducing=True),
    book=books,
    known=limits,
    block=st.none() | every_block,
    rates=st.lists(rates, max_size=2).map(tuple),
    paused=st.none() | st.just("paused"),
    protective=st.booleans(),
)
def test_no_guard_changes_an_exit_but_the_minimum_hold_of_a_models_own(
    intent: OrderIntent,
    book: RiskBook,
    known: LimitValues,
    block: Block | None,
    rates: tuple[EntryRate, ...],
    paused: str | None,
    protective: bool,
) -> None:
    """Whatever the book: what the gate answers to an exit is what it answers without guards."""
    plain = replace(intent, protective=protective)
    guarded = replace(plain, block=block)
    full = replace(book, entry_rates=rates, entries_paused=paused)

    without, verdict = judge(plain, book, known), judge(guarded, full, known)

    held = block is not None and block.reason is DenyReason.MINIMUM_HOLD and not protective
    if held and verdict.reason is DenyReason.MINIMUM_HOLD:
        assert without.reason in (None, DenyReason.NO_POSITION)
    else:
        assert (verdict.quantity, verdict.reason) == (without.quantity, without.reason)
        assert not held or without.reason is not None


@given(intent=intents(reducing=False), book=books, known=limits, block=every_block)
def test_no_guard_lets_an_entry_pass_that_the_gate_denies(
    intent: OrderIntent, book: RiskBook, known: LimitValues, block: Block
) -> None:
    guarded = judge(replace(intent, block=block), book, known)

    assert not guarded.allowed
