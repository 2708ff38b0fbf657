"""Fifteen buys at a broker of 200 requests a minute: one request each, and a few beside them."""

import time
from collections import Counter
from decimal import Decimal

import pytest
from django.db import transaction

from risk.models import RiskLimits
from tests.e2e.system import System, manage
from tests.e2e.truth import assert_books_agree, wait_for_end, wait_for_rest
from tests.factories import make_strategy
from tests.trading.scenes import open_cycle, wish
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading import tasks
from trading.models import Asset, Event, Heartbeat, Trade

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
BUYS, BESIDE_THEM = 15, 12
# Without the stream's word all are asked about so often: a busy machine is slower than that.
SECONDS_A_LOOK = 3
QUIET_SECONDS = 2.0


@pytest.fixture
def rate_limit() -> int:
    return 200


def wait_for_the_first_looks(market: VenueProcess) -> None:
    """Wait until listener and sweeper have read what each reads as it begins, and nobody asks any more."""
    begun = Heartbeat.objects.filter(process__in=("listener", "sweeper"))
    wait_until(lambda: begun.count() == 2, what="the signs of listener and sweeper")
    wait_until(lambda: market.state_report()["stream_listeners"], what="the listener at the stream")
    asked, since = 0, time.monotonic()

    def is_quiet() -> bool:
        nonlocal asked, since
        if (now := len(market.requests())) != asked:
            asked, since = now, time.monotonic()
        return time.monotonic() - since > QUIET_SECONDS

    wait_until(is_quiet, what="nobody asks the venue")


def test_fifteen_buys_take_one_request_each(system: System, market: VenueProcess) -> None:
    assert RiskLimits.objects.first() is not None
    stocks = Asset.objects.filter(asset_class="stock", fractionable=True).order_by("-dollar_volume")[:BUYS]
    wait_for_the_first_looks(market)
    before = len(market.requests())
    with transaction.atomic():  # the sweeper finds the decisions together with their cycle
        cycle = open_cycle(symbols=[asset.symbol for asset in stocks])
        strategy = make_strategy(size_percent=Decimal(2), allows_fractions=False)
        for asset in stocks:
            wish(asset.symbol, cycle=cycle, strategy=strategy, confidence=Decimal("0.9"))

    tasks.execute_batch.delay(str(cycle.pk))

    wait_for_end(cycle)
    wait_for_rest()
    assert Trade.objects.count() == BUYS
    asked = [r for r in market.requests()[before:] if r["path"].startswith("/v2/")]
    asked = [r for r in asked if not r["path"].startswith(("/v2/stocks", "/v2/assets"))]
    kinds = Counter(f"{r['method']} {r['path']}" for r in asked)
    assert kinds["POST /v2/orders"] == BUYS, kinds
    assert cycle.ended_at is not None
    looks = 2 * (cycle.ended_at - cycle.started_at).total_seconds() / SECONDS_A_LOOK
    assert len(asked) <= BUYS + BESIDE_THEM + looks, kinds
    assert not Event.objects.filter(type="cycle.pause").exists()
    assert manage("reconcile").returncode == 0
    assert_books_agree(market)
