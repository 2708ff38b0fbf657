"""A market of many symbols as files, for the venue to replay: the synthetic one has 150 stocks."""

import datetime
import math
import random
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase

COINS = (
    *("AAVE", "AVAX", "BAT", "BCH", "BTC", "CRV", "DOGE", "DOT", "ETH", "GRT"),
    *("LINK", "LTC", "MKR", "SHIB", "SUSHI", "UNI", "USDC", "USDT", "XTZ", "YFI"),
)
LAST_DAY = datetime.date(2024, 6, 28)
DAYS = 190  # of the calendar, a hundred and thirty sessions


def write(folder: Path, *, symbols: int) -> Path:
    """Write daily bars of so many symbols, 20 coins among them, into ``folder``; return it."""
    chance = random.Random(7)
    days = [LAST_DAY - datetime.timedelta(days=age) for age in range(DAYS, -1, -1)]
    names = ["".join(letters) for letters in islice(product(ascii_uppercase, repeat=4), symbols - len(COINS))]
    stocks = ["symbol,date,open,high,low,close,adj_close,volume,dividend,split"]
    for name in names:
        for day, price in zip(days, _prices(chance, len(days)), strict=True):
            if day.weekday() < 5:
                stocks.append(
                    f"{name},{day},{price},{price * 1.01:.4f},{price * 0.99:.4f},{price},{price},900000,0,1"
                )
    coins = ["symbol,timestamp,open,high,low,close,volume"]
    for coin in COINS:
        for day, price in zip(days, _prices(chance, len(days)), strict=True):
            figures = f"{price},{price * 1.01:.4f},{price * 0.99:.4f},{price}"
            coins.append(f"{coin}/USD,{day}T00:00:00Z,{figures},5000000")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stocks.csv").write_text("\n".join(stocks) + "\n")
    (folder / "coins.csv").write_text("\n".join(coins) + "\n")
    return folder


def _prices(chance: random.Random, count: int) -> list[float]:
    """Return a price a day, each within a few percent of the one before."""
    level = math.log(chance.uniform(20, 400))
    found = []
    for _ in range(count):
        level += chance.gauss(0, 0.01)
        found.append(round(math.exp(level), 4))
    return found
