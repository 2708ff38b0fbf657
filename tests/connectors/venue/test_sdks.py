"""The real SDKs read what the venue writes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import finnhub
import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.historical import CryptoHistoricalDataClient, NewsClient, StockHistoricalDataClient
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoSnapshotRequest,
    NewsRequest,
    StockBarsRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AssetClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrdersRequest,
    MarketOrderRequest,
)
from pycoingecko import CoinGeckoAPI

from tests.connectors.venue.client import COIN, STOCK
from tests.venue_process import VenueProcess
from tests.waiting import wait_until

NOON = datetime(2020, 10, 15, 16, tzinfo=UTC)


@pytest.fixture
def trading(venue: VenueProcess) -> TradingClient:
    return TradingClient("key", "secret", url_override=venue.url)


def test_trading_client_reads_account_clock_calendar_and_assets(trading: TradingClient) -> None:
    account, clock = trading.get_account(), trading.get_clock()
    calendar = trading.get_calendar(GetCalendarRequest(start=date(2020, 10, 15), end=date(2020, 10, 16)))
    coins = trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))

    assert Decimal(account.equity) > 0
    assert clock.is_open
    assert clock.next_close > clock.timestamp
    assert [day.date for day in calendar] == [date(2020, 10, 15), date(2020, 10, 16)]
    assert len(coins) == 20
    assert trading.get_asset("BTC/USD").symbol == "BTC/USD"


def test_trading_client_orders_looks_up_cancels_and_reads_positions(
    trading: TradingClient, venue: VenueProcess
) -> None:
    request = MarketOrderRequest(
        symbol=COIN, qty=0.1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, client_order_id="sdk-1"
    )

    order = trading.submit_order(request)
    wait_until(lambda: trading.get_order_by_id(order.id).status == OrderStatus.FILLED)
    position = trading.get_open_position("BTCUSD")
    venue.fault(kind="fill_delay")
    waiting = trading.submit_order(
        MarketOrderRequest(symbol=STOCK, notional=50, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )
    canceled = trading.cancel_orders()

    assert trading.get_order_by_client_id("sdk-1").id == order.id
    assert (position.qty, position.symbol) == ("0.09975", "BTCUSD")
    assert waiting.qty is None
    assert [one.id for one in canceled] == [waiting.id]
    closed = trading.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED))
    assert {one.id for one in closed} >= {order.id, waiting.id}
    assert len(trading.get_all_positions()) >= 1


def test_trading_client_reads_the_refusals(trading: TradingClient) -> None:
    request = MarketOrderRequest(
        symbol=STOCK, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id="sdk-2"
    )
    trading.submit_order(request)

    with pytest.raises(APIError, match="client_order_id must be unique") as duplicate:
        trading.submit_order(request)
    with pytest.raises(APIError, match="insufficient buying power") as poor:
        trading.submit_order(
            MarketOrderRequest(symbol=STOCK, qty=10**6, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
        )

    assert (duplicate.value.status_code, duplicate.value.code) == (422, 40010001)
    assert (poor.value.status_code, poor.value.code) == (403, 40310000)


def test_stock_data_client_reads_snapshots_and_all_pages_of_bars(venue: VenueProcess) -> None:
    data = StockHistoricalDataClient("key", "secret", url_override=venue.url)
    symbols = [STOCK, "BREZ", "ALSQ"]

    snapshots = data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=symbols))
    bars = data.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols=symbols, timeframe=TimeFrame.Day, start=NOON - timedelta(days=300), limit=500
        )
    )
    minutes = data.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols=STOCK,
            timeframe=TimeFrame.Minute,
            start=NOON - timedelta(days=30),
            end=NOON - timedelta(days=1),
        )
    )

    assert snapshots.keys() == set(symbols)
    assert snapshots[STOCK].latest_trade.price > 0
    assert snapshots[STOCK].previous_daily_bar.close > 0
    assert sum(len(rows) for rows in bars.data.values()) == 500
    assert len(minutes.data[STOCK]) > 390 * 15


def test_coin_data_client_reads_snapshots_and_bars(venue: VenueProcess) -> None:
    data = CryptoHistoricalDataClient(url_override=venue.url)

    snapshots = data.get_crypto_snapshot(CryptoSnapshotRequest(symbol_or_symbols=[COIN, "ETH/USD"]))
    bars = data.get_crypto_bars(
        CryptoBarsRequest(symbol_or_symbols=COIN, timeframe=TimeFrame.Day, start=NOON - timedelta(days=100))
    )

    assert snapshots[COIN].daily_bar.open > 0
    assert len(bars.data[COIN]) == 100


def test_news_client_reads_all_pages(venue: VenueProcess) -> None:
    data = NewsClient("key", "secret", url_override=venue.url)
    start = NOON - timedelta(days=40)

    news = data.get_news(NewsRequest(symbols=f"{STOCK},BTCUSD,ALSQ,ETHUSD", start=start, end=NOON))

    assert len(news.data["news"]) > 20
    assert news.data["news"][0].source == "venue"


def test_finnhub_client_reads_quotes_news_and_status(venue: VenueProcess) -> None:
    client = finnhub.Client("key")
    client.API_URL = f"{venue.url}/finnhub/api/v1"

    quote = client.quote(STOCK)
    news = client.company_news(STOCK, _from="2020-09-20", to="2020-10-15")

    assert quote["c"] > 0
    assert client.quote("NOPE")["c"] == 0
    assert news[0]["source"] == "venue"
    assert client.market_status(exchange="US")["isOpen"] is True


def test_coingecko_client_reads_prices_and_markets(venue: VenueProcess) -> None:
    client = CoinGeckoAPI(retries=0)
    client.api_base_url = f"{venue.url}/coingecko/api/v3/"

    prices = client.get_price(ids="bitcoin,solana", vs_currencies="usd", include_last_updated_at="true")

    assert prices.keys() == {"bitcoin", "solana"}
    assert len(client.get_coins_markets(vs_currency="usd")) == 20
    assert "gecko_says" in client.ping()
