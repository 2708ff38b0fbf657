"""Close a position, whole or in part, for a reason that is no model's: a person's word, a stop watched here, a date.

It passes the gate as every order does, and is posted as every order is: what rests at the broker to protect the
position is taken away first, and what is left of it is protected anew (``keeping``).
"""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from uuid6 import uuid7

from connectors.base import BrokerPosition
from risk.domain.numbers import HUNDRED, ONE, ZERO, plain_decimal
from risk.domain.types import AssetRules, OrderIntent
from risk.services import book as risk_book
from risk.services import locks
from risk.services.book import Judgement
from trading.core import settings, transitions
from trading.core.providers import current_providers
from trading.core.row_locks import locked_agent
from trading.domain.order_ids import Purpose, client_order_id
from trading.domain.symbols import is_coin
from trading.errors import TradingError
from trading.execution import gate_inputs
from trading.market.market_time import stocks_trade_now
from trading.models import Asset, Order, Position
from trading.orders.submission import submit_order

# What is held can be sold, also where it was never listed to us.
OF_WHAT_IS_HELD = AssetRules(
    tradable=True,
    fractionable=True,
    quantity_step=gate_inputs.STOCK_STEP,
    min_quantity=ZERO,
    min_notional=ZERO,
)


class NotHeldError(TradingError):
    """Nothing of the symbol is held, or less than was to be sold."""


class CloseDeniedError(TradingError):
    """The gate does not let the sale pass; ``reason`` is its word."""

    def __init__(self, symbol: str, reason: str, detail: str) -> None:
        super().__init__(f"{symbol}: {reason}: {detail}")
        self.reason = reason


class ClosingError(TradingError):
    """The position is being sold already."""


def close_position(symbol: str, *, quantity: Decimal | None = None, reason: str, actor: str) -> Order:
    """Sell what is held of a symbol, or ``quantity`` of it; return the order as it stands once it was posted.

    Args:
        quantity: base units; None: all of it.
        reason: a word of ``domain/performance/exit_reasons.py``.
        actor: who wanted it, for the log.

    Raises:
        NotHeldError: it is not held, or not so much of it.
        ClosingError: another order of ours in the symbol has not ended.
        CloseDeniedError: the gate denied it.
        ConnectorError: the broker does not say what is held.
    """
    held = current_providers().broker.position(symbol)
    wanted = _wanted(symbol, held, quantity)
    assert held is not None  # noqa: S101 - checked with what is wanted
    order_id = uuid7()
    with transaction.atomic():
        locks.lock_book()
        if _is_busy(symbol):
            raise ClosingError(
                f"{symbol}: an order of it is under way, wait for its end or cancel it at the broker"
            )
        judgement = _judge(symbol, wanted, held, order_id)
        if judgement.reservation is None:
            said = str(judgement.check.reason)
            raise CloseDeniedError(symbol, said, _words(judgement))
        order = Order.objects.create(
            id=order_id,
            client_order_id=client_order_id(order_id, Purpose.EXIT),
            reservation=judgement.reservation,
            symbol=symbol,
            side="sell",
            purpose=Purpose.EXIT,
            quantity=judgement.reservation.quantity,
            reference_price=held.current_price,
            time_in_force="gtc" if is_coin(symbol) else "day",
            exit_reason=reason,
        )
        locked_agent()
        transitions.record_created(
            order, symbol=symbol, side="sell", quantity=str(order.quantity), exit_reason=reason, actor=actor
        )
    return submit_order(order.pk)


def as_listed(symbol: str) -> str:
    """Return a held symbol as the positions have it, where it was written in lower case or without its slash."""
    wanted = symbol.strip().upper()
    held = Position.objects.values_list("symbol", flat=True)
    return {name.replace("/", ""): name for name in held}.get(wanted.replace("/", ""), wanted)


def _wanted(symbol: str, held: BrokerPosition | None, quantity: Decimal | None) -> Decimal:
    if held is None or held.quantity <= 0:
        raise NotHeldError(f"{symbol}: nothing of it is held")
    if quantity is None:
        return held.quantity
    if not quantity.is_finite() or quantity <= 0:
        raise NotHeldError(f"quantity: was {quantity}, expected more than 0")
    if quantity > held.quantity:
        raise NotHeldError(
            f"quantity: was {plain_decimal(quantity)}, {plain_decimal(held.quantity)} are held"
        )
    return quantity


def _is_busy(symbol: str) -> bool:
    purposes = (Purpose.ENTRY, Purpose.EXIT, Purpose.FLATTEN)
    return Order.objects.open().filter(symbol=symbol, purpose__in=purposes).exists()


def _judge(symbol: str, wanted: Decimal, held: BrokerPosition, order_id: UUID) -> Judgement:
    """Take the sale through the gate; the price is the broker's own, of this moment."""
    account = gate_inputs.read_account()
    asset = Asset.objects.filter(pk=symbol).first()
    intent = OrderIntent(
        symbol=symbol,
        reducing=True,
        confidence=ONE,
        min_confidence=ZERO,
        size_percent=HUNDRED,
        price=held.current_price,
        price_age_seconds=0.0,
        max_price_age_seconds=settings.seconds("price_max_age"),
        market_open=is_coin(symbol) or stocks_trade_now(account.agent) is True,
        rules=gate_inputs.rules_of(asset) or OF_WHAT_IS_HELD,
        protective=True,
    )
    book = replace(account.book, held_quantity=wanted)
    # No decision and no cycle wanted it: check and reservation bear the order's own name.
    return risk_book.check_and_reserve(intent=intent, book=book, decision_id=order_id, cycle_id=order_id)


def _words(judgement: Judgement) -> str:
    return ", ".join(f"{name} {value}" for name, value in judgement.check.figures.items())
