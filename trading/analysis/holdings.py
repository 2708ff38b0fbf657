"""What is thought of what is held, as the next question tells it: theses, the last verdicts, what protects it."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection

from ai.domain.types import HoldingFacts, ProtectionFacts, ThesisFacts, VerdictFacts
from trading.domain.protection.horizons import sessions_held, sessions_left
from trading.domain.symbols import is_coin
from trading.models import Position, Thesis

VERDICTS = 3
# By the index of the symbol's newest decisions, however many there are; a hold for want of an answer is no verdict.
LAST_VERDICTS = """
SELECT held.symbol, verdict.action, verdict.confidence, verdict.as_of
FROM unnest(%s::text[]) AS held (symbol) CROSS JOIN LATERAL (
    SELECT action, confidence, as_of, created_at, id FROM ai_decisions
    WHERE symbol = held.symbol AND confidence > 0 ORDER BY created_at DESC, id DESC LIMIT %s
) AS verdict
ORDER BY held.symbol, verdict.created_at DESC, verdict.id DESC
"""


def last_verdicts(symbols: Collection[str]) -> dict[str, list[VerdictFacts]]:
    """Return the last three decisions that somebody made on each symbol, the newest first, whichever strategy's."""
    found: dict[str, list[VerdictFacts]] = {}
    if symbols:
        with connection.cursor() as cursor:
            cursor.execute(LAST_VERDICTS, [sorted(symbols), VERDICTS])
            for symbol, action, confidence, as_of in cursor.fetchall():
                found.setdefault(symbol, []).append(VerdictFacts(action, confidence, as_of))
    return found


def holding_of(
    position: Position, theses: Sequence[Thesis], verdicts: Sequence[VerdictFacts], *, now: datetime
) -> HoldingFacts:
    """Return how the position came to be and what is thought of it; ``now`` is market time."""
    return HoldingFacts(
        entered_at=theses[-1].opened_at if theses else position.opened_at,
        entry_price=position.average_entry_price,
        theses=tuple(_facts_of(thesis, now) for thesis in theses),
        verdicts=tuple(verdicts),
        protection=protection_of(position),
    )


def protection_of(position: Position) -> ProtectionFacts | None:
    """Return who sells the position by itself, and at which prices; None: that is not settled yet."""
    if position.stop_price is None:
        return None
    return ProtectionFacts(position.protected_by, position.stop_price, position.target_price)


def _facts_of(thesis: Thesis, now: datetime) -> ThesisFacts:
    held = sessions_held(thesis.opened_at, now, is_coin=is_coin(thesis.symbol))
    return ThesisFacts(
        strategy=thesis.strategy.name,
        opened_at=thesis.opened_at,
        entry_price=thesis.entry_price,
        reasoning=thesis.reasoning,
        invalidation=thesis.invalidation,
        stop_price=thesis.stop_price,
        target_price=thesis.target_price,
        horizon_sessions=thesis.horizon_sessions,
        sessions_left=sessions_left(thesis.horizon_sessions, held),
    )
