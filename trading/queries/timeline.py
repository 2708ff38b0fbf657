"""Timelines of decisions, read in one query however many are asked for."""

from collections.abc import Collection
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist

from trading.domain.timeline import Stage, timeline
from trading.models import AIDecision, Approval
from trading.queries.decision_rows import facts_of, rows_of


def timelines_for(decision_ids: Collection[UUID]) -> dict[UUID, tuple[Stage, ...]]:
    """Return the six stages of each decision; unknown ids are left out."""
    return {row.decision_id: timeline(facts_of(row)) for row in rows_of(decision_ids)}


def timeline_of(decision_id: UUID) -> tuple[Stage, ...] | None:
    """Return a decision's six stages, None when there is no such decision."""
    return timelines_for([decision_id]).get(decision_id)


def approval_of(decision: AIDecision) -> Approval | None:
    """Return what a person was asked about the decision, None where nobody was."""
    try:
        return decision.approval
    except ObjectDoesNotExist:
        return None
