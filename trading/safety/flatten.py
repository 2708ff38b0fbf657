"""Flatten: sell every long position while the switch is engaged; reducing orders only.

One process at a time does it. Each order is for what the broker said a moment ago is available. It goes on, in the
sweeper where need be, until the broker says that nothing is held.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import DatabaseError, IntegrityError, transaction

from connectors.base import BrokerPosition, Holdings
from connectors.errors import ConnectorError
from connectors.rows import UnreadableRow
from connectors.transport import time_limit
from risk.models import KillSwitch
from risk.services import locks
from risk.services.holders import Silence
from trading.core import transitions
from trading.core.providers import current_providers
from trading.domain import loss_limit
from trading.domain.order_ids import Purpose, client_order_id, flatten_base
from trading.domain.performance.exit_reasons import ExitReason
from trading.domain.symbols import is_coin
from trading.errors import NotConfiguredError, TradingError
from trading.models import Order
from trading.orders import resting
from trading.orders.submission import UNSENT, submit_order
from trading.safety import senders

READ_KEPT_SECONDS = 2.0
CONFIRM_SECONDS = 5.0
CONFIRM_PAUSE_SECONDS = 0.2
ATTEMPTS = 2  # one that fails must not keep the others from being asked; the sweeper goes on with it
TURN_SECONDS = senders.PATIENCE_SECONDS + 1.0  # another's turn ends by then, or its holder is shut out
SOMEBODY_ELSE = "somebody else is selling everything at this moment; it goes on by itself"


@dataclass(slots=True)
class FlattenReport:
    """Symbols ordered to be sold, what a person has to look at, and what was held when we stopped waiting.

    ``remaining``: base units by symbol, without what is left alone; None: not known. ``left_alone``: what is not
    traded here (an option), and what the broker knows no value of (a share that was delisted).
    """

    ordered: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remaining: dict[str, Decimal] | None = None
    left_alone: list[str] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether the broker has said that nothing is held, but for what is left alone."""
        return self.remaining == {} and not self.problems


def flatten_positions(engagement: KillSwitch, *, within_seconds: float = 12.0) -> FlattenReport:
    """Order the sale of what is available of each long position, and wait a little for the broker's word.

    Repeating it sells only what is left: an order that is still open is not repeated.

    Args:
        within_seconds: no request begins later.
    """
    report = FlattenReport()
    with _my_turn() as is_mine:
        if not is_mine:
            report.problems.append(SOMEBODY_ELSE)
            return report
        with time_limit(within_seconds):
            try:
                _sell_all(engagement, report)
                _await_sales(report)
            except (ConnectorError, NotConfiguredError) as error:
                report.problems.append(f"positions could not be read, so what is held is not known: {error}")
    return report


@contextmanager
def _my_turn() -> Iterator[bool]:
    """Be the one who sells; a holder that was stopped is shut out. False: somebody else is still at it."""
    silence, give_up_at = Silence(), time.monotonic() + TURN_SECONDS
    while True:
        with locks.flatten_alone() as taken:
            if taken:
                yield True
                return
        for_selling = {s: (h, t) for s, (h, t) in silence.look().items() if h.is_selling_all}
        if any(seconds > senders.PATIENCE_SECONDS for _, seconds in for_selling.values()):
            senders.shut_out_silent(silence, reads_take_seconds=0)
        if time.monotonic() > give_up_at:
            yield False
            return
        time.sleep(senders.LOOK_PAUSE_SECONDS)


def _take_away_what_rests(report: FlattenReport) -> None:
    """Cancel the stops and targets that hold what is to be sold, of all symbols at once; what fails is tried again."""
    symbols = set(Order.objects.protecting().values_list("symbol", flat=True))
    try:
        left = resting.take_away(symbols, broker=current_providers().switch_broker)
    except ConnectorError as error:
        report.problems.append(f"what rests to protect positions could not be cancelled: {error}")
        return
    report.problems += [f"{order.symbol}: {order.purpose} is not cancelled yet" for order in left]


def _sell_all(engagement: KillSwitch, report: FlattenReport) -> None:
    _take_away_what_rests(report)
    reported, read_at = _read(), time.monotonic()
    report.problems += [
        f"{row.symbol or 'a position'} cannot be read, sell it at the broker: {row.detail}"
        for row in _unread(reported)
    ]
    report.left_alone = [str(row) for row in reported.unreadable if row not in _unread(reported)]
    for symbol in [position.symbol for position in _sellable(reported)]:
        if time.monotonic() - read_at > READ_KEPT_SECONDS:  # sell by what is held now, not by what was
            reported, read_at = _read(), time.monotonic()
        position = next((p for p in _sellable(reported) if p.symbol == symbol), None)
        if position is not None:
            _sell(engagement, position, report)


def _read() -> Holdings:
    return current_providers().switch_broker.holdings()


def _sellable(reported: Holdings) -> list[BrokerPosition]:
    """Return the positions whose value is known: what is worth nothing that anybody knows is not ours to sell."""
    return [position for position in reported.positions if position.market_value is not None]


def _unread(reported: Holdings) -> list[UnreadableRow]:
    """Return the rows of which it is not known how much is held."""
    known = {position.symbol for position in reported.positions}
    return [row for row in reported.unreadable if not row.other_kind and row.symbol not in known]


def _sell(engagement: KillSwitch, position: BrokerPosition, report: FlattenReport) -> None:
    if position.quantity_available <= 0:
        report.problems.append(f"{position.symbol}: nothing available to sell")
        return
    try:
        order = _order_for(engagement, position)
        order = submit_order(order.pk, available=position.quantity_available, attempts=ATTEMPTS)
    except (ConnectorError, TradingError, DatabaseError) as error:
        report.problems.append(f"{position.symbol}: {str(error).strip()}")
        return
    if order.acknowledged_at is None:
        report.problems.append(f"{position.symbol}: {order.broker_message or order.status}")
    else:
        report.ordered.append(position.symbol)


def _await_sales(report: FlattenReport) -> None:
    """Wait until what was ordered is sold, or time is up; say what is held."""
    give_up_at = time.monotonic() + CONFIRM_SECONDS
    reported = _read()
    while any(position.symbol in report.ordered for position in _sellable(reported)):
        if time.monotonic() > give_up_at:
            break
        time.sleep(CONFIRM_PAUSE_SECONDS)
        reported = _read()
    if not _unread(reported):
        report.remaining = {position.symbol: position.quantity for position in _sellable(reported)}


def _order_for(engagement: KillSwitch, position: BrokerPosition) -> Order:
    base = flatten_base(engagement.pk, position.symbol)
    mine = Order.objects.filter(
        purpose=Purpose.FLATTEN, symbol=position.symbol, client_order_id__startswith=str(base)
    )
    pending = mine.filter(status__in=UNSENT).first()  # of what rests at the broker nothing is available
    if pending is not None:
        return pending
    try:
        with transaction.atomic():
            order = Order.objects.create(
                client_order_id=client_order_id(base, Purpose.FLATTEN, mine.count()),
                symbol=position.symbol,
                side="sell",
                purpose=Purpose.FLATTEN,
                quantity=position.quantity_available,
                reference_price=position.current_price,
                time_in_force="gtc" if is_coin(position.symbol) else "day",
                exit_reason=ExitReason.DRAWDOWN if engagement.trigger == loss_limit.TRIGGER else "",
            )
            transitions.record_created(order, symbol=order.symbol, side="sell", quantity=str(order.quantity))
    except IntegrityError:  # written by one who was shut out in this moment
        return mine.latest("created_at")
    return order
