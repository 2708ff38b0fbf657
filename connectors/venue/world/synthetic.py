"""A seeded synthetic market: invented companies, well-known coins, regimes, momentum.

It covers 2018 to 2022, whatever the start: the world depends on the seed alone.
"""

from datetime import date

import numpy as np

from connectors.venue import seeded
from connectors.venue.world.coins import COINS
from connectors.venue.world.model import Floats, Instrument, Ints, Series, World, epoch_day

FIRST_DAY = epoch_day(date(2018, 1, 1))
LAST_DAY = epoch_day(date(2022, 12, 30))
STOCKS = 150
COIN_TICKERS = (
    "BTC",
    "ETH",
    "SOL",
    "ADA",
    "XRP",
    "DOGE",
    "LTC",
    "BCH",
    "LINK",
    "AVAX",
    "DOT",
    "UNI",
    "AAVE",
    "XLM",
    "TRX",
    "ATOM",
    "ALGO",
    "FIL",
    "XTZ",
    "ETC",
)
_HEADS = (
    "Alder",
    "Brim",
    "Corvane",
    "Dunmere",
    "Elstow",
    "Farrow",
    "Glasden",
    "Harrowby",
    "Ilex",
    "Jasperine",
    "Kestrow",
    "Larkmoor",
    "Merrow",
    "Norvane",
    "Ostley",
    "Pellham",
    "Quillon",
    "Rookdale",
    "Selwick",
    "Tarnow",
    "Umberly",
    "Vantry",
    "Wexmoor",
    "Yarrowby",
    "Zelkova",
)
_TAILS = (("Systems", 1), ("Energy", 2), ("Foods", 3), ("Health", 4), ("Capital", 5), ("Logistics", 6))
_COIN_PRICES = {"BTC": 9000.0, "ETH": 420.0, "DOGE": 0.004, "XRP": 0.5, "TRX": 0.04, "XLM": 0.2, "ADA": 0.3}
_HOLIDAYS = {(1, 1), (7, 4), (12, 25)}


def synthetic_world(seed: int) -> World:
    """Make the synthetic world of ``seed``."""
    instruments: dict[str, Instrument] = {}
    daily: dict[str, Series] = {}
    all_days = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int64)
    sessions = _session_days(all_days)
    companies = _companies(seed)
    factors = _Factors(seed, "stock", len(sessions), daily_volatility=0.009)
    for instrument, sector in companies:
        instruments[instrument.symbol] = instrument
        daily[instrument.symbol] = _stock_series(seed, instrument.symbol, sector, sessions, factors)
    coin_factors = _Factors(seed, "coin", len(all_days), daily_volatility=0.026)
    for ticker in COIN_TICKERS:
        symbol = f"{ticker}/USD"
        instruments[symbol] = Instrument(symbol, f"{COINS[ticker][1]} / US Dollar", "CRYPTO")
        daily[symbol] = _coin_series(seed, ticker, all_days, coin_factors)
    return World(
        kind="synthetic",
        name=f"synthetic:{seed}",
        seed=seed,
        instruments=instruments,
        daily=daily,
        minute={},
        session_days=sessions,
        has_stocks=True,
        first_day=FIRST_DAY,
        last_day=LAST_DAY,
    )


class _Factors:
    """The market's daily log returns, in regimes of weeks to months, and those of six sectors."""

    def __init__(self, seed: int, name: str, days: int, daily_volatility: float) -> None:
        chance = seeded.generator(seed, "factors", name)
        drift, volatility = np.empty(days), np.empty(days)
        day = 0
        while day < days:
            length = int(chance.integers(25, 140))
            calm = chance.random() < 0.7
            drift[day : day + length] = 0.0009 if calm else -0.0013
            volatility[day : day + length] = daily_volatility * (0.8 if calm else 1.7)
            day += length
        self.market = drift + volatility * chance.normal(0.0, 1.0, days)
        self.sectors = [_momentum(chance.normal(0.0, daily_volatility * 0.5, days), 0.12) for _ in range(7)]


def _momentum(shocks: Floats, persistence: float) -> Floats:
    """Let each return carry a share of the one before."""
    returns = shocks.copy()
    for day in range(1, len(returns)):
        returns[day] += persistence * returns[day - 1]
    return returns


def _session_days(days: Ints) -> Ints:
    dates = days.astype("datetime64[D]").astype(object)
    working = [d.weekday() < 5 and (d.month, d.day) not in _HOLIDAYS for d in dates]
    return np.asarray(days[np.array(working)], dtype=np.int64)


def _companies(seed: int) -> list[tuple[Instrument, int]]:
    companies: list[tuple[Instrument, int]] = []
    for number, head in enumerate(_HEADS):
        for tail, sector in _TAILS:
            # Four letters that end in Q or Z: hardly ever the ticker of a listed company.
            symbol = f"{head[:2].upper()}{tail[0]}{'QZ'[number % 2]}"
            exchange = "NASDAQ" if seeded.unit(seed, "exchange", symbol) < 0.6 else "NYSE"
            fractionable = seeded.unit(seed, "whole", symbol) >= 0.04
            companies.append((Instrument(symbol, f"{head} {tail} Inc.", exchange, fractionable), sector))
    return companies[:STOCKS]


def _stock_series(seed: int, symbol: str, sector: int, days: Ints, factors: _Factors) -> Series:
    chance = seeded.generator(seed, "stock", symbol)
    volatility = float(chance.uniform(0.008, 0.024))
    own = _momentum(chance.normal(0.0001, volatility, len(days)), float(chance.uniform(-0.08, 0.16)))
    returns = float(chance.uniform(0.6, 1.4)) * factors.market + factors.sectors[sector] + own
    first = float(np.exp(chance.uniform(np.log(12.0), np.log(320.0))))
    turnover = float(np.exp(chance.uniform(np.log(8e6), np.log(2e9))))
    return _bars(chance, days, returns, first, turnover, volatility, gap=0.35)


def _coin_series(seed: int, ticker: str, days: Ints, factors: _Factors) -> Series:
    chance = seeded.generator(seed, "coin", ticker)
    volatility = float(chance.uniform(0.012, 0.035))
    own = _momentum(chance.normal(0.0, volatility, len(days)), 0.08)
    returns = float(chance.uniform(0.8, 1.3)) * factors.market + own
    first = _COIN_PRICES.get(ticker, float(np.exp(chance.uniform(np.log(1.0), np.log(150.0)))))
    turnover = float(np.exp(chance.uniform(np.log(5e7), np.log(4e9))))
    return _bars(chance, days, returns, first, turnover, volatility, gap=0.0)


def _bars(
    chance: np.random.Generator,
    days: Ints,
    returns: Floats,
    first: float,
    turnover: float,
    volatility: float,
    gap: float,
) -> Series:
    """Turn log returns into OHLCV; ``gap`` is the share of the day's return made before the open."""
    close = first * np.exp(np.clip(returns, -0.25, 0.25).cumsum())
    before = np.concatenate(([first], close[:-1]))
    opened = before * (close / before) ** gap
    reach = np.abs(chance.normal(0.0, volatility * 0.6, (2, len(days))))
    high = np.maximum(opened, close) * (1.0 + reach[0])
    low = np.minimum(opened, close) * (1.0 - np.minimum(reach[1], 0.2))
    busy = np.exp(chance.normal(0.0, 0.3, len(days)) + 8.0 * np.abs(returns))
    return Series(days, opened, high, low, close, turnover * busy / close)
