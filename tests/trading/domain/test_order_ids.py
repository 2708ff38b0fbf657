"""Client order ids: the same decision, purpose and number give the same id, others never do."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.order_ids import Purpose, client_order_id

DECISION = UUID("0192e4a0-0000-7000-8000-000000000001")
names = st.tuples(st.uuids(), st.sampled_from(Purpose), st.integers(0, 10**6))


def test_id_is_spelt_from_decision_purpose_and_number() -> None:
    """docs/lessons.md#lesson-36: a retry has the id of the first try."""
    assert client_order_id(DECISION, Purpose.ENTRY) == f"{DECISION}-entry-0"
    assert client_order_id(DECISION, Purpose.STOP_LOSS, 2) == f"{DECISION}-stop_loss-2"


@given(first=names, second=names)
def test_different_orders_have_different_ids(
    first: tuple[UUID, Purpose, int], second: tuple[UUID, Purpose, int]
) -> None:
    assert (client_order_id(*first) == client_order_id(*second)) == (first == second)


@given(order=names)
def test_id_is_within_what_the_broker_takes(order: tuple[UUID, Purpose, int]) -> None:
    written = client_order_id(*order)

    assert len(written) <= 128
    assert written.isascii()


def test_negative_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        client_order_id(DECISION, Purpose.EXIT, -1)
