"""What is asked of a model and what it may answer.

Percentages are in percent (``2.5`` is 2.5 %); money and prices in USD; times are aware UTC.
"""

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ai.domain.indicators import Indicators


class Action(enum.StrEnum):
    """What a model may propose for a symbol."""

    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"


class HoldReason(enum.StrEnum):
    """Why a symbol has no proposal: stable words, stored and counted by others."""

    ANALYSIS_TIMEOUT = "analysis_timeout"
    ANALYSIS_FAILED = "analysis_failed"
    BUDGET_EXHAUSTED = "ai_budget_exhausted"
    PRICE_UNKNOWN = "ai_price_unknown"
    INVALID_ANSWER = "invalid_answer"
    MISSING_ANSWER = "missing_answer"
    DUPLICATE_ANSWER = "duplicate_answer"
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNSTABLE = "unstable"


class Hold(NamedTuple):
    """A symbol left alone, with the reason and its particulars for the operator."""

    reason: HoldReason
    detail: str


class ProposalProblem(NamedTuple):
    """One thing wrong with an answer; ``symbol`` is None unless it is one that was asked."""

    symbol: str | None
    reason: HoldReason
    detail: str


@dataclass(frozen=True, slots=True)
class HeadlineFact:
    """A news item as the provider gave it; the text is untrusted."""

    title: str
    source: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class ThesisFacts:
    """Why some of a position was bought, frozen at its entry; the words are a model's own, and untrusted.

    ``opened_at`` is market time. Prices in USD, None where nothing was settled; ``sessions_left`` counts down from
    ``horizon_sessions``, 0 where it has passed, both None where no horizon was named.
    """

    strategy: str
    opened_at: datetime
    entry_price: Decimal
    reasoning: str
    invalidation: str
    stop_price: Decimal | None
    target_price: Decimal | None
    horizon_sessions: int | None
    sessions_left: int | None


@dataclass(frozen=True, slots=True)
class VerdictFacts:
    """One earlier decision on a symbol; ``decided_at`` is market time, None where it was not kept."""

    action: str
    confidence: Decimal
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class ProtectionFacts:
    """Who sells a position by itself, and at which prices in USD."""

    by: str
    stop_price: Decimal | None
    target_price: Decimal | None


@dataclass(frozen=True, slots=True)
class HoldingFacts:
    """How a position came to be: ``entered_at`` is market time, ``entry_price`` the average in USD per unit.

    ``theses`` the newest first, empty where nobody bought it here; ``verdicts`` the newest first; ``protection`` None
    where it is not known.
    """

    entered_at: datetime
    entry_price: Decimal
    theses: tuple[ThesisFacts, ...] = ()
    verdicts: tuple[VerdictFacts, ...] = ()
    protection: ProtectionFacts | None = None


@dataclass(frozen=True, slots=True)
class SymbolFacts:
    """All that a model is told about one symbol.

    ``position_quantity`` is in base units, zero where none is held; ``unrealised_pnl_percent`` is of the
    position's cost, None where none is held. ``change_percent`` is since the previous close. ``holding`` is None where
    none is held, and in questions from before it was told.

    Raises:
        ValueError: ``price`` is not positive: nobody may be asked about a symbol without a price.
    """

    symbol: str
    price: Decimal
    change_percent: Decimal | None
    indicators: Indicators | None
    headlines: tuple[HeadlineFact, ...]
    position_quantity: Decimal
    unrealised_pnl_percent: Decimal | None
    quoted_at: datetime
    source: str
    holding: HoldingFacts | None = None

    def __post_init__(self) -> None:
        if not (self.price.is_finite() and self.price > 0):
            raise ValueError(f"the price of {self.symbol} must be positive, was {self.price}")


@dataclass(frozen=True, slots=True)
class PositionFacts:
    """One open position: its market value in percent of equity, its profit in percent of its cost."""

    symbol: str
    equity_percent: Decimal
    unrealised_pnl_percent: Decimal | None


@dataclass(frozen=True, slots=True)
class PortfolioFacts:
    """The account in four figures, and what it holds; ``exposure_percent`` is of ``equity``."""

    equity: Decimal
    cash: Decimal
    exposure_percent: Decimal
    position_count: int
    positions: tuple[PositionFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class AnalysisQuestion:
    """One question about many symbols; nothing in it may be from after ``as_of``.

    ``instructions`` are the operator's words for the strategy and are trusted; ``headlines`` are news that
    belong to none of the symbols.
    """

    as_of: datetime
    strategy_name: str
    instructions: str
    portfolio: PortfolioFacts
    symbols: tuple[SymbolFacts, ...]
    headlines: tuple[HeadlineFact, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposedExit:
    """Where a decision to buy wants its position to be sold; percentages above 0 and below 100 of the entry price.

    None and "" where it says nothing that can be used; ``problems`` says in words what was dropped.
    """

    stop_percent: Decimal | None = None
    target_percent: Decimal | None = None
    horizon_sessions: int | None = None
    invalidation: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A validated answer for one asked symbol; ``confidence`` is in [0, 1], ``exit`` empty unless it is to buy."""

    symbol: str
    action: Action
    confidence: Decimal
    reasoning: str
    exit: ProposedExit = ProposedExit()
