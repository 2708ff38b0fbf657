"""The page of a symbol: its prices, what is held of it and what was decided about it."""

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from risk.domain.reasons import DenyReason
from trading.admin.base import list_url
from trading.admin.extras import SYMBOL_DEEDS
from trading.admin.pages import console_page, require
from trading.admin.standing import VIEW, standing_of
from trading.admin.stories.symbol_chart import candle_chart
from trading.domain.symbols import meant_by
from trading.queries.pages.candles import Span
from trading.queries.pages.symbol_standing import symbol_standing
from trading.queries.pages.symbol_story import MOST_ROWS, SymbolStory, symbol_story

PAGE = "trading_symbol"
SPANS = {Span.DAY: "Days", Span.HOUR: "Hours", Span.MINUTES: "5 minutes"}


class Chosen(forms.Form):
    """What the address says: how much time a candle is of."""

    candles = forms.ChoiceField(
        choices=[(span.value, words) for span, words in SPANS.items()], required=False
    )


def symbol_view(request: HttpRequest, symbol: str) -> HttpResponse:
    """Show a symbol; one written otherwise, in lower case or without its slash, leads to the one that is meant.

    Raises:
        Http404: nothing here knows such a symbol.
    """
    require(request, VIEW)
    form = Chosen(request.GET)
    form.is_valid()
    span = Span(form.cleaned_data.get("candles") or Span.DAY)
    agent = standing_of(request).agent
    story = symbol_story(symbol, span, agent)
    if not (story.now.is_known or story.trades or story.decisions):
        for meant in meant_by(symbol):
            if symbol_standing(meant, agent).is_known:
                return redirect(f"admin:{PAGE}", meant)
        raise Http404(f"nothing is known of the symbol {symbol}")
    return console_page(request, "console/symbol/page.html", _context(request, story))


def _context(request: HttpRequest, story: SymbolStory) -> dict[str, Any]:
    symbol = story.now.symbol
    url = reverse(f"admin:{PAGE}", args=[symbol])
    lists = {
        name: list_url("trading", name, q=symbol) for name in ("aidecision", "trade", "order", "roundtrip")
    }
    return {
        "title": symbol,
        "story": story,
        "now": story.now,
        "position": story.now.position,
        "chart": candle_chart(story),
        "spans": [(words, f"{url}?candles={span}", span == story.span) for span, words in SPANS.items()],
        "is_daily": story.span is Span.DAY,
        "deeds": SYMBOL_DEEDS.shown(request, story.now),
        "lists": lists,
        "most_rows": MOST_ROWS,
        "locked": DenyReason.SYMBOL_LOCKED,
    }
