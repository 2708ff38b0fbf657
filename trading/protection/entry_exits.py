"""What an entry brings with it: where its position is to be sold, as orders that the broker holds from its fill on."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connectors.base import OrderClass
from trading.domain.symbols import is_coin
from trading.models import AIDecision
from trading.protection.wanted import plan_for


def exit_orders(decision: AIDecision, quantity: Decimal, price: Decimal | None) -> Mapping[str, Any]:
    """Return the columns by which an entry's order brings its exits; prices alone where the broker takes no such legs.

    It takes them for whole shares. They live as long as the position, and have the entry's time in force: so that is
    good till cancelled, and the saga's deadline bounds the entry instead of the day's end.
    """
    plan = plan_for(decision, price)
    if plan is None:
        return {}
    prices = {"stop_loss_price": plan.stop_price, "take_profit_price": plan.target_price}
    if is_coin(decision.symbol) or quantity != quantity.to_integral_value():
        return prices
    both = plan.target_price is not None
    order_class = OrderClass.BRACKET if both else OrderClass.ONE_TRIGGERS_OTHER
    return {**prices, "order_class": order_class, "time_in_force": "gtc"}
