"""What a person wants to know besides, before they answer: prices, headlines, the thesis, what was answered before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from trading.models import AIDecision, Approval, BarHistory, Cycle, Thesis

DAYS_SHOWN = 60
HEADLINES_SHOWN = 3
ANSWERS_SHOWN = 3
LOOKED_BACK = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a decision.

    Args:
        closes: the last daily closes with their market time, oldest first, USD.
        headlines: of its cycle, about its symbol.
        thesis: of what is held of the symbol; the newest.
        answers: earlier ones about the symbol, of the last fortnight, the newest first.
    """

    closes: tuple[tuple[datetime, Decimal], ...] = ()
    headlines: tuple[Mapping[str, Any], ...] = ()
    thesis: Thesis | None = None
    answers: tuple[Approval, ...] = field(default=())


NOTHING = Surroundings()


def read_surroundings(decisions: Sequence[AIDecision], now: datetime) -> dict[UUID, Surroundings]:
    """Read what is known around decisions, by their id: four queries, however many there are."""
    if not decisions:
        return {}
    symbols = {decision.symbol for decision in decisions}
    headlines = dict(
        Cycle.objects.filter(pk__in={decision.cycle_id for decision in decisions}).values_list(
            "pk", "headlines"
        )
    )
    bars = dict(BarHistory.objects.filter(pk__in=symbols).values_list("symbol", "bars"))
    theses = {thesis.symbol: thesis for thesis in reversed(Thesis.objects.open().filter(symbol__in=symbols))}
    answers = _answers(symbols, now)
    return {
        decision.pk: Surroundings(
            closes=_closes(bars.get(decision.symbol, ())),
            headlines=_about(decision.symbol, headlines.get(decision.cycle_id, ())),
            thesis=theses.get(decision.symbol),
            answers=tuple(answers.get(decision.symbol, ())),
        )
        for decision in decisions
    }


def _answers(symbols: set[str], now: datetime) -> dict[str, list[Approval]]:
    """Return the newest answers of people about each symbol."""
    lately = Approval.objects.filter(
        requested_at__gt=now - LOOKED_BACK, answered_by__isnull=False, decision__symbol__in=symbols
    )
    found: dict[str, list[Approval]] = {}
    for row in lately.select_related("decision", "answered_by").order_by("-answered_at"):
        of_symbol = found.setdefault(row.decision.symbol, [])
        if len(of_symbol) < ANSWERS_SHOWN:
            of_symbol.append(row)
    return found


def _about(symbol: str, headlines: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return tuple(row for row in headlines if symbol in row.get("symbols", ()))[:HEADLINES_SHOWN]


def _closes(bars: Sequence[Sequence[str]]) -> tuple[tuple[datetime, Decimal], ...]:
    """Return the newest closes of bars as they are stored."""
    return tuple((datetime.fromisoformat(bar[0]), Decimal(bar[4])) for bar in bars[-DAYS_SHOWN:])
