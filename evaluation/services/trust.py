"""Trust curves as the evaluation publishes them: in force for the gate, and told to whoever listens."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from risk.domain.trust import ANY, Knot, Scope
from risk.models import TrustCurve
from risk.services import trust
from trading.core import transitions


def publish_curve(
    *,
    scope: Scope,
    knots: Sequence[Knot],
    break_even: Decimal,
    reference: Decimal,
    valid_until: datetime,
    label_spec: str,
    evidence: Mapping[str, Any],
    author: str,
) -> TrustCurve:
    """Put a curve in force and tell it, both or neither; the arguments are those of ``risk.services.trust.publish``.

    Raises:
        TrustError: a value cannot be taken; the message names each field and what was expected.
    """
    with transaction.atomic():
        row = trust.publish(
            scope=scope,
            knots=knots,
            break_even=break_even,
            reference=reference,
            valid_until=valid_until,
            label_spec=label_spec,
            evidence=evidence,
            author=author,
        )
        transitions.append_event(
            aggregate_type="trust_curve",
            aggregate_id=str(row.version),
            event_type="trust.published",
            payload={
                "version": row.version,
                "model": row.model,
                "answered_model": row.answered_model,
                "strategy_id": None if row.strategy == ANY else row.strategy,
                "prompt_version": None if row.prompt_version == ANY else row.prompt_version,
                "label_spec": row.label_spec,
                "valid_until": row.valid_until.isoformat(),
                "actor": row.author,
            },
            cycle_id=None,
        )
    return row
