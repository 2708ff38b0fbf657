"""Smallest valid questions and facts, to be overridden where a test cares."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from ai.domain.indicators import Indicators
from ai.domain.types import (
    AnalysisQuestion,
    HeadlineFact,
    HoldingFacts,
    PortfolioFacts,
    ProtectionFacts,
    SymbolFacts,
    ThesisFacts,
    VerdictFacts,
)
from ai.models import ModelCall
from ai.services import AnalysisResult, AnalysisSettings, Assignment, analyse_together

AS_OF = datetime(2020, 10, 15, 13, 31, tzinfo=UTC)


def calls_overlap() -> bool:
    """Whether there was a moment at which all recorded calls were under way: none waited for another's end."""
    calls = list(ModelCall.objects.all())
    ends = [call.started_at + timedelta(milliseconds=call.latency_ms) for call in calls]
    return bool(calls) and max(call.started_at for call in calls) < min(ends)


def make_indicators(**overrides: float) -> Indicators:
    figures = {
        "rsi_14": 55.0,
        "z_score_20": 0.2,
        "change_5d_percent": 1.0,
        "change_20d_percent": 3.0,
        "trend_percent": 1.0,
        "volatility_percent": 25.0,
        "atr_percent": 2.0,
    }
    return Indicators(**{**figures, **overrides})


def make_headline(title: str = "A quiet day", **overrides: Any) -> HeadlineFact:
    return HeadlineFact(**{"title": title, "source": "wire", "published_at": AS_OF, **overrides})


def make_facts(symbol: str = "AAPL", **overrides: Any) -> SymbolFacts:
    values: dict[str, Any] = {
        "symbol": symbol,
        "price": Decimal("120.5"),
        "change_percent": Decimal("0.4"),
        "indicators": make_indicators(),
        "headlines": (),
        "position_quantity": Decimal(0),
        "unrealised_pnl_percent": None,
        "quoted_at": AS_OF,
        "source": "alpaca",
    }
    return SymbolFacts(**{**values, **overrides})


def make_holding(**overrides: Any) -> HoldingFacts:
    entered_at = AS_OF - timedelta(days=3)
    thesis = ThesisFacts(
        strategy="technical",
        opened_at=entered_at,
        entry_price=Decimal(118),
        reasoning="A dip in a rising trend.",
        invalidation="It closes below 110.",
        stop_price=Decimal("112.1"),
        target_price=Decimal("129.8"),
        horizon_sessions=10,
        sessions_left=6,
    )
    values: dict[str, Any] = {
        "entered_at": entered_at,
        "entry_price": Decimal(118),
        "theses": (thesis,),
        "verdicts": (
            VerdictFacts("hold", Decimal("0.6"), AS_OF),
            VerdictFacts("buy", Decimal("0.8"), None),
        ),
        "protection": ProtectionFacts("broker", Decimal("112.1"), Decimal("129.8")),
    }
    return HoldingFacts(**(values | overrides))


def make_question(*symbols: SymbolFacts | str, **overrides: Any) -> AnalysisQuestion:
    facts = tuple(make_facts(symbol) if isinstance(symbol, str) else symbol for symbol in symbols)
    values: dict[str, Any] = {
        "as_of": AS_OF,
        "strategy_name": "technical",
        "instructions": "Prefer large companies.",
        "portfolio": PortfolioFacts(Decimal(100_000), Decimal(60_000), Decimal(40), 4),
        "symbols": facts,
    }
    return AnalysisQuestion(**{**values, **overrides})


def analyse(
    *,
    question: AnalysisQuestion,
    models: Sequence[str],
    settings: AnalysisSettings,
    cycle_id: UUID | None,
) -> AnalysisResult:
    """Ask one question alone."""
    assignment = Assignment(question, tuple(models))
    return analyse_together(assignments=[assignment], settings=settings, cycle_id=cycle_id)[0]
