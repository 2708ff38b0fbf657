"""How the account, its positions and the clock are written."""

from decimal import Decimal

from connectors.venue.context import Venue
from connectors.venue.paper.orders import position_asset_id
from connectors.venue.wire import new_york, number, price_decimal
from connectors.venue.world.model import stable_id

_SIX = Decimal("0.000001")


def account_json(venue: Venue) -> dict[str, object]:
    """Write the account; money as strings, the pattern-day-trader fields gone as since 2026-07-06."""
    exchange = venue.exchange
    value = exchange.market_value()
    equity = _money(exchange.ledger.cash + value)
    buying_power = _money(exchange.buying_power())
    last_equity = _money(exchange.last_equity)
    return {
        "id": stable_id("account", venue.world.name),
        "account_number": "PA3VENUE0001",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "buying_power": buying_power,
        "regt_buying_power": buying_power,
        "non_marginable_buying_power": buying_power,
        "options_buying_power": "0",
        "cash": _money(exchange.ledger.cash),
        "accrued_fees": "0",
        "portfolio_value": equity,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "created_at": "2020-01-01T00:00:00Z",
        "trade_suspended_by_user": False,
        "multiplier": "1",
        "shorting_enabled": False,
        "equity": equity,
        "last_equity": last_equity,
        "long_market_value": _money(value),
        "short_market_value": "0",
        "position_market_value": _money(value),
        "initial_margin": "0",
        "maintenance_margin": "0",
        "last_maintenance_margin": "0",
        "sma": "0",
        "crypto_tier": 1,
    }


def position_json(venue: Venue, symbol: str) -> dict[str, object]:
    """Write a position, marked to the current price."""
    exchange = venue.exchange
    instrument = exchange.instrument(symbol)
    holding = exchange.ledger.holdings[symbol]
    price = venue.market.price(instrument) or holding.average_price
    before = venue.market.previous_close(instrument)
    last = price if before is None else price_decimal(before, is_crypto=instrument.is_crypto)
    value = holding.quantity * price
    gain = value - holding.cost
    today = holding.quantity * (price - last)
    return {
        "asset_id": position_asset_id(instrument),
        "symbol": instrument.position_symbol,
        "exchange": instrument.exchange,
        "asset_class": instrument.asset_class,
        "asset_marginable": False,
        "qty": number(holding.quantity),
        "qty_available": number(max(holding.quantity - exchange.book.held(symbol), Decimal(0))),
        "avg_entry_price": number(holding.average_price.quantize(Decimal("0.000000001"))),
        "side": "long",
        "market_value": _money(value),
        "cost_basis": _money(holding.cost),
        "unrealized_pl": _money(gain),
        "unrealized_plpc": _share(gain, holding.cost),
        "unrealized_intraday_pl": _money(today),
        "unrealized_intraday_plpc": _share(today, holding.quantity * last),
        "current_price": number(price),
        "lastday_price": number(last),
        "change_today": _share(price - last, last),
    }


def clock_json(venue: Venue) -> dict[str, object]:
    """Write market time and the stock session, as New York time.

    After the data's end the next session is at the end of 2099. ``market_rate``, which the real account does not
    say, is how many seconds of market time pass in a second.
    """
    now = venue.clock.now()
    timeline = venue.market.timeline
    return {
        "timestamp": new_york(now).isoformat(),
        "is_open": timeline.is_open(now),
        "next_open": new_york(timeline.next_open(now)).isoformat(),
        "next_close": new_york(timeline.next_close(now)).isoformat(),
        "market_rate": venue.clock.rate,
    }


def _money(value: Decimal) -> str:
    return number(value.quantize(_SIX))


def _share(part: Decimal, whole: Decimal) -> str:
    return number((part / whole).quantize(_SIX)) if whole else "0"
