"""The status machines: one constant table each, and nothing else assigns a status."""

import enum
from collections.abc import Mapping
from types import MappingProxyType

from trading.errors import InvalidTransitionError


class CycleStatus(enum.StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"


class CycleStage(enum.StrEnum):
    """How far a running cycle is; ``ENDED`` with every final status."""

    FETCHING = "fetching"
    ANALYSING = "analysing"
    EXECUTING = "executing"
    FINISHING = "finishing"
    ENDED = "ended"


class DecisionStatus(enum.StrEnum):
    PENDING = "pending"
    CLAIMED = "claimed"
    EXECUTING = "executing"
    EXECUTED = "executed"
    HELD = "held"
    SKIPPED = "skipped"
    STORED = "stored"
    DENIED = "denied"
    AWAITING_APPROVAL = "awaiting_approval"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"


class OrderStatus(enum.StrEnum):
    CREATED = "created"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"
    FAILED = "failed"


class SagaStatus(enum.StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    FAILED = "failed"


class CandidateStatus(enum.StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


C, D, Q, S = CycleStatus, DecisionStatus, OrderStatus, SagaStatus
Table = Mapping[tuple[str, str], str]

CYCLE: Table = MappingProxyType(
    {
        (C.RUNNING, "complete"): C.COMPLETED,
        (C.RUNNING, "fail"): C.FAILED,
        (C.RUNNING, "abort"): C.ABORTED,
        (C.RUNNING, "pause"): C.PAUSED,
        (C.PAUSED, "resume"): C.RUNNING,
        (C.PAUSED, "abort"): C.ABORTED,
    }
)

DECISION: Table = MappingProxyType(
    {
        (D.PENDING, "claim"): D.CLAIMED,
        (D.PENDING, "expire"): D.EXPIRED,
        (D.CLAIMED, "claim"): D.CLAIMED,  # its worker died: the lease ran out
        (D.CLAIMED, "pass"): D.EXECUTING,
        (D.CLAIMED, "deny"): D.DENIED,
        (D.CLAIMED, "store"): D.STORED,
        (D.CLAIMED, "request_approval"): D.AWAITING_APPROVAL,
        (D.CLAIMED, "expire"): D.EXPIRED,
        (D.AWAITING_APPROVAL, "approve"): D.PENDING,
        (D.AWAITING_APPROVAL, "reject"): D.REJECTED,
        (D.AWAITING_APPROVAL, "expire"): D.EXPIRED,
        (D.STORED, "approve"): D.PENDING,
        (D.EXECUTING, "complete"): D.EXECUTED,
        (D.EXECUTING, "reject"): D.REJECTED,
        (D.EXECUTING, "expire"): D.EXPIRED,
        (D.EXECUTING, "fail"): D.FAILED,
        # Its order filled after all: the record follows the broker.
        (D.REJECTED, "late_fill"): D.EXECUTED,
        (D.EXPIRED, "late_fill"): D.EXECUTED,
        (D.FAILED, "late_fill"): D.EXECUTED,
    }
)

# What the broker may tell of any order it has not ended. UNKNOWN and SUBMITTING are here because its
# word can outrun our own record of the acknowledgement.
_BROKER_EVENTS = {
    "accept": Q.ACCEPTED,
    "partial_fill": Q.PARTIALLY_FILLED,
    "fill": Q.FILLED,
    "cancel": Q.CANCELED,
    "expire": Q.EXPIRED,
    "reject": Q.REJECTED,
    "replace": Q.REPLACED,
}
# What ended unfilled may turn out to have filled: no later word of the broker takes a fill away, or reopens
# the order. Only what we gave up ourselves is reopened, because the broker had it after all.
_ENDED_UNFILLED = (Q.CANCELED, Q.EXPIRED, Q.REJECTED, Q.REPLACED)
ORDER: Table = MappingProxyType(
    {
        (Q.CREATED, "submit"): Q.SUBMITTING,
        (Q.CREATED, "cancel"): Q.CANCELED,
        (Q.CREATED, "expire"): Q.EXPIRED,
        (Q.SUBMITTING, "submit"): Q.SUBMITTING,  # a retry after a look-up found nothing
        (Q.SUBMITTING, "lose"): Q.UNKNOWN,
        (Q.SUBMITTING, "fail"): Q.FAILED,
        (Q.UNKNOWN, "submit"): Q.SUBMITTING,
        (Q.UNKNOWN, "fail"): Q.FAILED,
        **{(Q.SUBMITTING, event): status for event, status in _BROKER_EVENTS.items()},
        **{(Q.UNKNOWN, event): status for event, status in _BROKER_EVENTS.items()},
        **{(Q.ACCEPTED, event): status for event, status in _BROKER_EVENTS.items()},
        **{(Q.PARTIALLY_FILLED, event): status for event, status in _BROKER_EVENTS.items()},
        (Q.PARTIALLY_FILLED, "accept"): Q.PARTIALLY_FILLED,  # the stream outran the acknowledgement
        **{
            (ended, event): Q.FILLED if event == "fill" else ended
            for ended in _ENDED_UNFILLED
            for event in _BROKER_EVENTS
            if event != "accept"
        },
        **{(Q.FAILED, event): status for event, status in _BROKER_EVENTS.items()},
    }
)

SAGA: Table = MappingProxyType(
    {
        (S.RUNNING, "complete"): S.COMPLETED,
        (S.RUNNING, "compensate"): S.COMPENSATING,
        (S.RUNNING, "fail"): S.FAILED,
        (S.COMPENSATING, "compensated"): S.COMPENSATED,
        (S.COMPENSATING, "fail"): S.FAILED,
        (S.FAILED, "compensate"): S.COMPENSATING,  # its order has ended since: once more
        # A fill that came after everything was undone, or booked, is booked too.
        (S.COMPENSATING, "late_fill"): S.COMPLETED,
        (S.COMPENSATED, "late_fill"): S.COMPLETED,
        (S.FAILED, "late_fill"): S.COMPLETED,
        (S.COMPLETED, "late_fill"): S.COMPLETED,
    }
)

CANDIDATE: Table = MappingProxyType(
    {
        (CandidateStatus.PROPOSED, "approve"): CandidateStatus.APPROVED,
        (CandidateStatus.PROPOSED, "reject"): CandidateStatus.REJECTED,
        (CandidateStatus.APPROVED, "reject"): CandidateStatus.REJECTED,
        (CandidateStatus.REJECTED, "approve"): CandidateStatus.APPROVED,  # a person changed their mind
    }
)

MACHINES: Mapping[str, Table] = MappingProxyType(
    {"cycle": CYCLE, "decision": DECISION, "order": ORDER, "saga": SAGA, "candidate": CANDIDATE}
)

OPEN_CYCLE = (C.RUNNING, C.PAUSED)
UNSETTLED_DECISION = (D.PENDING, D.CLAIMED, D.EXECUTING)
OPEN_ORDER = (Q.CREATED, Q.SUBMITTING, Q.UNKNOWN, Q.ACCEPTED, Q.PARTIALLY_FILLED)
LIVE_ORDER = (Q.UNKNOWN, Q.ACCEPTED, Q.PARTIALLY_FILLED)
OPEN_SAGA = (S.RUNNING, S.COMPENSATING)


def next_status(machine: str, status: str, event: str) -> str:
    """Return the status that ``event`` leads to.

    Raises:
        InvalidTransitionError: the table has no such row.
    """
    try:
        return MACHINES[machine][(status, event)]
    except KeyError:
        raise InvalidTransitionError(machine, status, event) from None
