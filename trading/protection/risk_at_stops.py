"""What is lost where stops sell: by an entry that is wanted, and by what is held."""

from decimal import Decimal

from risk.domain.numbers import HUNDRED, ZERO
from trading.domain.protection.plans import DEFAULT_STOP_PERCENT
from trading.models import AIDecision, Position
from trading.protection.wanted import plan_for


def stop_share(decision: AIDecision, price: Decimal) -> Decimal | None:
    """Return what of its notional an entry at ``price`` loses where its stop sells, a ratio; None for an exit."""
    plan = plan_for(decision, price) if decision.action == AIDecision.Action.BUY else None
    return None if plan is None else (price - plan.stop_price) / price


def risk_at_stop(position: Position) -> Decimal:
    """Return what a long position loses where its stop sells, in USD.

    Where that is not settled yet, as with the stop that a position of unknown origin is given: within a second it is.
    """
    if position.quantity <= ZERO:
        return ZERO
    if position.stop_price is None or position.market_value is None:
        return position.exposure * DEFAULT_STOP_PERCENT / HUNDRED
    return max(ZERO, position.market_value - position.stop_price * position.quantity)
