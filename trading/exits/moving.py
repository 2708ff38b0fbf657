"""A person moves the price at which a position's stop sells: up or down, but no further down than the limits allow.

It is written down here; the next round of the keeper brings the orders at the broker to it, by replacing each. What is
watched by this program is watched at the new price at once.
"""

from decimal import Decimal

from django.db import transaction

from connectors.base import BrokerPosition
from risk.domain.numbers import HUNDRED, ZERO, plain_decimal
from risk.domain.sizing import percent_of
from risk.services import locks
from risk.services.limits import limits_in_force
from trading.core import transitions
from trading.core.providers import current_providers
from trading.domain.protection.plans import tick_at
from trading.domain.symbols import is_coin
from trading.errors import TradingError
from trading.execution import gate_inputs
from trading.execution.gate_inputs import AccountBook
from trading.exits.closing import NotHeldError
from trading.models import Position


class StopPriceError(TradingError):
    """The price is no price at which a stop of this position can stand."""


class StopDeniedError(TradingError):
    """The stop may not be moved there; ``reason`` is a word for programs."""

    def __init__(self, symbol: str, reason: str, detail: str) -> None:
        super().__init__(f"{symbol}: {reason}: {detail}")
        self.reason = reason


def move_stop(symbol: str, *, stop_price: Decimal, actor: str) -> Position:
    """Have what is held of a symbol sold at another price; return the position with it.

    A stop that follows the price goes on from there, upwards.

    Args:
        stop_price: USD per base unit, on the step of the symbol's prices and below the price now.
        actor: who wanted it, for the log.

    Raises:
        NotHeldError: nothing of it is held.
        StopPriceError: no such price, or the price is there already.
        StopDeniedError: more would be lost at it than the limits allow, or nothing may be moved now.
        ConnectorError: the broker does not say what it is worth.
    """
    held = current_providers().broker.position(symbol)
    if held is None or held.quantity <= ZERO:
        raise NotHeldError(f"{symbol}: nothing of it is held")
    _require_price(symbol, stop_price, held)
    with transaction.atomic():
        locks.lock_book()
        position = Position.objects.filter(pk=symbol, quantity__gt=0).first()
        if position is None:
            raise NotHeldError(f"{symbol}: it is about to be recorded, try again in a moment")
        before = position.stop_price
        account = gate_inputs.read_account()
        if account.book.switch_engaged:
            raise StopDeniedError(symbol, "kill_switch", "no order is replaced while it is engaged")
        if before is None or stop_price < before:
            _require_room(position, stop_price, account)
        position.stop_price, position.stop_moved_by = stop_price, actor[:150]
        Position.objects.filter(pk=symbol).update(stop_price=stop_price, stop_moved_by=position.stop_moved_by)
        _note(symbol, before, stop_price, actor)
    return position


def _note(symbol: str, before: Decimal | None, after: Decimal, actor: str) -> None:
    told = None if before is None else plain_decimal(before)
    transitions.append_event(
        aggregate_type="position",
        aggregate_id=symbol,
        event_type="position.stop_moved",
        payload={"symbol": symbol, "before": told, "after": plain_decimal(after), "actor": actor},
        cycle_id=None,
    )


def _require_price(symbol: str, stop_price: Decimal, held: BrokerPosition) -> None:
    said = f"price: was {stop_price}, expected"
    if not stop_price.is_finite() or stop_price <= 0:
        raise StopPriceError(f"{said} more than 0")
    tick = tick_at(stop_price, is_coin=is_coin(symbol))
    if stop_price % tick:
        raise StopPriceError(f"{said} steps of {plain_decimal(tick)}")
    if held.current_price is None or held.current_price <= 0:
        raise StopDeniedError(symbol, "no_price", "the broker does not say what it is worth")
    if stop_price >= held.current_price:
        raise StopPriceError(
            f"{said} less than the price now, {plain_decimal(held.current_price)}: close it instead"
        )


def _require_room(position: Position, stop_price: Decimal, account: AccountBook) -> None:
    """Refuse a stop at which more is lost than a position, or all together, may lose."""
    symbol, equity, limits = position.symbol, account.book.equity, limits_in_force()
    if limits is None or equity is None or equity <= 0 or position.market_value is None:
        raise StopDeniedError(symbol, "no_equity", "what may be lost at a stop is not known now")
    if position.trailing_percent is not None and position.highest_price is not None:
        followed = position.highest_price * (HUNDRED - position.trailing_percent) / HUNDRED
        if stop_price < followed:
            raise StopDeniedError(
                symbol, "trailing_stop", "it follows the price and would be raised again at once"
            )
    loss = max(ZERO, position.market_value - stop_price * position.quantity)
    others = sum((lost for name, lost in account.book.open_risk.items() if name != symbol), ZERO)
    for reason, percent, total in (
        ("position_risk_exceeded", limits.max_position_risk_percent, loss),
        ("open_risk_exceeded", limits.max_open_risk_percent, loss + others),
    ):
        if total > (most := percent_of(equity, percent)):
            raise StopDeniedError(
                symbol, reason, f"{total:.2f} USD would be lost at stops, the limit is {most:.2f} USD"
            )
