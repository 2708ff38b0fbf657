"""The page of a symbol: its prices, what is held of it and what was decided about it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from trading.admin.context import VIEW, standing_of
from trading.admin.extras import SYMBOL_DEEDS
from trading.admin.pages import console_page, require
from trading.domain.symbols import meant_by
from trading.queries.pages.symbol_standing import symbol_standing

PAGE = "trading_symbol"


def symbol_view(request: HttpRequest, symbol: str) -> HttpResponse:
    """Show a symbol; one written otherwise, in lower case or without its slash, leads to the one that is meant.

    Raises:
        Http404: nothing here knows such a symbol.
    """
    require(request, VIEW)
    standing = symbol_standing(symbol, standing_of(request).agent)
    if not standing.is_known:
        for meant in meant_by(symbol):
            if meant != symbol and symbol_standing(meant).is_known:
                return redirect(f"admin:{PAGE}", meant)
        raise Http404(f"nothing is known of the symbol {symbol}")
    context = {
        "title": symbol,
        "now": standing,
        "deeds": SYMBOL_DEEDS.shown(request, standing),
    }
    return console_page(request, "console/symbol/page.html", context)
