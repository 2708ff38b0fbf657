"""The adapters behind their throttle, against the venue: who goes first, and what the headers are worth."""

import uuid
from collections.abc import Iterator
from decimal import Decimal
from time import monotonic

import pytest
import redis
from django.conf import settings

from connectors.alpaca.broker import AlpacaBroker
from connectors.alpaca.market_data import AlpacaStockData
from connectors.base import AssetClass, OrderRequest, Side, TimeInForce
from connectors.coingecko.client import CoinGeckoData
from connectors.errors import RejectedError, UnavailableError
from connectors.finnhub.client import FinnhubData
from connectors.throttle.shared import Limits, SharedThrottle, connect
from tests.trading.outside import COIN, STOCK
from tests.venue_process import VenueProcess
from tests.waiting import wait_until

KEY = "of-a-throttled-test"


@pytest.fixture
def client() -> Iterator["redis.Redis"]:
    with connect(settings.REDIS_URL) as opened:
        yield opened


def throttle(client: "redis.Redis", requests: int, reserve: int = 0) -> SharedThrottle:
    return SharedThrottle(client, "test", uuid.uuid4().hex, Limits(requests, reserve))


def broker(venue: VenueProcess, door: SharedThrottle, seconds: float = 10) -> AlpacaBroker:
    return AlpacaBroker(KEY, KEY, venue.url, total_timeout_seconds=seconds, throttle=door)


def make_request() -> OrderRequest:
    return OrderRequest(uuid.uuid4().hex, COIN, AssetClass.CRYPTO, Side.BUY, Decimal("0.01"), TimeInForce.GTC)


def posts(venue: VenueProcess, request: OrderRequest) -> int:
    return len(venue.requests(method="POST", client_order_id=request.client_order_id))


def test_orders_leave_when_reads_may_not(venue: VenueProcess, client: "redis.Redis") -> None:
    account = broker(venue, throttle(client, 6, reserve=4))
    account.clock()
    account.clock()

    with pytest.raises(UnavailableError, match="rate limit is used up"):
        account.clock()
    order = account.submit_order(make_request())
    assert account.order_by_client_order_id(order.client_order_id) is not None
    assert account.orders(open_only=False)
    with pytest.raises(RejectedError, match="HTTP 4"):
        account.cancel_order(str(uuid.uuid4()))


def test_order_without_a_slot_is_unavailable_and_provably_unsent(
    venue: VenueProcess, client: "redis.Redis"
) -> None:
    account, request = broker(venue, throttle(client, 1)), make_request()
    account.clock()
    began = monotonic()

    with pytest.raises(UnavailableError, match="rate limit is used up") as refused:
        account.submit_order(request)

    assert posts(venue, request) == 0
    assert refused.value.retry_after_seconds is not None
    assert refused.value.retry_after_seconds > 10
    assert monotonic() - began < 300


def test_waiting_for_a_slot_counts_in_an_orders_own_time(venue: VenueProcess, client: "redis.Redis") -> None:
    """A slot comes after 1.5 s; what is left of 4 s is for the request, and a hanging broker gets no more."""
    door = SharedThrottle(client, "test", uuid.uuid4().hex, Limits(1, window_seconds=1.5))
    account, request = broker(venue, door, seconds=4), make_request()
    broker(venue, door, seconds=60).clock()
    venue.fault(kind="hang", route="POST /v2/orders")
    began = monotonic()

    with pytest.raises(Exception, match=r"deadline|timed out"):
        account.submit_order(request)

    assert 3.9 < monotonic() - began < 300


def test_what_another_program_used_of_the_key_is_not_used_again(client: "redis.Redis") -> None:
    """The provider's Remaining is believed, so that nobody is answered 429."""
    with VenueProcess(is_forked=True, rate_limit=10, rate_window=3600) as venue:
        theirs = AlpacaStockData(KEY, KEY, venue.url, throttle=throttle(client, 0))
        for _ in range(7):
            theirs.quotes([STOCK])
        ours = AlpacaStockData(KEY, KEY, venue.url, throttle=throttle(client, 200))
        for _ in range(3):
            ours.quotes([STOCK])

        with pytest.raises(UnavailableError, match="nothing remains"):
            ours.quotes([STOCK])

        assert [entry["status"] for entry in venue.requests()] == [200] * 10


def test_retry_after_of_one_request_keeps_the_others_at_home(
    venue: VenueProcess, client: "redis.Redis"
) -> None:
    venue.fault(kind="rate_limit", retry_after=60, times=1)
    prices = AlpacaStockData(KEY, KEY, venue.url, throttle=throttle(client, 200))
    before = len(venue.requests())

    for _ in range(3):
        with pytest.raises(UnavailableError) as refused:
            prices.quotes([STOCK])
        assert refused.value.retry_after_seconds is not None
        assert 50 < refused.value.retry_after_seconds <= 60

    assert len(venue.requests()) == before + 1


def test_every_adapter_asks_its_throttle(venue: VenueProcess, client: "redis.Redis") -> None:
    full = [throttle(client, 1) for _ in range(3)]
    adapters = (
        AlpacaStockData(KEY, KEY, venue.url, throttle=full[0]),
        FinnhubData(KEY, f"{venue.url}/finnhub/api/v1", throttle=full[1]),
        CoinGeckoData(KEY, f"{venue.url}/coingecko/api/v3", throttle=full[2]),
    )

    for adapter, symbol in zip(adapters, (STOCK, STOCK, COIN), strict=True):
        adapter.quotes([symbol])
        with pytest.raises(UnavailableError, match="rate limit is used up"):
            adapter.quotes([symbol])


def test_breaker_opened_by_one_adapter_is_open_for_all_and_recovers(
    venue: VenueProcess, client: "redis.Redis"
) -> None:
    name = uuid.uuid4().hex
    limits = Limits(0, breaker_failures=2, breaker_seconds=5)
    here, there = (
        AlpacaStockData(KEY, KEY, venue.url, throttle=SharedThrottle(client, "test", name, limits))
        for _ in range(2)
    )
    fault = venue.fault(kind="error", status=500)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="HTTP 500"):
            here.quotes([STOCK])

    with pytest.raises(UnavailableError, match="breaker is open"):
        there.quotes([STOCK])
    venue.request("DELETE", f"/venue/faults/{fault}")

    def answers() -> bool:
        try:
            return STOCK in there.quotes([STOCK])
        except UnavailableError:
            return False

    wait_until(answers, what="the probe was answered")
    assert STOCK in here.quotes([STOCK])
