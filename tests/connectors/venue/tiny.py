"""Tiny data folders in the shapes the venue reads."""

import gzip
from collections.abc import Sequence
from pathlib import Path

SESSIONS = ("2020-10-12", "2020-10-13", "2020-10-14", "2020-10-15", "2020-10-16", "2020-10-19")
STOCK_HEADER = "symbol,date,open,high,low,close,adj_close,volume,dividend,split"
COIN_HEADER = "symbol,timestamp,open,high,low,close,volume"


def write_csv(folder: Path, name: str, header: str, rows: Sequence[str]) -> Path:
    """Write a file, compressed where its name ends in .gz."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    text = "\n".join([header, *rows]) + "\n"
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def tiny_world(folder: Path) -> Path:
    """Two stocks over six sessions and a coin over nine days, with minutes for one of them."""
    stocks = []
    for number, day in enumerate(SESSIONS):
        for symbol, base in (("AAA", 100 + number), ("BBB", 20 + number)):
            stocks.append(f"{symbol},{day},{base},{base + 2},{base - 2},{base + 1},{base + 1},1000000,0,1")
    write_csv(folder, "s.csv", STOCK_HEADER, stocks)
    days = [f"2020-10-{day:02d}" for day in range(11, 20)]
    coins = [
        f"BTC/USD,{day},{10_000 + i},{10_200 + i},{9_900 + i},{10_100 + i},101000000"
        for i, day in enumerate(days)
    ]
    write_csv(folder, "c.csv.gz", COIN_HEADER, coins)
    minutes = []
    for m in (*range(10), *range(20, 120)):
        prices = f"{10_000 + m},{10_003 + m},{9_998 + m},{10_001 + m}"
        minutes.append(f"BTC/USD,2020-10-16 {14 + m // 60:02d}:{m % 60:02d}:00,{prices},20000")
    write_csv(folder, "m.csv", COIN_HEADER, minutes)
    return folder
