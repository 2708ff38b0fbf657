"""A symbol's candles as the script draws them: entries and exits as marks, stop and target as lines over time."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from trading.models import Trade
from trading.queries.pages.candles import SIZES, Candle, Span, start_of
from trading.queries.pages.exit_lines import ExitChange, in_force
from trading.queries.pages.symbol_story import SymbolStory
from trading.templatetags.console import quantity, signed

FEWEST_CANDLES = 2
FURTHEST = 3  # in heights of all candles: a line further off would press them flat, and is read below the chart alone
SMALL, SMALLER = Decimal(1), Decimal("0.01")  # prices below need more places
UNIT = "USD"
MOMENT = timedelta(microseconds=1)  # what happens as a candle ends belongs to the next


def candle_chart(story: SymbolStory) -> dict[str, Any] | None:
    """Return what the script draws; None where there are too few candles for a line."""
    candles, span = story.candles, story.span
    if len(candles) < FEWEST_CANDLES:
        return None
    places = _places(candles[-1].close)
    prices = {
        "name": story.now.symbol,
        "kind": "candles",
        "colour": "main",
        "points": [_point(candle, span) for candle in candles],
        "places": places,
        "unit": UNIT,
        "markers": _markers(story.trades, candles, span),
        "lines": _price_lines(story),
    }
    lines = [
        _exit_line("stop", "loss", story, places, lambda change: change.stop),
        _exit_line("target", "gain", story, places, lambda change: change.target),
    ]
    return {
        "isWithinDay": span is not Span.DAY,
        "series": [prices, *(line for line in lines if line is not None)],
    }


def _places(price: Decimal) -> int:
    if price >= SMALL:
        return 2
    return 4 if price >= SMALLER else 8


def _time(candle: Candle, span: Span) -> str | int:
    return f"{candle.at:%Y-%m-%d}" if span is Span.DAY else int(candle.at.timestamp())


def _point(candle: Candle, span: Span) -> dict[str, Any]:
    return {
        "time": _time(candle, span),
        **{name: float(getattr(candle, name)) for name in ("open", "high", "low", "close")},
    }


def _markers(trades: Sequence[Trade], candles: Sequence[Candle], span: Span) -> list[dict[str, Any]]:
    """Return the marks of trades, oldest first, each at the candle it belongs to; none outside of what is drawn."""
    drawn = {candle.at: candle for candle in candles}
    found = []
    for trade in sorted(trades, key=lambda trade: trade.traded_at):
        candle = drawn.get(start_of(trade.traded_at, span))
        if candle is None:
            continue
        is_buy = trade.side == "buy"
        earned = "" if trade.realised_pnl is None else f" {signed(trade.realised_pnl)}"
        found.append(
            {
                "time": _time(candle, span),
                "position": "belowBar" if is_buy else "aboveBar",
                "shape": "arrowUp" if is_buy else "arrowDown",
                "colour": "main" if is_buy else "other",
                "text": f"{trade.side} {quantity(trade.quantity)}{earned}",
            }
        )
    return found


def _price_lines(story: SymbolStory) -> list[dict[str, Any]]:
    """Return the levels that stand now: what a unit was bought for."""
    held = story.now.position
    return (
        [{"price": float(held.average_entry_price), "colour": "main", "title": "bought at"}] if held else []
    )


def _exit_line(
    name: str,
    colour: str,
    story: SymbolStory,
    places: int,
    price_of: Callable[[ExitChange], Decimal | None],
) -> dict[str, Any] | None:
    """Return the price that stood at the end of each candle; a gap where none did."""
    length, points, is_any = SIZES[story.span].length, [], False
    for candle in story.candles:
        stood = in_force(story.exits, candle.at + length - MOMENT)
        price = price_of(stood) if stood else None
        is_any |= price is not None
        point: dict[str, Any] = {"time": _time(candle, story.span)}
        points.append(point if price is None else point | {"value": float(price)})
    if not is_any:
        return None
    low, high = min(candle.low for candle in story.candles), max(candle.high for candle in story.candles)
    room = (high - low) * FURTHEST
    is_off = any(
        not low - room <= Decimal(str(point["value"])) <= high + room for point in points if "value" in point
    )
    return {
        "isOffScale": is_off,
        "name": name,
        "kind": "line",
        "colour": colour,
        "isDashed": True,
        "isStepped": True,
        "points": points,
        "places": places,
        "unit": UNIT,
    }
