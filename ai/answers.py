"""The store of answers: what a model answered to which request, kept raw and never changed.

Every purpose writes here, and whoever puts a question again reads here. What trades never does: a decision is always
asked for anew.
"""

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ai import builtin, gateway
from ai.domain.request import ModelRequest
from ai.domain.text import storable
from ai.models import ModelAnswer

LARGEST_COUNT = 2**31 - 1  # the columns' own
LARGEST_COST = Decimal("999999.999999")


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An answer as it came, with what it used then; ``cost_usd`` None where no price was known."""

    text: str
    answered_model: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None
    latency_ms: int


def keep_answer(
    request: ModelRequest, completion: gateway.Completion, *, cost_usd: Decimal | None, sample: int = 0
) -> None:
    """Store a complete answer under its request's hash; what is stored under it already stays as it is.

    The built-in analyst's are not stored: it computes them again, and its calls are on record.
    """
    if request.model.startswith(f"{builtin.PROVIDER}/"):
        return
    row = ModelAnswer(
        request_hash=request.hash(sample),
        model=request.model,
        endpoint=request.endpoint,
        sample=sample,
        text=zlib.compress(storable(completion.text).encode()),
        answered_model=completion.answered_model,
        system_fingerprint=completion.system_fingerprint,
        prompt_tokens=bounded(completion.prompt_tokens),
        completion_tokens=bounded(completion.completion_tokens),
        cost_usd=None if cost_usd is None else min(cost_usd, LARGEST_COST),
        latency_ms=bounded(completion.latency_ms),
    )
    ModelAnswer.objects.bulk_create([row], ignore_conflicts=True)


def known_answers(hashes: Collection[str]) -> dict[str, KnownAnswer]:
    """Return the stored answers to requests, by their hashes."""
    return {
        row.pk: KnownAnswer(
            zlib.decompress(row.text).decode(),
            row.answered_model,
            row.prompt_tokens,
            row.completion_tokens,
            row.cost_usd,
            row.latency_ms,
        )
        for row in ModelAnswer.objects.filter(pk__in=set(hashes))
    }


def stored_before(hashes: Collection[str], moment: datetime) -> set[str]:
    """Return which of these requests had an answer stored before a moment."""
    rows = ModelAnswer.objects.filter(pk__in=set(hashes), created_at__lt=moment)
    return set(rows.values_list("pk", flat=True))


def bounded(count: int) -> int:
    """Return what a column can hold of a count that a provider reported."""
    return min(max(count, 0), LARGEST_COUNT)
