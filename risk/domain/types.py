"""What the gate is given and what it answers: frozen values, money and quantities as Decimal."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from risk.domain.reasons import DenyReason


class TradingState(enum.StrEnum):
    """What the account may do: anything, exits only, nothing."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class SizingRule(enum.StrEnum):
    """How large a strategy's entries are; formulas in ``risk.domain.sizing``."""

    FIXED_FRACTION = "fixed_fraction"
    VOLATILITY_SCALED = "volatility_scaled"
    CONFIDENCE_SCALED = "confidence_scaled"


@dataclass(frozen=True, slots=True)
class AssetRules:
    """The sizes an asset allows, in base units; ``min_notional`` in USD."""

    tradable: bool
    fractionable: bool
    quantity_step: Decimal
    min_quantity: Decimal
    min_notional: Decimal


@dataclass(frozen=True, slots=True)
class Reference:
    """A price that was known already: USD per base unit, where from, and its market time (None: not reported)."""

    price: Decimal
    source: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PriceBand:
    """How wide the band is in which a price is believed (``risk.domain.plausibility``); ratios.

    Args:
        floor: the width where the volatility is small or unknown.
        sigmas: the width in daily volatilities.
        agreement: what two sources may differ by and still confirm each other.
        disagreement: what they may differ by at most.
        widening: the width is multiplied by it: more than 1 where large moves are usual.
    """

    floor: Decimal
    sigmas: Decimal
    agreement: Decimal
    disagreement: Decimal
    widening: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class PriceFacts:
    """What is known of an asset's price besides the one that an order is sized by.

    Args:
        recent: prices stored in the last hours, the newest first.
        close: the last daily close before the day of the price; None when unknown.
        second: what another source says now; None when none does.
        daily_volatility: standard deviation of daily log returns, as a ratio, without the price's own day.
    """

    band: PriceBand
    recent: tuple[Reference, ...] = ()
    close: Reference | None = None
    second: Reference | None = None
    daily_volatility: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """What a guard has against an order, for one of the reasons of ``risk.domain.blocks``.

    Args:
        detail: a sentence for a person: what happened, and until when it blocks.
        figures: names and values that led to it.
    """

    reason: DenyReason
    detail: str
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntryRate:
    """How many entries a span of market time has seen, those under way not counted, and the most it may see.

    ``frees_at`` is when the oldest of them that has to leaves the span, market time; None where none has to.
    """

    reason: DenyReason
    entries: int
    most: int
    frees_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """What a decision wants.

    Args:
        reducing: True when the order closes or shrinks a held position.
        confidence: 0 to 1, both inclusive.
        min_confidence: the threshold that the confidence must reach, inclusive.
        size_percent: the entry's largest notional in percent of equity; unused when reducing.
        price: USD per base unit; None when there is none.
        price_age_seconds: age in market time, negative for a price from the future; None when unknown.
        market_open: whether the asset's market trades now (coins: always).
        rules: None when the asset is not in the asset master.
        needs_person: the mode asks for a person's word on this order and nobody has given it.
        sizing: how the entry's size follows from ``size_percent``.
        volatility_percent: annualised; None when unknown, which volatility-scaled sizing denies.
        price_facts: what ``price`` is held against; None when nothing is known, which denies an entry.
        stop_share: what of its notional an entry loses where its stop sells, a ratio; None: it has none.
        protective: a reducing order that nobody was confident about: the switch, a stop, a person's close.
        block: what a guard has against it; None: nothing. Of exits it stops a model's own alone (``blocks``).
    """

    symbol: str
    reducing: bool
    confidence: Decimal
    min_confidence: Decimal
    size_percent: Decimal
    price: Decimal | None
    price_age_seconds: float | None
    max_price_age_seconds: float
    market_open: bool
    rules: AssetRules | None
    needs_person: bool = False
    sizing: SizingRule = SizingRule.FIXED_FRACTION
    volatility_percent: Decimal | None = None
    price_facts: PriceFacts | None = None
    protective: bool = False
    stop_share: Decimal | None = None
    block: Block | None = None

    @property
    def needs_confidence(self) -> bool:
        """Whether the confidence counts; an entry cannot be protective, whatever it says of itself."""
        return not (self.protective and self.reducing)


@dataclass(frozen=True, slots=True)
class RiskBook:
    """The account as the gate sees it, read under the book's lock.

    Args:
        equity: account equity in USD; None when unknown.
        session_start_equity: equity at the previous close; None when unknown.
        buying_power: USD, as the broker reported it.
        exposures: market value in USD by symbol of held positions; the cost where the value is not known.
        reserved: USD by symbol of what reservations for entries still take beyond ``exposures``.
        open_risk: USD by symbol of what is lost where the stops of positions and entries under way sell.
        not_in_buying_power: USD of those reservations that ``buying_power`` does not reflect yet, because
            the broker had not taken their orders when it was asked; None: all of ``reserved``.
        held_quantity: available base units of the intent's symbol.
        pending_symbols: symbols with an order of ours that has not ended.
        foreign_pending_symbols: symbols with somebody else's; what it holds is not in ``held_quantity``.
        unclear_symbols: symbols whose position the broker told in words that could not be understood, or without
            a value.
        entries_paused: who paused entries and why, in words; None: nobody has.
        entry_rates: how many entries there were lately; those that ``reserved`` counts come on top.
    """

    switch_engaged: bool
    trading_state: TradingState
    equity: Decimal | None
    session_start_equity: Decimal | None
    buying_power: Decimal
    exposures: Mapping[str, Decimal] = field(default_factory=dict)
    reserved: Mapping[str, Decimal] = field(default_factory=dict)
    open_risk: Mapping[str, Decimal] = field(default_factory=dict)
    not_in_buying_power: Decimal | None = None
    held_quantity: Decimal = Decimal(0)
    pending_symbols: frozenset[str] = frozenset()
    foreign_pending_symbols: frozenset[str] = frozenset()
    unclear_symbols: frozenset[str] = frozenset()
    entries_paused: str | None = None
    entry_rates: tuple[EntryRate, ...] = ()


@dataclass(frozen=True, slots=True)
class LimitValues:
    """Limits in percent of equity, inclusive; ``version`` names the row they came from.

    ``max_position_risk_percent`` and ``max_open_risk_percent`` are what may be lost where stops sell: of one position,
    and of all that is held and under way.

    ``strategy_version`` is that of the strategy whose own limits were merged in; None: the account's alone.
    """

    version: int
    max_position_percent: Decimal
    max_exposure_percent: Decimal
    max_positions: int
    max_daily_loss_percent: Decimal
    max_position_risk_percent: Decimal = Decimal(1)
    max_open_risk_percent: Decimal = Decimal(5)
    strategy_version: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer: a quantity to order, or a reason; and every number it used.

    Args:
        quantity: base units, positive when allowed, else 0.
        notional: ``quantity`` times the price, in USD.
        reason: None when allowed.
        figures: names and numbers that led to the answer.
        detail: a sentence for a person where the reason alone does not say it; "" elsewhere.
    """

    quantity: Decimal
    notional: Decimal
    reason: DenyReason | None
    figures: Mapping[str, str]
    detail: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the order may pass."""
        return self.reason is None
