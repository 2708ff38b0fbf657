"""The fills' chance hangs on seed and market time alone: the same orders at the same moments fill the same way."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from connectors.venue.paper.book import OrderBook
from connectors.venue.paper.orders import Order
from tests.connectors.venue.client import COIN, OTHER_STOCK, STOCK, Client
from tests.venue_process import VenueProcess

SECOND = 1_602_768_660_000_000


def run(seed: int) -> list[dict[str, Any]]:
    """Return what filled in a run of orders, some of them at one moment, without ids."""
    with VenueProcess(is_forked=True, seed=seed, partial_rate=0.5, slippage_bps=50) as venue:
        client = Client(venue.url)
        venue.clock(paused=True, to="2020-10-15T15:00:00Z")
        for symbol in (STOCK, STOCK, OTHER_STOCK, COIN, STOCK):
            client.filled(symbol, qty="8")
        client.filled(STOCK, "sell", qty="8")
        venue.clock(advance=60)
        client.filled(STOCK, "sell", qty="8")
        fills = client.get("/v2/account/activities/FILL", direction="asc")
    return [{key: fill[key] for key in ("symbol", "side", "qty", "price", "type")} for fill in fills]


def test_two_runs_on_one_seed_fill_alike_and_another_seed_does_not() -> None:
    first, second, other = run(7), run(7), run(8)

    assert first == second
    assert first != other
    prices = {fill["price"] for fill in first if (fill["symbol"], fill["side"]) == (STOCK, "buy")}
    assert len(prices) > 1, "orders of one moment have a chance each"


def order(number: int, at: int, symbol: str = STOCK, side: str = "buy") -> Order:
    return Order(
        order_id=str(number),
        client_order_id=f"ours-{number}",
        symbol=symbol,
        side=side,
        quantity=Decimal(1),
        notional=None,
        time_in_force="day",
        status="filled",
        submitted_at=at,
        updated_at=at,
        reserve_price=Decimal(1),
    )


def test_orders_are_counted_by_symbol_side_and_second_also_after_a_restart() -> None:
    book, ordinals = OrderBook(()), []
    moments = [(0, "buy"), (1, "buy"), (2, "sell"), (999_999, "buy"), (1_000_000, "buy")]
    for number, (micros, side) in enumerate(moments):
        row = order(number, SECOND + micros, side=side)
        row.ordinal = book.ordinal(row.symbol, row.side, row.submitted_at)
        book.add(row)
        ordinals.append(row.ordinal)

    again = OrderBook([Order(**asdict(row)) for row in book.orders.values()])

    assert ordinals == [0, 1, 0, 2, 0]
    assert again.ordinal(STOCK, "buy", SECOND + 1_000_001) == 1
    assert again.ordinal(OTHER_STOCK, "buy", SECOND + 1_000_001) == 0
    assert again.ordinal(STOCK, "buy", SECOND + 2_000_000) == 0
