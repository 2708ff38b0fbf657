"""Places on the console's pages that rooms above trading fill: trading knows the places, never who fills them.

A room's own admin package puts its pieces in as it is imported, as it registers its pages:
``DECISION_SECTIONS.put(Piece("evaluation/outcome.html", outcome_of))``.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection, transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from trading.models import AIDecision, Strategy
from trading.queries.pages.symbol_standing import SymbolStanding

logger = logging.getLogger(__name__)
Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Piece(Generic[Subject]):
    """A part of a page: a template, and what it shows of the page's subject; None where there is nothing to show.

    ``asks`` says whether that asks the database.
    """

    template: str
    context: Callable[[HttpRequest, Subject], Mapping[str, Any] | None]
    asks: bool = True


class Place(Generic[Subject]):
    """Where pieces stand, in the order in which they were put; a template stands once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pieces: dict[str, Piece[Subject]] = {}

    def put(self, piece: Piece[Subject]) -> None:
        """Add a piece; one with the same template is replaced."""
        self._pieces[piece.template] = piece

    def remove(self, piece: Piece[Subject]) -> None:
        """Take a piece out, if it is there."""
        self._pieces.pop(piece.template, None)

    def shown(self, request: HttpRequest, subject: Subject) -> list[SafeString]:
        """Return the pieces as HTML; one that fails says so in its place, and takes nothing of the page with it."""
        found = (self._rendered(piece, request, subject) for piece in self._pieces.values())
        return [html for html in found if html is not None]

    def _rendered(self, piece: Piece[Subject], request: HttpRequest, subject: Subject) -> SafeString | None:
        try:
            # A failed query leaves the page's own transaction, where it has one, as it was.
            with transaction.atomic() if piece.asks and connection.in_atomic_block else nullcontext():
                context = piece.context(request, subject)
                if context is None:
                    return None
                return render_to_string(piece.template, dict(context), request)
        except Exception:  # the boundary of another room: the page with the kill switch opens anyway
            logger.exception("a piece of a page failed: %s on %s", piece.template, self.name)
            return format_html(
                '<section class="tc-card tc-loss" role="alert">{} could not be shown; the log says why.</section>',
                piece.template,
            )


# Beside a decision's first line: what may be done with it.
DECISION_DEEDS: Place[AIDecision] = Place("decision deeds")
# Beside a strategy's versions: what may be done with it.
STRATEGY_DEEDS: Place[Strategy] = Place("strategy deeds")
# Between a decision's reasons and its paper trail.
DECISION_SECTIONS: Place[AIDecision] = Place("decision sections")
# Below a symbol's first line: what may be done with it. A piece asks no query for what the standing has.
SYMBOL_DEEDS: Place[SymbolStanding] = Place("symbol deeds")
# The last of the dashboard's row of tiles: ``<section class="tc-card tc-tile">``; read every ten seconds.
DASHBOARD_TILES: Place[None] = Place("dashboard tiles")
