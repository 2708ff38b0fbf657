"""The gate: every order passes here, and whatever it cannot decide it denies."""

from decimal import Decimal

from risk.domain.reasons import DenyReason
from risk.domain.sizing import HUNDRED, meets_minimum, percent_of, round_down
from risk.domain.types import OrderIntent, RiskBook, RiskLimits, TradingState, Verdict

ZERO = Decimal(0)


def judge(intent: OrderIntent, book: RiskBook, limits: RiskLimits | None) -> Verdict:
    """Return how much of ``intent`` may be ordered, or why nothing may.

    A reducing order is checked only by what makes any order impossible; limits that exist to stop
    growth never block it. An entry that does not fit is cut to what fits where that is above the
    asset's minimum. The order of the checks is part of the contract: the first one wins.

    Raises:
        ValueError: the confidence or the size is outside its bounds.
    """
    if not (intent.confidence.is_finite() and 0 <= intent.confidence <= 1):
        raise ValueError(f"confidence must be within [0, 1], was {intent.confidence}")
    if not (intent.size_percent.is_finite() and 0 < intent.size_percent <= HUNDRED):
        raise ValueError(f"size_percent must be within (0, 100], was {intent.size_percent}")
    reason = _standing_reason(intent, book) or _market_reason(intent)
    if reason is not None:
        return _denied(reason, _market_figures(intent))
    if intent.reducing:
        return _judge_exit(intent, book)
    return _judge_entry(intent, book, limits)


def _standing_reason(intent: OrderIntent, book: RiskBook) -> DenyReason | None:
    if book.switch_engaged or book.trading_state is TradingState.HALTED:
        return DenyReason.KILL_SWITCH
    if book.trading_state is TradingState.REDUCING and not intent.reducing:
        return DenyReason.TRADING_STATE_REDUCING
    if intent.confidence < intent.min_confidence and not intent.reducing:
        return DenyReason.LOW_CONFIDENCE
    return None


def _market_reason(intent: OrderIntent) -> DenyReason | None:
    if not intent.market_open:
        return DenyReason.MARKET_CLOSED
    if intent.rules is None:
        return DenyReason.UNKNOWN_ASSET
    if not intent.rules.tradable:
        return DenyReason.ASSET_NOT_TRADABLE
    if intent.price is None or not intent.price.is_finite() or intent.price <= 0:
        return DenyReason.NO_PRICE
    if intent.price_age_seconds is None or not (intent.price_age_seconds <= intent.max_price_age_seconds):
        return DenyReason.STALE_PRICE
    return None


def _judge_exit(intent: OrderIntent, book: RiskBook) -> Verdict:
    assert intent.price is not None  # noqa: S101 - _market_reason has denied it
    assert intent.rules is not None  # noqa: S101 - as above
    if intent.symbol in book.pending_symbols:
        return _denied(DenyReason.PENDING_ORDER, {"symbol": intent.symbol})
    quantity = round_down(book.held_quantity, intent.rules)
    figures = {"held_quantity": book.held_quantity, "quantity": quantity, "price": intent.price}
    if quantity <= 0:
        return _denied(DenyReason.NO_POSITION, figures)
    return _allowed(quantity, intent.price, figures)


def _judge_entry(intent: OrderIntent, book: RiskBook, limits: RiskLimits | None) -> Verdict:
    assert intent.price is not None  # noqa: S101 - _market_reason has denied it
    assert intent.rules is not None  # noqa: S101 - as above
    if limits is None:
        return _denied(DenyReason.NO_LIMITS, {})
    start = book.session_start_equity
    if book.equity is None or start is None or not _is_money(book.equity, start, book.buying_power):
        unknown = {"equity": book.equity, "session_start_equity": start, "buying_power": book.buying_power}
        return _denied(DenyReason.NO_EQUITY, unknown)
    if intent.symbol in book.pending_symbols:
        return _denied(DenyReason.PENDING_ORDER, {"symbol": intent.symbol})
    rooms = _rooms(intent, book, limits, book.equity)
    daily_loss_percent = (start - book.equity) / start * HUNDRED
    wanted = percent_of(book.equity, intent.size_percent)
    figures: dict[str, Decimal | int | str | None] = {
        "limits_version": limits.version,
        "equity": book.equity,
        "wanted_notional": wanted,
        "price": intent.price,
        "daily_loss_percent": daily_loss_percent,
        "open_positions": len(_open_symbols(book)),
        **{f"room_{reason}": room for reason, room in rooms},
    }
    if intent.symbol not in _open_symbols(book) and len(_open_symbols(book)) >= limits.max_positions:
        return _denied(DenyReason.MAX_POSITIONS, figures)
    for reason, room in rooms[:2]:
        if room <= 0:
            return _denied(reason, figures)
    if daily_loss_percent >= limits.max_daily_loss_percent:
        return _denied(DenyReason.DAILY_LOSS, figures)
    binding, room = min(rooms, key=lambda item: item[1])
    quantity = round_down(min(wanted, max(room, ZERO)) / intent.price, intent.rules)
    if not meets_minimum(quantity, intent.price, intent.rules):
        return _denied(binding if room < wanted else DenyReason.BELOW_MINIMUM, figures)
    return _allowed(quantity, intent.price, figures)


def _rooms(
    intent: OrderIntent, book: RiskBook, limits: RiskLimits, equity: Decimal
) -> list[tuple[DenyReason, Decimal]]:
    """How much notional each limit still lets in, positions and reservations counted."""
    held = book.exposures.get(intent.symbol, ZERO) + book.reserved.get(intent.symbol, ZERO)
    total = sum(book.exposures.values(), ZERO) + sum(book.reserved.values(), ZERO)
    return [
        (DenyReason.POSITION_TOO_LARGE, percent_of(equity, limits.max_position_percent) - held),
        (DenyReason.EXPOSURE_EXCEEDED, percent_of(equity, limits.max_exposure_percent) - total),
        (DenyReason.BUYING_POWER, book.buying_power - sum(book.reserved.values(), ZERO)),
    ]


def _is_money(equity: Decimal, start: Decimal, buying_power: Decimal) -> bool:
    return all(n.is_finite() for n in (equity, start, buying_power)) and equity > 0 and start > 0


def _open_symbols(book: RiskBook) -> frozenset[str]:
    return frozenset(book.exposures) | frozenset(book.reserved)


def _market_figures(intent: OrderIntent) -> dict[str, Decimal | float | None]:
    return {
        "confidence": intent.confidence,
        "min_confidence": intent.min_confidence,
        "price": intent.price,
        "price_age_seconds": intent.price_age_seconds,
        "max_price_age_seconds": intent.max_price_age_seconds,
    }


def _words(figures: object) -> dict[str, str]:
    assert isinstance(figures, dict)  # noqa: S101 - narrows for the type checker
    return {name: str(value) for name, value in figures.items()}


def _denied(reason: DenyReason, figures: object) -> Verdict:
    return Verdict(quantity=ZERO, notional=ZERO, reason=reason, figures=_words(figures))


def _allowed(quantity: Decimal, price: Decimal, figures: object) -> Verdict:
    return Verdict(quantity=quantity, notional=quantity * price, reason=None, figures=_words(figures))
