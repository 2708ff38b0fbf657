"""The asset master: what the broker lists, with the dollar volume of the last full day."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import TypeVar

from django.db.models import Q
from django.utils import timezone

from connectors.base import Asset as BrokerAsset
from connectors.base import AssetClass, BarSource
from connectors.errors import ConnectorError
from connectors.rows import UnreadableRow, unreadable_of
from connectors.wire import LARGEST_VOLUME
from trading.core import set_aside
from trading.core.providers import current_providers
from trading.core.repeated_reads import read_repeatedly
from trading.core.set_aside import Listing
from trading.core.waits import is_to_come
from trading.models import Asset

T = TypeVar("T")
VOLUME_BATCH = 200
VOLUME_WINDOW = timedelta(days=7)
WITHIN_SECONDS = 60.0  # all reads of a refresh, with their repeats: maintenance has 110


def refresh_assets() -> dict[str, int]:
    """Replace the asset master by the broker's list; return how many of each class.

    An asset the broker no longer lists stays, as not tradable; one whose row cannot be understood stays as it was.
    Dollar volumes are kept where the provider gives none.

    Raises:
        ConnectorError: the broker's list could not be read; nothing was changed.
    """
    gives_up_at = monotonic() + WITHIN_SECONDS

    def read(call: Callable[[], T]) -> T:
        return read_repeatedly(lambda _: call(), within_seconds=max(gives_up_at - monotonic(), 0.0))

    providers = current_providers()
    listed = read(providers.broker.assets)
    today = read(providers.broker.clock).now.date()
    volumes: dict[str, Decimal] = {}
    odd: list[UnreadableRow] = []
    for asset_class, source in (
        (AssetClass.STOCK, providers.stock_bars),
        (AssetClass.CRYPTO, providers.coin_bars),
    ):
        symbols = [a.symbol for a in listed if a.asset_class is asset_class and a.tradable]
        for start in range(0, len(symbols), VOLUME_BATCH):
            batch = symbols[start : start + VOLUME_BATCH]
            with suppress(ConnectorError):  # what cannot be read is missing
                volumes |= read(partial(_dollar_volumes, source, batch, today, odd))
    _store(listed, volumes, unreadable_of(listed))
    now = timezone.now()
    set_aside.note(Listing.ASSETS, unreadable_of(listed), at=now)
    set_aside.note(Listing.VOLUMES, odd, at=now)
    return {c: sum(a.asset_class is c for a in listed) for c in AssetClass}


def _dollar_volumes(
    source: BarSource, symbols: list[str], today: date, odd: list[UnreadableRow]
) -> dict[str, Decimal]:
    """Close times volume of the last bar before today.

    Args:
        odd: bars that could not be understood are added here.
    """
    bars = source.daily_bars(symbols, start=today - VOLUME_WINDOW, end=today - timedelta(days=1))
    odd += unreadable_of(bars)
    volumes = {symbol: rows[-1].close * rows[-1].volume for symbol, rows in bars.items() if rows}
    return {symbol: volume for symbol, volume in volumes.items() if volume <= LARGEST_VOLUME}


def _store(
    listed: list[BrokerAsset], volumes: dict[str, Decimal], unreadable: Sequence[UnreadableRow]
) -> None:
    now = timezone.now()
    rows = [
        Asset(
            symbol=a.symbol,
            name=a.name[:200],
            asset_class=a.asset_class,
            exchange=a.exchange,
            tradable=a.tradable,
            fractionable=a.fractionable,
            min_order_size=a.min_order_size,
            min_trade_increment=a.min_trade_increment,
            dollar_volume=volumes.get(a.symbol),
            refreshed_at=now,
        )
        for a in listed
    ]
    fields = [
        "name",
        "exchange",
        "tradable",
        "fractionable",
        "min_order_size",
        "min_trade_increment",
        "refreshed_at",
    ]
    Asset.objects.bulk_create(rows, update_conflicts=True, unique_fields=["symbol"], update_fields=fields)
    known = [row for row in rows if row.dollar_volume is not None]
    Asset.objects.bulk_update(known, ["dollar_volume"], batch_size=500)
    if any(not row.symbol for row in unreadable):  # it may be any of those that seem to be gone
        return
    # Not those of a list read at the same time; but those of a time to come, before a clock stepped back.
    gone = Asset.objects.filter(Q(refreshed_at__lt=now) | is_to_come("refreshed_at", now))
    gone.exclude(symbol__in=[row.symbol for row in unreadable]).update(tradable=False)
