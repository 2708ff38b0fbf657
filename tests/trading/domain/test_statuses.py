"""The status machines: what can be reached, what is final, and the rows that surprise."""

import enum
from collections.abc import Mapping

import pytest

from trading.domain import statuses
from trading.domain.statuses import MACHINES, next_status
from trading.errors import InvalidTransitionError

WORDS: dict[str, type[enum.StrEnum]] = {
    "cycle": statuses.CycleStatus,
    "decision": statuses.DecisionStatus,
    "order": statuses.OrderStatus,
    "saga": statuses.SagaStatus,
    "candidate": statuses.CandidateStatus,
}
# Held and skipped are written at the decision's birth; an adopted order is born unknown.
BORN = {
    "cycle": {"running"},
    "decision": {"pending", "held", "skipped"},
    "order": {"created"},
    "saga": {"running"},
    "candidate": {"proposed"},
}
FINAL = {
    "cycle": {"completed", "failed", "aborted"},
    "decision": {"executed", "held", "skipped", "denied"},
    "order": {"filled"},
    "saga": set(),
    "candidate": set(),
}
ENDED = {
    "cycle": FINAL["cycle"],
    "decision": FINAL["decision"] | {"rejected", "expired", "failed"},
    "order": FINAL["order"] | {"canceled", "expired", "rejected", "replaced", "failed"},
    "saga": {"completed", "compensated", "failed"},
}


def reached(table: Mapping[tuple[str, str], str], born: set[str]) -> set[str]:
    found = set(born)
    while True:
        more = {target for (status, _), target in table.items() if status in found} - found
        if not more:
            return found
        found |= more


@pytest.mark.parametrize("machine", MACHINES)
def test_every_status_can_be_reached(machine: str) -> None:
    assert reached(MACHINES[machine], BORN[machine]) == set(WORDS[machine])


@pytest.mark.parametrize("machine", MACHINES)
def test_final_statuses_have_no_way_out(machine: str) -> None:
    leaving = {status for status, _ in MACHINES[machine]}

    assert set(WORDS[machine]) - leaving == FINAL[machine]


@pytest.mark.parametrize("ended", ["canceled", "expired", "rejected", "replaced"])
def test_only_a_fill_leads_out_of_what_ended_unfilled(ended: str) -> None:
    ways = {to for (status, _), to in statuses.ORDER.items() if status == ended}

    assert ways == {ended, "filled"}
    assert next_status("order", ended, "fill") == "filled"


def test_only_a_late_fill_leads_out_of_an_ended_saga_or_decision() -> None:
    ways = {
        (machine, status, event, to)
        for machine in ("saga", "decision")
        for (status, event), to in MACHINES[machine].items()
        if status in ENDED[machine]
    }

    assert ways - {("saga", "failed", "compensate", "compensating")} == {
        *(("saga", status, "late_fill", "completed") for status in ENDED["saga"]),
        *(("decision", status, "late_fill", "executed") for status in ("rejected", "expired", "failed")),
    }


def test_only_an_approval_leads_out_of_stored() -> None:
    ways = {event: to for (status, event), to in statuses.DECISION.items() if status == "stored"}

    assert ways == {"approve": "pending"}


@pytest.mark.parametrize("machine", MACHINES)
def test_tables_use_the_words_of_their_machine_only(machine: str) -> None:
    used = {status for status, _ in MACHINES[machine]} | set(MACHINES[machine].values())

    assert used <= set(WORDS[machine])


def test_open_and_final_statuses_do_not_overlap() -> None:
    assert set(statuses.OPEN_CYCLE) == set(statuses.CycleStatus) - ENDED["cycle"]
    assert set(statuses.OPEN_ORDER) == set(statuses.OrderStatus) - ENDED["order"]
    assert set(statuses.OPEN_SAGA) == set(statuses.SagaStatus) - ENDED["saga"]
    assert not set(statuses.UNSETTLED_DECISION) & ENDED["decision"]


def test_acknowledgement_after_a_partial_fill_keeps_the_fill() -> None:
    assert next_status("order", "partially_filled", "accept") == "partially_filled"


def test_hold_has_no_way_to_an_order() -> None:
    """docs/lessons.md#lesson-3: a decision that is held never becomes executing."""
    with pytest.raises(InvalidTransitionError, match="decision: no transition from held on claim"):
        next_status("decision", "held", "claim")


def test_invalid_transition_names_machine_status_and_event() -> None:
    with pytest.raises(InvalidTransitionError) as raised:
        next_status("order", "filled", "cancel")

    assert (raised.value.machine, raised.value.status, raised.value.event) == ("order", "filled", "cancel")
