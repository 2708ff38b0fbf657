"""The gate: every order passes here, and whatever it cannot decide it denies.

Total: there is no input for which it raises. Exact: decimals wide enough for every product of two
columns, and every division rounds toward the smaller order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, localcontext

from risk.domain.blocks import block_of
from risk.domain.checks import invalid_figures, is_money
from risk.domain.numbers import HUNDRED, ZERO, plain_decimal
from risk.domain.plausibility import PriceVerdict, judge_price
from risk.domain.reasons import DenyReason, room_figure
from risk.domain.sizing import LEAST_ADDITION, meets_minimum, percent_of, round_down, wanted_percent
from risk.domain.types import AssetRules, LimitValues, OrderIntent, RiskBook, TradingState, Verdict

DIGITS = 60
# The limits that leave room for so much notional, in the contract's order.
NOTIONAL = (
    DenyReason.POSITION_TOO_LARGE,
    DenyReason.EXPOSURE_EXCEEDED,
    DenyReason.POSITION_RISK,
    DenyReason.OPEN_RISK,
)
Figures = Mapping[str, Decimal | float | int | str | None]


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry whose inputs are known to be usable; money in USD. ``adds``: some of it is held already."""

    symbol: str
    price: Decimal
    rules: AssetRules
    wanted: Decimal
    adds: bool


def judge(intent: OrderIntent, book: RiskBook, limits: LimitValues | None) -> Verdict:
    """Return how much of ``intent`` may be ordered, or why nothing may.

    A reducing order is checked only by what makes any order impossible, and by the confidence of the model
    that wants it; limits that exist to stop growth never block it, nor does a price that is hard to believe.
    An entry that does not fit is cut to what fits where that is above the asset's minimum, and, where it adds to
    what is held, no mere crumb of the wish. The order of the checks is part of the contract: the first one wins.
    """
    with localcontext(prec=DIGITS, rounding=ROUND_DOWN):
        reason = _standing_reason(intent, book)
        if reason is not None:
            paused = book.entries_paused if reason is DenyReason.ENTRIES_PAUSED else None
            return _denied(reason, _standing_figures(intent, book), paused or "")
        invalid = invalid_figures(intent, book, limits)
        if invalid:
            return _denied(DenyReason.INVALID_FIGURES, invalid)
        if intent.needs_confidence and intent.confidence < intent.min_confidence:
            return _denied(DenyReason.LOW_CONFIDENCE, _market_figures(intent))
        reason = _market_reason(intent)
        if reason is not None or intent.price is None or intent.rules is None:
            return _denied(reason or DenyReason.NO_PRICE, _market_figures(intent))
        believed = judge_price(intent.price, intent.price_facts)
        if believed.problem and not intent.reducing:
            return _denied(DenyReason.IMPLAUSIBLE_PRICE, _market_figures(intent) | _price_figures(believed))
        if _is_pending(intent, book):
            return _denied(DenyReason.PENDING_ORDER, {"symbol": intent.symbol})
        if intent.symbol in book.unclear_symbols:  # nobody knows how much is held, or what it is worth
            return _denied(DenyReason.POSITION_UNCLEAR, {"symbol": intent.symbol})
        block = block_of(intent, book)
        if block is not None:
            return _denied(block.reason, block.figures, block.detail)
        if intent.reducing:
            return _judge_exit(intent.price, intent.rules, book, believed)
        return _judge_entry(intent, intent.price, intent.rules, book, limits, believed)


def _standing_reason(intent: OrderIntent, book: RiskBook) -> DenyReason | None:
    if book.switch_engaged or book.trading_state is TradingState.HALTED:
        return DenyReason.KILL_SWITCH
    if book.trading_state is TradingState.REDUCING and not intent.reducing:
        return DenyReason.TRADING_STATE_REDUCING
    if book.entries_paused is not None and not intent.reducing:
        return DenyReason.ENTRIES_PAUSED
    return DenyReason.MODE if intent.needs_person else None


def _market_reason(intent: OrderIntent) -> DenyReason | None:
    if not intent.market_open:
        return DenyReason.MARKET_CLOSED
    if intent.rules is None:
        return DenyReason.UNKNOWN_ASSET
    if not intent.rules.tradable:
        return DenyReason.ASSET_NOT_TRADABLE
    if intent.price is None or not intent.price.is_finite() or intent.price <= 0:
        return DenyReason.NO_PRICE
    # As far from now in the future as in the past: one of the two clocks is wrong, and nobody knows which.
    age = intent.price_age_seconds
    if age is None or not abs(age) <= intent.max_price_age_seconds:
        return DenyReason.STALE_PRICE
    return None


def _is_pending(intent: OrderIntent, book: RiskBook) -> bool:
    """Return whether another order stands in the way; somebody else's never keeps us from getting out."""
    if intent.symbol in book.pending_symbols:
        return True
    return not intent.reducing and intent.symbol in book.foreign_pending_symbols


def _judge_exit(price: Decimal, rules: AssetRules, book: RiskBook, believed: PriceVerdict) -> Verdict:
    quantity = round_down(book.held_quantity, rules)
    figures: dict[str, Decimal | float | int | str | None] = {
        "held_quantity": book.held_quantity,
        "quantity": quantity,
        "price": price,
    }
    if believed.problem:  # what is sold is what is held: the price sizes nothing
        figures |= _price_figures(believed)
    if quantity <= 0:
        return _denied(DenyReason.NO_POSITION, figures)
    return _allowed(quantity, price, figures)


def _judge_entry(
    intent: OrderIntent,
    price: Decimal,
    rules: AssetRules,
    book: RiskBook,
    limits: LimitValues | None,
    believed: PriceVerdict,
) -> Verdict:
    if limits is None:
        return _denied(DenyReason.NO_LIMITS, {})
    equity, start = book.equity, book.session_start_equity
    if equity is None or start is None or not is_money(equity, start, book.buying_power):
        unknown = {"equity": equity, "session_start_equity": start, "buying_power": book.buying_power}
        return _denied(DenyReason.NO_EQUITY, unknown)
    percent = wanted_percent(intent)
    if percent is None:
        said: Figures = {"sizing": intent.sizing, "volatility_percent": intent.volatility_percent}
        return _denied(DenyReason.NO_VOLATILITY, said)
    adds = book.exposures.get(intent.symbol, ZERO) > 0
    entry = _Entry(intent.symbol, price, rules, percent_of(equity, percent), adds)
    rooms = _rooms(intent.symbol, book, limits, equity) | _risk_rooms(intent, book, limits, equity)
    loss_percent = (start - equity) / start * HUNDRED
    figures = _entry_figures(intent, entry, book, limits, rooms) | {"daily_loss_percent": loss_percent}
    figures |= believed.figures
    reason = _limit_reason(entry, book, limits, rooms, loss_percent)
    if reason is not None:
        return _denied(reason, figures)
    return _allowed(_cut(entry, min(rooms.values())), price, figures)


def _limit_reason(
    entry: _Entry,
    book: RiskBook,
    limits: LimitValues,
    rooms: Mapping[DenyReason, Decimal],
    loss_percent: Decimal,
) -> DenyReason | None:
    """Return the first limit, in the contract's order, that leaves no order above the minimum."""
    opened = _open_symbols(book)
    if entry.symbol not in opened and len(opened) >= limits.max_positions:
        return DenyReason.MAX_POSITIONS
    for reason in NOTIONAL:
        if reason in rooms and _does_not_fit(entry, rooms[reason]):
            return reason
    if loss_percent >= limits.max_daily_loss_percent:
        return DenyReason.DAILY_LOSS
    if _does_not_fit(entry, rooms[DenyReason.BUYING_POWER]):
        return DenyReason.BUYING_POWER
    if not meets_minimum(_cut(entry, entry.wanted), entry.price, entry.rules):
        return DenyReason.BELOW_MINIMUM
    return None


def _does_not_fit(entry: _Entry, room: Decimal) -> bool:
    """Return whether it is this limit that leaves too little, not the wish that was too small."""
    if room <= 0:
        return True
    if room >= entry.wanted:
        return False
    is_crumb = entry.adds and room < entry.wanted * LEAST_ADDITION
    return is_crumb or not meets_minimum(_cut(entry, room), entry.price, entry.rules)


def _cut(entry: _Entry, room: Decimal) -> Decimal:
    """Return the quantity of the wish that fits into ``room`` USD, rounded down."""
    return round_down(min(entry.wanted, max(room, ZERO)) / entry.price, entry.rules)


def _rooms(symbol: str, book: RiskBook, limits: LimitValues, equity: Decimal) -> dict[DenyReason, Decimal]:
    """How much notional each limit still lets in, positions and reservations counted."""
    held = book.exposures.get(symbol, ZERO) + book.reserved.get(symbol, ZERO)
    reserved = sum(book.reserved.values(), ZERO)
    total = sum(book.exposures.values(), ZERO) + reserved
    unspent = reserved if book.not_in_buying_power is None else book.not_in_buying_power
    return {
        DenyReason.POSITION_TOO_LARGE: percent_of(equity, limits.max_position_percent) - held,
        DenyReason.EXPOSURE_EXCEEDED: percent_of(equity, limits.max_exposure_percent) - total,
        DenyReason.BUYING_POWER: book.buying_power - unspent,
    }


def _risk_rooms(
    intent: OrderIntent, book: RiskBook, limits: LimitValues, equity: Decimal
) -> dict[DenyReason, Decimal]:
    """How much notional lets no more be lost at stops than the limits say; what has no stop is not judged by them."""
    share = intent.stop_share
    if share is None:
        return {}
    total = sum(book.open_risk.values(), ZERO)
    own = book.open_risk.get(intent.symbol, ZERO)
    return {
        DenyReason.POSITION_RISK: (percent_of(equity, limits.max_position_risk_percent) - own) / share,
        DenyReason.OPEN_RISK: (percent_of(equity, limits.max_open_risk_percent) - total) / share,
    }


def _open_symbols(book: RiskBook) -> frozenset[str]:
    return frozenset(book.exposures) | frozenset(book.reserved)


def _standing_figures(intent: OrderIntent, book: RiskBook) -> Figures:
    return {
        "switch_engaged": str(book.switch_engaged),
        "trading_state": book.trading_state,
        "needs_person": str(intent.needs_person),
        **({} if book.entries_paused is None else {"entries_paused": book.entries_paused}),
    }


def _market_figures(intent: OrderIntent) -> dict[str, Decimal | float | int | str | None]:
    return {
        "confidence": intent.confidence,
        "min_confidence": intent.min_confidence,
        "price": intent.price,
        "price_age_seconds": intent.price_age_seconds,
        "max_price_age_seconds": intent.max_price_age_seconds,
    }


def _price_figures(believed: PriceVerdict) -> dict[str, Decimal | float | int | str | None]:
    return {"price_warning": believed.problem, **believed.figures}


def _entry_figures(
    intent: OrderIntent,
    entry: _Entry,
    book: RiskBook,
    limits: LimitValues,
    rooms: Mapping[DenyReason, Decimal],
) -> dict[str, Decimal | float | int | str | None]:
    own = {} if limits.strategy_version is None else {"strategy_version": limits.strategy_version}
    return own | {
        "limits_version": limits.version,
        "max_positions": limits.max_positions,
        "max_position_percent": limits.max_position_percent,
        "max_exposure_percent": limits.max_exposure_percent,
        "max_daily_loss_percent": limits.max_daily_loss_percent,
        "max_position_risk_percent": limits.max_position_risk_percent,
        "max_open_risk_percent": limits.max_open_risk_percent,
        "stop_share": intent.stop_share,
        "open_risk": sum(book.open_risk.values(), ZERO),
        "equity": book.equity,
        "session_start_equity": book.session_start_equity,
        "buying_power": book.buying_power,
        "held": book.exposures.get(entry.symbol, ZERO),
        "reserved": book.reserved.get(entry.symbol, ZERO),
        "exposure": sum(book.exposures.values(), ZERO),
        "exposure_reserved": sum(book.reserved.values(), ZERO),
        "sizing": intent.sizing,
        "size_percent": intent.size_percent,
        "volatility_percent": intent.volatility_percent,
        "wanted_notional": entry.wanted,
        "open_positions": len(_open_symbols(book)),
        **_market_figures(intent),
        **{room_figure(reason): room for reason, room in rooms.items()},
    }


def _figure_texts(figures: Figures) -> dict[str, str]:
    return {name: _figure_text(value) for name, value in figures.items()}


def _figure_text(value: object) -> str:
    return plain_decimal(value) if isinstance(value, Decimal) and value.is_finite() else str(value)


def _denied(reason: DenyReason, figures: Figures, detail: str = "") -> Verdict:
    return Verdict(quantity=ZERO, notional=ZERO, reason=reason, figures=_figure_texts(figures), detail=detail)


def _allowed(quantity: Decimal, price: Decimal, figures: Figures) -> Verdict:
    return Verdict(quantity=quantity, notional=quantity * price, reason=None, figures=_figure_texts(figures))
