"""The asset master follows the broker's list; what is no longer listed stays, untradable."""

from decimal import Decimal

import pytest

from connectors.errors import ConnectorError
from tests.factories import make_asset
from tests.trading.outside import COIN, STOCK, WHOLE_STOCK, Outside
from trading.market.assets import refresh_assets
from trading.models import Asset, SetAsideRow


def test_every_listed_asset_is_stored_with_its_sizes_and_volume(account: Outside) -> None:
    counts = refresh_assets()

    assert counts == {"stock": 150, "crypto": 20}
    stock, coin = Asset.objects.get(pk=STOCK), Asset.objects.get(pk=COIN)
    assert (stock.asset_class, stock.tradable, stock.fractionable) == ("stock", True, True)
    assert not Asset.objects.get(pk=WHOLE_STOCK).fractionable
    assert (coin.asset_class, coin.min_trade_increment) == ("crypto", Decimal("0.000000001"))
    assert coin.min_order_size is not None
    assert stock.dollar_volume is not None
    assert stock.dollar_volume > 1_000_000


def test_asset_no_longer_listed_stays_as_not_tradable(account: Outside) -> None:
    make_asset("GONE", dollar_volume=Decimal(5))

    refresh_assets()

    gone = Asset.objects.get(pk="GONE")
    assert (gone.tradable, gone.dollar_volume) == (False, 5)


def test_asset_listed_again_is_tradable_again(account: Outside) -> None:
    make_asset(STOCK, tradable=False)

    refresh_assets()

    assert Asset.objects.get(pk=STOCK).tradable


@pytest.mark.parametrize("path", ["/v2/assets", "/v2/clock"])
def test_list_that_cannot_be_read_changes_nothing(account: Outside, path: str) -> None:
    make_asset("GONE")
    account.venue.fault(kind="error", route=f"GET {path}")

    with pytest.raises(ConnectorError):
        refresh_assets()

    assert Asset.objects.get().tradable


def test_volume_that_cannot_be_read_keeps_the_one_before(account: Outside) -> None:
    make_asset(STOCK, dollar_volume=Decimal(5))
    account.venue.fault(kind="error", route="GET /v2/stocks/bars")

    refresh_assets()

    assert Asset.objects.get(pk=STOCK).dollar_volume == 5
    coin = Asset.objects.get(pk=COIN)
    assert coin.dollar_volume is not None


@pytest.mark.parametrize("field", ["exchange", "fractionable", "tradable", "name"])
def test_row_that_cannot_be_read_leaves_its_asset_as_it_was_and_is_noted(
    account: Outside, field: str
) -> None:
    make_asset(STOCK, dollar_volume=Decimal(5))
    make_asset("GONE")
    account.venue.fault(kind="alter", route="GET /v2/assets", rows=[STOCK], body={field: 7})

    counts = refresh_assets()

    assert counts == {"stock": 149, "crypto": 20}
    assert Asset.objects.get(pk=STOCK).tradable
    assert not Asset.objects.get(pk="GONE").tradable
    assert [str(row) for row in SetAsideRow.objects.all()] == [f"{STOCK}: {field} is 7"]


def test_row_without_a_symbol_is_no_proof_that_an_asset_is_gone(account: Outside) -> None:
    make_asset("GONE")
    account.venue.fault(kind="alter", route="GET /v2/assets", rows=[STOCK], body={"symbol": None})

    refresh_assets()

    assert Asset.objects.get(pk="GONE").tradable
    assert Asset.objects.count() == 170
    assert [row.field for row in SetAsideRow.objects.all()] == ["symbol"]


def test_listing_of_which_most_rows_are_odd_changes_nothing(account: Outside) -> None:
    make_asset("GONE")
    account.venue.fault(kind="alter", route="GET /v2/assets", body={"exchange": ""})

    with pytest.raises(ConnectorError, match="170 of 170 rows cannot be read"):
        refresh_assets()

    assert Asset.objects.get().tradable
