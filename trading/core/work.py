"""Background work that a task does, and that is taken up again where its message was lost."""

import enum
from dataclasses import dataclass
from uuid import UUID


class WorkKind(enum.StrEnum):
    """Which task takes a piece of work up again."""

    FETCH = "fan_out"
    ANALYSE = "analyse"
    MAINTAIN = "maintain"
    JUDGE = "execute_batch"
    EXECUTE = "risk_and_execute"
    ADVANCE = "advance_saga"
    FINISH = "finish_cycle"
    RESUME = "resume_cycle"
    SETTLE = "settle_order"
    FOLLOW = "follow_order"


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work that nobody seems to be doing."""

    kind: WorkKind
    id: UUID
