"""What several answers to one question come to."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.domain.stability import Sampled, SampledAnswer, modal, permuted, wants_to_trade
from ai.domain.types import Action, Hold, HoldReason, Proposal
from tests.ai.factories import make_question

CALLS = [uuid4() for _ in range(7)]


def sampled(*said: tuple[str, str], asked: int | None = None) -> Sampled:
    answers = tuple(
        SampledAnswer(
            place, Proposal("AAPL", Action(action), Decimal(confidence), f"said {place}"), CALLS[place]
        )
        for place, (action, confidence) in enumerate(said)
    )
    return Sampled(answers, asked or len(answers))


def call_of(found: Sampled) -> UUID | None:
    return found.spoken.call_id


def test_most_decide_with_their_median_confidence_and_the_first_ones_words() -> None:
    found = sampled(("hold", "0.9"), ("buy", "0.9"), ("buy", "0.7"), ("buy", "0.75"))

    decided = found.decided(least=0.75)

    assert isinstance(decided, Proposal)
    assert (decided.action, decided.confidence, decided.reasoning) == (Action.BUY, Decimal("0.75"), "said 1")
    assert call_of(found) == CALLS[1]


def test_median_of_an_even_number_is_kept_as_it_is_stored() -> None:
    found = sampled(("buy", "0.8001"), ("buy", "0.8002"))

    assert found.confidence == Decimal("0.8002")
    assert -found.confidence.as_tuple().exponent == 4  # type: ignore[operator]  # it is finite


@pytest.mark.parametrize(
    ("actions", "least", "is_held"),
    [
        ("buy buy buy", 1.0, False),
        ("buy buy hold", 2 / 3, False),
        ("buy buy hold", 0.75, True),
        ("buy buy buy hold", 0.75, False),
        ("buy hold", 0.5, False),
        ("buy hold", 0.75, True),
        ("buy sell hold", 0.5, True),
    ],
)
def test_too_few_who_agree_are_held(actions: str, least: float, is_held: bool) -> None:
    decided = sampled(*((action, "0.8") for action in actions.split())).decided(least=least)

    assert isinstance(decided, Hold) is is_held
    if isinstance(decided, Hold):
        assert decided.reason is HoldReason.UNSTABLE


def test_hold_says_how_many_agreed() -> None:
    decided = sampled(("buy", "0.8"), ("buy", "0.8"), ("hold", "0.5")).decided(least=0.75)

    assert decided == Hold(HoldReason.UNSTABLE, "2 of 3 answers say buy, a share of 0.75 is needed")


def test_one_answer_of_three_is_not_enough_to_tell() -> None:
    decided = sampled(("buy", "0.8"), asked=3).decided(least=0.5)

    assert decided == Hold(HoldReason.UNSTABLE, "1 of 3 answers came, 2 are needed to tell")


def test_nothing_said_is_a_hold_that_nobody_agrees_to() -> None:
    nothing: list[tuple[str, Decimal]] = []

    assert (modal(nothing).action, modal(nothing).agreement, modal(nothing).confidence) == ("hold", 0, None)


@given(
    said=st.lists(
        st.tuples(st.sampled_from(["buy", "sell", "hold"]), st.decimals("0", "1", places=4)),
        min_size=1,
        max_size=7,
    ),
    least=st.floats(0.5, 1),
)
def test_decision_is_one_that_most_gave_at_a_confidence_between_theirs(
    said: list[tuple[str, Decimal]], least: float
) -> None:
    found = sampled(*((action, str(confidence)) for action, confidence in said))

    decided = found.decided(least=least)

    if isinstance(decided, Proposal):
        own = [confidence for action, confidence in said if action == decided.action]
        assert min(own) <= decided.confidence <= max(own)
        assert len(own) / len(said) >= least - 1e-9
        assert len(said) >= 2


@given(
    symbols=st.lists(st.text("ABC", min_size=1, max_size=3), unique=True, max_size=12),
    sample=st.integers(0, 6),
)
def test_each_sample_has_the_same_symbols_in_an_order_of_its_own(symbols: list[str], sample: int) -> None:
    question = make_question(*symbols)

    asked = permuted(question, sample)

    assert sorted(facts.symbol for facts in asked.symbols) == sorted(symbols)
    assert permuted(question, sample) == asked
    assert sample or asked is question


def test_orders_of_samples_differ() -> None:
    question = make_question(*(f"S{n}" for n in range(20)))

    orders = {tuple(facts.symbol for facts in permuted(question, sample).symbols) for sample in range(5)}

    assert len(orders) == 5


def test_hold_is_no_trade() -> None:
    answers = [Proposal("AAPL", action, Decimal("0.8"), "") for action in Action]

    assert [each.action for each in answers if wants_to_trade(each)] == [Action.BUY, Action.SELL]
