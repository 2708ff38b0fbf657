"""What a person wants to know besides, before they answer: prices, headlines, the thesis, what was answered before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from trading.models import AIDecision, Approval, Cycle, Thesis

DAYS_SHOWN = 60
HEADLINES_SHOWN = 3
ANSWERS_SHOWN = 3
LOOKED_BACK = timedelta(days=14)
MOST_ANSWERS = 500  # of all symbols together


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around a decision.

    Args:
        closes: the last daily closes with their market time, oldest first, USD.
        headlines: of its cycle, about its symbol.
        thesis: of what is held of the symbol; the newest.
        answers: earlier ones about the symbol, of the last fortnight, the newest first; with ``action`` and ``person``.
    """

    closes: tuple[tuple[datetime, Decimal], ...] = ()
    headlines: tuple[Mapping[str, Any], ...] = ()
    thesis: Thesis | None = None
    answers: tuple[Approval, ...] = field(default=())


NOTHING = Surroundings()


def surrounding_selects(decisions: Sequence[AIDecision], now: datetime) -> dict[str, QuerySet[Any]]:
    """Return what ``surroundings_of`` is made of, beside the histories of bars."""
    symbols = {decision.symbol for decision in decisions}
    return {
        "cycles": Cycle.objects.filter(pk__in={decision.cycle_id for decision in decisions}).only(
            "headlines"
        ),
        "theses": Thesis.objects.open().filter(symbol__in=symbols),
        "answers": Approval.objects.filter(
            requested_at__gt=now - LOOKED_BACK, answered_by__isnull=False, decision__symbol__in=symbols
        )
        .annotate(
            symbol=F("decision__symbol"), action=F("decision__action"), person=F("answered_by__username")
        )
        .order_by("-answered_at")[:MOST_ANSWERS],
    }


def surroundings_of(
    decisions: Sequence[AIDecision], read: Mapping[str, Sequence[Any]]
) -> dict[UUID, Surroundings]:
    """Return what is known around decisions, by their id; no query.

    Args:
        read: the rows of ``surrounding_selects``, and ``bars``, by name.
    """
    if not decisions:
        return {}
    headlines = {cycle.pk: cycle.headlines for cycle in read["cycles"]}
    bars = {row.symbol: row.bars for row in read["bars"]}
    theses = {thesis.symbol: thesis for thesis in reversed(read["theses"])}
    answers = _answers(read["answers"])
    return {
        decision.pk: Surroundings(
            closes=_closes(bars.get(decision.symbol, ())),
            headlines=_about(decision.symbol, headlines.get(decision.cycle_id, ())),
            thesis=theses.get(decision.symbol),
            answers=tuple(answers.get(decision.symbol, ())),
        )
        for decision in decisions
    }


def _answers(lately: Sequence[Any]) -> dict[str, list[Approval]]:
    """Return the newest answers of people about each symbol."""
    found: dict[str, list[Approval]] = {}
    for row in lately:
        of_symbol = found.setdefault(row.symbol, [])
        if len(of_symbol) < ANSWERS_SHOWN:
            of_symbol.append(row)
    return found


def _about(symbol: str, headlines: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return tuple(row for row in headlines if symbol in row.get("symbols", ()))[:HEADLINES_SHOWN]


def _closes(bars: Sequence[Sequence[str]]) -> tuple[tuple[datetime, Decimal], ...]:
    """Return the newest closes of bars as they are stored."""
    return tuple((datetime.fromisoformat(bar[0]), Decimal(bar[4])) for bar in bars[-DAYS_SHOWN:])
