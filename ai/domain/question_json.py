"""A question as JSON values and back, exactly: what is put again is rendered byte for byte as before."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from ai.domain.indicators import Indicators
from ai.domain.types import (
    AnalysisQuestion,
    HeadlineFact,
    HoldingFacts,
    PortfolioFacts,
    PositionFacts,
    ProtectionFacts,
    SymbolFacts,
    ThesisFacts,
    VerdictFacts,
)


def question_to_json(question: AnalysisQuestion) -> dict[str, Any]:
    """Return the question as JSON values; numbers that are money or quantities as text, digit for digit."""
    portfolio = question.portfolio
    return {
        "as_of": question.as_of.isoformat(),
        "strategy_name": question.strategy_name,
        "instructions": question.instructions,
        "portfolio": {
            "equity": str(portfolio.equity),
            "cash": str(portfolio.cash),
            "exposure_percent": str(portfolio.exposure_percent),
            "position_count": portfolio.position_count,
            "positions": [
                [held.symbol, str(held.equity_percent), _decimal_text(held.unrealised_pnl_percent)]
                for held in portfolio.positions
            ],
        },
        "headlines": _headlines(question.headlines),
        "symbols": [_symbol(facts) for facts in question.symbols],
    }


def question_from_json(values: Mapping[str, Any]) -> AnalysisQuestion:
    """Return the question that ``question_to_json`` wrote.

    Raises:
        ValueError: it did not write this.
    """
    try:
        return AnalysisQuestion(
            as_of=datetime.fromisoformat(values["as_of"]),
            strategy_name=values["strategy_name"],
            instructions=values["instructions"],
            portfolio=_portfolio(values["portfolio"]),
            symbols=tuple(_facts(each) for each in values["symbols"]),
            headlines=_headlines_from(values["headlines"]),
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"this is no question: {error!r}") from error


def _symbol(facts: SymbolFacts) -> dict[str, Any]:
    return {
        "symbol": facts.symbol,
        "price": str(facts.price),
        "change_percent": _decimal_text(facts.change_percent),
        "indicators": facts.indicators.to_dict() if facts.indicators else None,
        "headlines": _headlines(facts.headlines),
        "position_quantity": str(facts.position_quantity),
        "unrealised_pnl_percent": _decimal_text(facts.unrealised_pnl_percent),
        "quoted_at": facts.quoted_at.isoformat(),
        "source": facts.source,
        "holding": None if facts.holding is None else _holding(facts.holding),
    }


def _facts(values: Mapping[str, Any]) -> SymbolFacts:
    indicators = values["indicators"]
    holding = values.get("holding")  # not in questions from before it was told
    return SymbolFacts(
        symbol=values["symbol"],
        price=Decimal(values["price"]),
        change_percent=_decimal_from(values["change_percent"]),
        indicators=None if indicators is None else Indicators.from_dict(indicators),
        headlines=_headlines_from(values["headlines"]),
        position_quantity=Decimal(values["position_quantity"]),
        unrealised_pnl_percent=_decimal_from(values["unrealised_pnl_percent"]),
        quoted_at=datetime.fromisoformat(values["quoted_at"]),
        source=values["source"],
        holding=None if holding is None else _holding_from(holding),
    )


def _holding(holding: HoldingFacts) -> dict[str, Any]:
    protection = holding.protection
    return {
        "entered_at": holding.entered_at.isoformat(),
        "entry_price": str(holding.entry_price),
        "theses": [_thesis(thesis) for thesis in holding.theses],
        "verdicts": [
            [verdict.action, str(verdict.confidence), _time_text(verdict.decided_at)]
            for verdict in holding.verdicts
        ],
        "protection": protection
        and [protection.by, _decimal_text(protection.stop_price), _decimal_text(protection.target_price)],
    }


def _thesis(thesis: ThesisFacts) -> dict[str, Any]:
    return {
        "strategy": thesis.strategy,
        "opened_at": thesis.opened_at.isoformat(),
        "entry_price": str(thesis.entry_price),
        "reasoning": thesis.reasoning,
        "invalidation": thesis.invalidation,
        "stop_price": _decimal_text(thesis.stop_price),
        "target_price": _decimal_text(thesis.target_price),
        "horizon_sessions": thesis.horizon_sessions,
        "sessions_left": thesis.sessions_left,
    }


def _holding_from(values: Mapping[str, Any]) -> HoldingFacts:
    protection = values["protection"]
    return HoldingFacts(
        entered_at=datetime.fromisoformat(values["entered_at"]),
        entry_price=Decimal(values["entry_price"]),
        theses=tuple(_thesis_from(each) for each in values["theses"]),
        verdicts=tuple(
            VerdictFacts(action, Decimal(confidence), at and datetime.fromisoformat(at))
            for action, confidence, at in values["verdicts"]
        ),
        protection=protection
        and ProtectionFacts(protection[0], _decimal_from(protection[1]), _decimal_from(protection[2])),
    )


def _thesis_from(values: Mapping[str, Any]) -> ThesisFacts:
    return ThesisFacts(
        strategy=values["strategy"],
        opened_at=datetime.fromisoformat(values["opened_at"]),
        entry_price=Decimal(values["entry_price"]),
        reasoning=values["reasoning"],
        invalidation=values["invalidation"],
        stop_price=_decimal_from(values["stop_price"]),
        target_price=_decimal_from(values["target_price"]),
        horizon_sessions=values["horizon_sessions"],
        sessions_left=values["sessions_left"],
    )


def _portfolio(values: Mapping[str, Any]) -> PortfolioFacts:
    return PortfolioFacts(
        equity=Decimal(values["equity"]),
        cash=Decimal(values["cash"]),
        exposure_percent=Decimal(values["exposure_percent"]),
        position_count=values["position_count"],
        positions=tuple(
            PositionFacts(symbol, Decimal(percent), _decimal_from(profit))
            for symbol, percent, profit in values["positions"]
        ),
    )


def _headlines(headlines: Sequence[HeadlineFact]) -> list[list[str]]:
    return [[row.title, row.source, row.published_at.isoformat()] for row in headlines]


def _headlines_from(rows: Sequence[Sequence[str]]) -> tuple[HeadlineFact, ...]:
    return tuple(HeadlineFact(title, source, datetime.fromisoformat(at)) for title, source, at in rows)


def _time_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _decimal_text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decimal_from(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
