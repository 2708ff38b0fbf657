"""How far a decision is, in one short word: the first letters of its six stages' statuses.

``cccppp``: judged, taken by the broker, not filled yet. The word is stored beside the decision, so that an index finds
decisions by a stage and its status (docs/adr/0017).
"""

from trading.domain.timeline import StageName, StageStatus, TimelineFacts, timeline

INFERRED = "?"  # the exit was concluded from a sale while nothing is held: a later sync may think otherwise
UNJUDGED = "cppppp"
NOT_TRADED = "csssss"
HELD = "cccccp"
KEYS = (
    UNJUDGED,
    NOT_TRADED,
    "cfssss",
    "ccpppp",
    "ccfsss",
    "cccppp",
    "cccfss",
    "ccccpp",
    "ccccfs",
    HELD,
    "cccccc",
    "cccccc?",
)
EXIT_OPEN = (HELD, "cccccc?")  # what a sale, or a position found opened or closed, may still change


def stage_key(facts: TimelineFacts) -> str:
    """Return the word for these facts, one of ``KEYS``."""
    word = "".join(stage.status[0] for stage in timeline(facts))
    inferred = word == "cccccc" and facts.exit is not None and facts.exit.is_inferred
    return word + INFERRED if inferred else word


def keys_with(stage: StageName, status: StageStatus) -> tuple[str, ...]:
    """Return the words of the decisions whose ``stage`` has this status."""
    place = list(StageName).index(stage)
    return tuple(key for key in KEYS if key[place] == status[0])
