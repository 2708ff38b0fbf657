"""The table of docs/market-data.md, row by row: which prices come from where under each fault."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.alpaca.market_data import AlpacaCryptoData, AlpacaStockData
from connectors.coingecko.client import CoinGeckoData
from connectors.finnhub.client import FinnhubData
from tests.factories import make_cycle
from tests.paths import ROOT
from tests.trading.outside import COIN, STOCK, Outside
from trading.analysis.price_gaps import gaps_of
from trading.core import providers
from trading.core.settings import set_runtime_setting
from trading.cycle import fetching
from trading.models import Cycle, MarketSnapshot

DOCUMENT = ROOT / "docs" / "market-data.md"
HEAD = "| fault | struck | stock | coin |"
AFTER_A_CYCLE = ", a cycle ran a moment ago"
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "latency 0.3 s": {"kind": "latency", "seconds": 0.3},
    "429, Retry-After 60 s": {"kind": "rate_limit", "retry_after": 60},
    "500": {"kind": "error", "status": 500},
    "reset": {"kind": "reset_before"},
    "hang": {"kind": "hang"},
    "drip": {"kind": "drip", "seconds": 0.2},
    "truncated body": {"kind": "truncate"},
    "stale price": {"kind": "stale_price", "seconds": 600},
    "missing symbol": {"kind": "missing_symbol"},
    "zero price": {"kind": "zero_price"},
}
ALPACA = ("GET /v2/stocks/*", "GET /v1beta3/crypto/*")
SECOND = ("*finnhub*", "*coingecko*")
STRUCK = {"none": (), "Alpaca": ALPACA, "Finnhub, CoinGecko": SECOND, "all": ALPACA + SECOND}


def rows() -> list[list[str]]:
    """Read the document's table."""
    text = DOCUMENT.read_text()
    lines = text[text.index(HEAD) :].splitlines()[2:]
    table = lines[: next(number for number, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in re.split(r"\s*\|\s*", line.strip("| "))] for line in table]


@pytest.fixture
def impatient(account: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same proportions in a third of the time: a request 1 s, a fetch 4 s."""
    providers._build.cache_clear()
    for adapter in (AlpacaStockData, AlpacaCryptoData, FinnhubData, CoinGeckoData):
        defaults = adapter.__init__.__kwdefaults__
        monkeypatch.setitem(defaults, "total_timeout_seconds", 1)
    set_runtime_setting(name="fetch_timeout", value="4", actor="test")


@pytest.fixture
def built_again() -> Iterator[None]:
    """Leave no impatient adapters to the tests behind."""
    yield
    providers._build.cache_clear()


def test_every_fault_is_in_the_table_for_every_provider() -> None:
    told = {(fault, struck) for fault, struck, *_ in rows()}

    wanted = {
        (fault, struck) for fault in FAULTS for struck in STRUCK if (fault == "none") == (struck == "none")
    }
    assert wanted <= told


@pytest.mark.usefixtures("built_again", "impatient")
@pytest.mark.parametrize(
    ("fault", "struck", "stock", "coin"), rows(), ids=lambda cell: cell.replace(" ", "_")
)
def test_prices_come_from_where_the_document_says(
    account: Outside, fault: str, struck: str, stock: str, coin: str
) -> None:
    """docs/lessons.md#lesson-7, #lesson-13, #lesson-18."""
    if fault == "zero price":  # in a session's first minute there is no minute bar yet to stand in
        account.venue.clock(to="open")
        account.venue.clock(advance=600)
    if struck.endswith(AFTER_A_CYCLE):
        fetch(make_cycle(status="completed", symbols=[STOCK, COIN]))
    for route in STRUCK[struck.removesuffix(AFTER_A_CYCLE)]:
        account.venue.fault(**FAULTS[fault], route=route)
    cycle = make_cycle(status="running", symbols=[STOCK, COIN])

    fetch(cycle)

    assert (outcome(cycle, STOCK), outcome(cycle, COIN)) == (stock, coin)
    assert not MarketSnapshot.objects.filter(cycle=cycle, price__lte=0).exists()


def fetch(cycle: Cycle) -> None:
    fetching.fetch_stocks(cycle.pk, [STOCK], batch_count=1)
    fetching.fetch_coins(cycle.pk, [COIN])


def outcome(cycle: Cycle, symbol: str) -> str:
    """Return what the table says of a symbol: its source, with the second one, or the reason for none."""
    snapshot = MarketSnapshot.objects.filter(cycle=cycle, symbol=symbol).first()
    if snapshot is None:
        return gaps_of(cycle.pk)[symbol].reason
    second = "" if snapshot.source.startswith("cached") else snapshot.second_source
    return f"{snapshot.source} + {second}" if second else snapshot.source
