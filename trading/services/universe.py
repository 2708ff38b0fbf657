"""Which symbols a cycle looks at: positions, then the broker's assets by dollar volume, under the caps."""

from collections.abc import Iterable, Sequence

from django.db.models import F

from trading.domain.symbols import EXPECTED, is_coin, is_symbol
from trading.errors import SymbolsError
from trading.models import Asset, Position
from trading.services import settings


def select_symbols() -> list[str]:
    """Return the cycle's symbols: open positions always, the most traded assets up to the caps."""
    held = list(Position.objects.values_list("symbol", flat=True))
    stocks = _capped([s for s in held if not is_coin(s)], "stock", settings.count("max_stocks"))
    coins = _capped([s for s in held if is_coin(s)], "crypto", settings.count("max_coins"))
    return [*stocks, *coins]


def _capped(held: Sequence[str], asset_class: str, cap: int) -> list[str]:
    ranked = (
        Asset.objects.filter(asset_class=asset_class, tradable=True)
        .order_by(F("dollar_volume").desc(nulls_last=True), "symbol")
        .values_list("symbol", flat=True)[: cap + len(held)]
    )
    return list(dict.fromkeys([*held, *ranked]))[: max(cap, len(held))]


def checked_symbols(symbols: Iterable[str]) -> list[str]:
    """Return the symbols a person asked for, if all can be looked at.

    Raises:
        SymbolsError: one is malformed or unknown, or there are more than the caps allow.
    """
    asked = list(dict.fromkeys(symbols))
    problems = {s: f"malformed, expected {EXPECTED}" for s in asked if not is_symbol(s)}
    known = set(Asset.objects.filter(symbol__in=asked, tradable=True).values_list("symbol", flat=True))
    for symbol in asked:
        if symbol not in known:
            problems.setdefault(symbol, "unknown, the broker lists no tradable asset of this name")
    for label, cap, chosen in (
        ("stocks", settings.count("max_stocks"), [s for s in asked if not is_coin(s)]),
        ("coins", settings.count("max_coins"), [s for s in asked if is_coin(s)]),
    ):
        if len(chosen) > cap:
            problems[label] = f"{len(chosen)} asked for, at most {cap} in a cycle"
    if problems:
        raise SymbolsError(problems)
    return asked
