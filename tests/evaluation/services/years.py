"""Sessions of decisions with the prices around them, as trading leaves them in its tables; written in bulk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from uuid6 import uuid7

from ai.models import ModelCall
from risk.models import RiskCheck
from tests.factories import make_model_call
from trading.analysis.sealed_facts import sealed
from trading.market.exchange_calendar import session_closes
from trading.models import AIDecision, BarHistory, Cycle, DecisionRecord, Strategy

BUILTIN = "builtin/technical-v1"
COINS = ("BTC/USD", "ETH/USD", "SOL/USD", "ADA/USD", "DOT/USD", "XRP/USD")


def stocks(count: int) -> tuple[str, ...]:
    """Return so many names."""
    return tuple(f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(count))


@dataclass
class Market:
    """Daily closes of symbols over market sessions, and before them.

    Args:
        closes: days x symbols; decisions see those before their own day.
    """

    closes: pd.DataFrame
    closes_at: Mapping[date, datetime]
    split: dict[str, tuple[date, int]] = field(default_factory=dict)

    @property
    def days(self) -> list[date]:
        """The sessions."""
        return list(self.closes.index)

    def history(self, symbol: str, before: date) -> list[list[str]]:
        """Return the daily bars that were known on a day, as trading stores them: a split changes all of them."""
        day, ratio = self.split.get(symbol, (date.max, 1))
        rows = []
        for each, close in self.closes[symbol].items():
            if each < before and not np.isnan(close):
                price = str(Decimal(f"{close:.4f}") / (ratio if day <= before else 1))
                rows.append(
                    [datetime.combine(each, time(), UTC).isoformat(), price, price, price, price, "1000"]
                )
        return rows

    def price(self, symbol: str, day: date, moved: float) -> Decimal:
        """Return a price within a session: the close before it, moved by a ratio; in that day's units."""
        before = [each for each in self.days if each < day][-1]
        split_day, ratio = self.split.get(symbol, (date.max, 1))
        close = Decimal(f"{self.closes.loc[before, symbol]:.4f}") * Decimal(f"{1 + moved:.6f}")
        return (close / (ratio if day >= split_day else 1)).quantize(Decimal("0.00000001"))

    def tell(self, before: date) -> None:
        """Have trading's histories be those of a market day."""
        BarHistory.objects.all().delete()
        BarHistory.objects.bulk_create(
            BarHistory(
                symbol=symbol,
                market_date=before,
                bars=self.history(symbol, before),
                fetched_at=datetime.now(UTC),
            )
            for symbol in self.closes.columns
        )


def market(symbols: Sequence[str], first: date, sessions: int, *, seed: int = 1) -> Market:
    """Return a market of walks over so many sessions of the New York Stock Exchange."""
    listed = session_closes(first, first + timedelta(days=2 * sessions + 10))[:sessions]
    steps = np.random.default_rng(seed).normal(0.0004, 0.02, (sessions, len(symbols)))
    table = pd.DataFrame(
        100 * np.exp(np.cumsum(steps, axis=0)), index=[day for day, _ in listed], columns=list(symbols)
    )
    return Market(table.round(4), dict(listed))


@dataclass(frozen=True)
class Said:
    """One decision as it is to be: ``moved`` is its price against the close before."""

    symbol: str
    action: str
    confidence: str = "0.80"
    moved: float = 0.0
    allowed: bool | None = None
    reason: str = ""


def decide(
    world: Market,
    day: date,
    said: Sequence[Said],
    *,
    strategy: Strategy,
    model: str = BUILTIN,
    answered_model: str = "",
    prompt: str = "decisions-v2",
    hours_before_close: float = 5,
) -> Cycle:
    """Write one completed analysis: its record with the histories, call, checks and decisions."""
    at = world.closes_at[day] - timedelta(hours=hours_before_close)
    cycle = Cycle.objects.create(
        status="completed",
        stage="ended",
        trigger="test",
        mode="autonomous",
        symbols=[each.symbol for each in said],
        market_time=at,
        started_at=at,
        stage_at=at,
        deadline_at=at,
        ended_at=at + timedelta(seconds=5),
    )
    histories = {
        each.symbol: sealed({"kind": "bars", "symbol": each.symbol, "bars": world.history(each.symbol, day)})
        for each in said
    }
    record = sealed(
        {
            "format": 1,
            "cycle": str(cycle.pk),
            "prices": {symbol: {"bars": row.pk} for symbol, row in histories.items()},
        }
    )
    DecisionRecord.objects.bulk_create([*histories.values(), record], ignore_conflicts=True)
    call = make_model_call(
        cycle_id=cycle.pk, model=model, answered_model=answered_model, prompt_version=prompt
    )
    AIDecision.objects.bulk_create(_decisions(world, day, at, said, cycle, strategy, record, call))
    return cycle


def _decisions(
    world: Market,
    day: date,
    at: datetime,
    said: Sequence[Said],
    cycle: Cycle,
    strategy: Strategy,
    record: DecisionRecord,
    call: ModelCall,
) -> list[AIDecision]:
    rows, checks = [], []
    for each in said:
        check = None
        if each.allowed is not None:
            check = RiskCheck(
                id=uuid7(),
                cycle_id=cycle.pk,
                decision_id=uuid7(),
                symbol=each.symbol,
                allowed=each.allowed,
                reason="" if each.allowed else each.reason or "low_confidence",
                quantity=Decimal(1),
                reducing=False,
                notional=Decimal(100),
                figures={},
            )
            checks.append(check)
        rows.append(
            AIDecision(
                cycle=cycle,
                strategy=strategy,
                strategy_version=1,
                record=record,
                symbol=each.symbol,
                action=each.action,
                confidence=Decimal(each.confidence),
                model=call.model,
                model_call=call,
                risk_check=check,
                price=world.price(each.symbol, day, each.moved),
                as_of=at,
                created_at=at,
                **_ending(each),
            )
        )
    RiskCheck.objects.bulk_create(checks)
    return rows


def _ending(said: Said) -> dict[str, Any]:
    if said.action == "hold":
        return {"status": "held", "reason": said.reason or "hold"}
    if said.allowed:
        return {"status": "executed"}
    return {"status": "denied", "reason": said.reason or "low_confidence"}
