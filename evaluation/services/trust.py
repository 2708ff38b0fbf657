"""What outcomes say of stated confidence, published for the gate."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from evaluation.domain.trust_fit import TrustFit
from risk.domain.trust import ANY, Scope
from risk.models import TrustCurve
from risk.services import trust
from trading.core import transitions


def publish_fit(
    fit: TrustFit,
    *,
    scope: Scope,
    break_even: tuple[Decimal, Decimal],
    valid_until: datetime,
    label_spec: str,
    author: str,
    evidence: Mapping[str, Any] | None = None,
) -> TrustCurve:
    """Put a fitted curve in force for its scope, and say so to whoever listens.

    Args:
        break_even: how often a decision must be right to earn nothing, and how often for its full size.
        valid_until: market time, inclusive.
        evidence: beside what the fit itself says: method, counts, sessions.

    Raises:
        TrustError: it cannot be published, e.g. because too little is known for any knot; says which field and why.
    """
    known = {
        "method": fit.method.value,
        "n": fit.n,
        "n_effective": round(fit.n_effective, 1),
        "sessions": fit.sessions,
        "reason": fit.reason,
    }
    even, reference = break_even
    with transaction.atomic():
        row = trust.publish(
            scope=scope,
            knots=fit.knots,
            break_even=even,
            reference=reference,
            valid_until=valid_until,
            label_spec=label_spec,
            evidence={**(evidence or {}), **known},
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
