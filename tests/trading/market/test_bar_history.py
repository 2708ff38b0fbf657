"""A history is brought up to date by the days that are missing, and fetched whole where what is stored changed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.base import Bar, Quote
from connectors.errors import UnavailableError
from connectors.rows import BySymbol, UnreadableRow
from tests.trading.outside import COIN, STOCK, Outside
from trading.core.providers import current_providers
from trading.core.settings import set_runtime_setting
from trading.execution.portfolio import sync_portfolio
from trading.market.bar_history import HISTORY_DAYS, RECENT_DAYS, bars_up_to_now
from trading.models import BarHistory

SPLIT_DAY = date(2020, 8, 31)  # Apple's, four for one


def at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def bar(day: date, close: str, **changes: Any) -> Bar:
    price = Decimal(close)
    return replace(Bar(at(day), price, price, price, price, Decimal(100)), **changes)


class Source:
    """A provider of daily bars that is told what it knows, and notes what it is asked."""

    def __init__(self, bars: dict[str, list[Bar]]) -> None:
        self.bars = bars
        self.asked: list[tuple[list[str], date, date]] = []
        self.sent: dict[str, int] = {}
        self.odd: tuple[UnreadableRow, ...] = ()

    def daily_bars(self, symbols: Sequence[str], *, start: date, end: date) -> BySymbol[list[Bar]]:
        self.asked.append((list(symbols), start, end))
        told = {s: [b for b in self.bars.get(s, ()) if start <= b.opened_at.date() <= end] for s in symbols}
        self.sent = {s: self.sent.get(s, 0) + len(bars) for s, bars in told.items()}
        odd, self.odd = self.odd, ()
        return BySymbol({s: bars for s, bars in told.items() if bars}, odd)

    def days_asked(self) -> list[int]:
        return [(end - start).days + 1 for _, start, end in self.asked]


def sessions(until: date, count: int = 60) -> list[date]:
    days = [until - timedelta(days=n) for n in range(2 * count)]
    return sorted([day for day in days if day.weekday() < 5][:count])


def quotes(day: date, *symbols: str, price: str = "100") -> dict[str, Quote]:
    moment = at(day) + timedelta(hours=15)
    return {symbol: Quote(symbol, Decimal(price), moment, "test") for symbol in symbols}


def told(source: Source, day: date, *symbols: str) -> dict[str, list[Bar]]:
    source.asked, source.sent = [], {}
    return bars_up_to_now(source, quotes(day, *symbols), 60)


@pytest.fixture(autouse=True)
def one_attempt(db: None) -> None:
    set_runtime_setting(name="read_attempts", value="1", actor="test")


def test_new_day_asks_for_six_days_and_the_next_cycle_for_none() -> None:
    days = sessions(date(2020, 10, 16))
    source = Source({"AAPL": [bar(day, "100") for day in days], COIN: [bar(day, "7") for day in days]})
    first = told(source, days[-2], "AAPL", COIN)
    assert source.days_asked() == [HISTORY_DAYS + 1]

    second = told(source, days[-1], "AAPL", COIN)

    assert source.days_asked() == [RECENT_DAYS]
    assert max(source.sent.values()) <= 6
    for symbol in ("AAPL", COIN):
        assert [b.opened_at.date() for b in first[symbol]] == days[:-1]
        assert [b.opened_at.date() for b in second[symbol]] == days
    told(source, days[-1], "AAPL", COIN)
    assert source.asked == []


def test_what_is_appended_is_what_a_whole_fetch_would_tell() -> None:
    """The oldest day leaves as the newest comes, and a volume that was mended is taken over."""
    days = [date(2020, 10, 16) - timedelta(days=n) for n in range(HISTORY_DAYS + 3)][::-1]
    source = Source({COIN: [bar(day, str(100 + n)) for n, day in enumerate(days)]})
    told(source, days[-2], COIN)
    source.bars[COIN][-3] = replace(source.bars[COIN][-3], volume=Decimal(7))

    told(source, days[-1], COIN)
    appended = BarHistory.objects.get().bars
    BarHistory.objects.all().delete()
    told(source, days[-1], COIN)

    assert source.days_asked() == [HISTORY_DAYS + 1]
    assert BarHistory.objects.get().bars == appended
    assert len(appended) == HISTORY_DAYS


def test_split_has_the_history_fetched_whole() -> None:
    """All prices before it are told in other units from that morning on; who had none is carried on."""
    days = sessions(SPLIT_DAY)
    source = Source({name: [bar(day, "499.23") for day in days] for name in ("AAPL", "MSFT")})
    told(source, days[-2], "AAPL", "MSFT")
    source.bars["AAPL"] = [bar(day, "124.8075") for day in days[:-1]] + [bar(SPLIT_DAY, "129.04")]

    bars = told(source, SPLIT_DAY, "AAPL", "MSFT")

    assert [(names, (end - start).days + 1) for names, start, end in source.asked] == [
        (["AAPL", "MSFT"], RECENT_DAYS),
        (["AAPL"], HISTORY_DAYS + 1),
    ]
    assert {b.close for b in bars["AAPL"][:-1]} == {Decimal("124.8075")}
    assert {b.close for b in bars["MSFT"][:-1]} == {Decimal("499.23")}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda bars: bars.pop(-2), id="a day that is no more"),
        pytest.param(lambda bars: bars.insert(-2, bar(date(2020, 10, 14), "9")), id="a day that was missing"),
        pytest.param(lambda bars: bars.clear(), id="nothing is told"),
    ],
)
def test_days_that_do_not_agree_have_the_history_fetched_whole(change: Any) -> None:
    days = [day for day in sessions(date(2020, 10, 16)) if day != date(2020, 10, 14)]
    source = Source({"AAPL": [bar(day, "100") for day in days]})
    told(source, days[-1], "AAPL")
    change(source.bars["AAPL"])

    told(source, date(2020, 10, 17), "AAPL")

    assert source.days_asked() == [RECENT_DAYS, HISTORY_DAYS + 1]


@pytest.mark.parametrize(
    "stored_for",
    [
        pytest.param(date(2020, 10, 9), id="a week ago"),
        pytest.param(date(2020, 10, 19), id="a day to come: a replay that began anew"),
    ],
)
def test_history_that_the_recent_days_do_not_reach_is_fetched_whole(stored_for: date) -> None:
    days = sessions(date(2020, 10, 19))
    source = Source({"AAPL": [bar(day, "100") for day in days]})
    told(source, stored_for, "AAPL")

    told(source, date(2020, 10, 16), "AAPL")

    assert source.days_asked() == [HISTORY_DAYS + 1]
    assert BarHistory.objects.get().bars[-1][0] == at(date(2020, 10, 15)).isoformat()


def test_recent_days_that_cannot_be_read_are_asked_for_with_all_others() -> None:
    days = sessions(date(2020, 10, 16))
    source = Source({"AAPL": [bar(day, "100") for day in days]})
    told(source, days[-2], "AAPL")
    source.odd = (UnreadableRow("c", "odd", symbol="AAPL"),)

    told(source, days[-1], "AAPL")

    assert source.days_asked() == [RECENT_DAYS, HISTORY_DAYS + 1]


def test_what_was_told_before_the_provider_failed_is_kept() -> None:
    days = sessions(date(2020, 10, 16))
    source = Source({name: [bar(day, "100") for day in days] for name in ("AAPL", "MSFT")})
    told(source, days[-2], "AAPL")

    class Failing(Source):
        def daily_bars(self, symbols: Sequence[str], *, start: date, end: date) -> BySymbol[list[Bar]]:
            if "MSFT" in symbols:
                raise UnavailableError("test", "bars", "away")
            return super().daily_bars(symbols, start=start, end=end)

    failing = Failing(source.bars)
    with pytest.raises(UnavailableError, match="away"):
        told(failing, days[-1], "AAPL", "MSFT")

    assert BarHistory.objects.get().market_date == days[-1]


def test_venues_new_day_is_appended(account: Outside) -> None:
    """Over the wire: the second day's request names its few days, and the history is what a whole one would be."""
    providers = current_providers()

    def up_to_now() -> list[Bar]:
        sync_portfolio(None)
        return bars_up_to_now(
            providers.stock_bars, dict(providers.stock_quotes[0].quotes([STOCK])), within_seconds=60
        )[STOCK]

    up_to_now()
    account.venue.clock(to="close")
    account.venue.clock(to="open")
    account.venue.clock(advance=60)
    appended = up_to_now()
    BarHistory.objects.all().delete()

    assert up_to_now() == appended
    asked = [r for r in account.requests() if r["path"] == "/v2/stocks/bars"]
    assert len(asked) == 3
