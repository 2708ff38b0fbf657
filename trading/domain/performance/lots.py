"""Lots of one symbol: an execution opens one, executions the other way close the oldest first. Pure and repeatable.

The same entries in the same order give the same lots, whenever and however often they are counted: what is stored can
be made anew from the fills (docs/metrics.md, "Lots"). Quantities in base units to nine digits, money in USD to six,
each rounded where it is booked, so that sums of parts are exact.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from uuid import UUID

from risk.domain.numbers import ONE, ZERO
from trading.domain.profit import COIN_FEE_RATE

QUANTITY, MONEY, PRICE = Decimal("1e-9"), Decimal("1e-6"), Decimal("1e-12")
DIGITS = 60  # of the widest product: a broker's oddest row must not stop a booking
DUST = Decimal("1e-8")  # what rounding a coin's fee leaves over, or lets one sell beyond the lots


class Method(enum.StrEnum):
    """Which lots a close takes from: the oldest first, or each its share, which is the average cost."""

    FIFO = "fifo"
    AVERAGE = "average"


class Kind(enum.StrEnum):
    """What an entry is: one that trades, or one that changes what is held without a trade."""

    EXECUTION = "execution"
    ADOPTED = "adopted"
    SPLIT = "split"


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened to a symbol at one moment.

    Args:
        at: market time; ``noted_at`` the wall time of its record and ``key`` its name decide among equals.
        quantity: of an execution gross and positive; of what was adopted signed: more, or less, is held.
        price: USD per base unit; of what was adopted, its cost. Of a split: new units per old one.
        order_id: of an execution.
    """

    at: datetime
    noted_at: datetime
    key: str
    kind: Kind
    quantity: Decimal = ZERO
    price: Decimal = ONE
    is_buy: bool = True
    order_id: UUID | None = None

    @property
    def place(self) -> tuple[datetime, datetime, str]:
        """Where it stands among the entries of its symbol."""
        return (self.at, self.noted_at, self.key)


@dataclass(slots=True)
class Lot:
    """What one execution opened. ``remaining`` of it is held, or owed where it is short.

    Args:
        number: counts the lots of the symbol from 1.
        quantity: what was opened, net of a fee in kind, in units as they are after later splits.
        price: paid or received per unit, gross.
        cost: of what remains, positive: spent, or received where it is short; ``fee`` is contained in it.
    """

    number: int
    key: str
    order_id: UUID | None
    opened_at: datetime
    is_long: bool
    quantity: Decimal
    price: Decimal
    remaining: Decimal
    cost: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class Close:
    """A part of a lot that was closed: a round trip.

    Args:
        number: counts the closes of the symbol from 1.
        order_id: what closed it; None: it left the account without a trade.
        cost: of the part, ``proceeds`` for it, both with the fees; of a short the other way round.
        fees: both ways, USD.
    """

    number: int
    key: str
    lot: int
    order_id: UUID | None
    closed_at: datetime
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    cost: Decimal
    proceeds: Decimal
    fees: Decimal

    @property
    def realised(self) -> Decimal:
        """What it earned after fees, USD."""
        return self.proceeds - self.cost


@dataclass(frozen=True, slots=True)
class Applied:
    """What one entry did: the lot it opened, those it changed, and the parts it closed."""

    opened: Lot | None = None
    changed: Sequence[Lot] = ()
    closes: Sequence[Close] = ()


@dataclass(slots=True)
class Ledger:
    """The open lots of a symbol with their totals.

    ``flow`` is what all executions brought to the cash (buys are negative), ``moved`` the cost of what came in without
    one, less what left or never came. Always: flow + cost of what is held (less that of shorts) = realised + moved.
    """

    is_coin: bool
    method: Method = Method.FIFO
    lots: list[Lot] = field(default_factory=list)
    lots_made: int = 0
    closes_made: int = 0
    executions: int = 0
    realised: Decimal = ZERO
    flow: Decimal = ZERO
    fees: Decimal = ZERO
    moved: Decimal = ZERO
    last: tuple[datetime, datetime, str] | None = None

    @property
    def quantity(self) -> Decimal:
        """What is held by the lots, negative where it is owed."""
        return sum((lot.remaining if lot.is_long else -lot.remaining for lot in self.lots), ZERO)

    @property
    def cost(self) -> Decimal:
        """What the open lots cost, less what shorts received."""
        return sum((lot.cost if lot.is_long else -lot.cost for lot in self.lots), ZERO)

    def takes(self, entry: Entry) -> bool:
        """Return whether the entry comes after all that were applied."""
        return self.last is None or entry.place > self.last

    def apply(self, entry: Entry) -> Applied:
        """Apply the next entry; return what it did.

        Raises:
            ValueError: it belongs before one that was applied already.
        """
        if not self.takes(entry):
            raise ValueError(f"entry {entry.key} belongs before {self.last}")
        self.last = entry.place
        with localcontext() as context:
            context.prec = DIGITS
            if entry.kind is Kind.SPLIT:
                return self._split(entry)
            if entry.kind is Kind.ADOPTED:
                return self._adopt(entry)
            return self._execute(entry)

    def _execute(self, entry: Entry) -> Applied:
        self.executions += 1
        gross = (entry.quantity * entry.price).quantize(MONEY, ROUND_HALF_UP)
        fee = (gross * COIN_FEE_RATE).quantize(MONEY, ROUND_HALF_UP) if self.is_coin else ZERO
        received = entry.quantity
        if entry.is_buy and self.is_coin:
            received = (received * (1 - COIN_FEE_RATE)).quantize(QUANTITY, ROUND_DOWN)
        # The fee of a coin bought is taken in the coin: less is received for the same money.
        money = gross if entry.is_buy else gross - fee
        self.flow += -money if entry.is_buy else money
        self.fees += fee
        if (
            received == 0
        ):  # so little of a coin that its fee takes all of it: the money is gone, and nothing came
            self.moved -= money
        return self._take(entry, received, money, fee)

    def _adopt(self, entry: Entry) -> Applied:
        quantity, is_more = abs(entry.quantity), entry.quantity > 0
        before = self.cost
        closes: list[Close] = []
        if self._closing(is_more):  # it leaves at its cost: nothing was earned by it
            held = sum((lot.remaining for lot in self.lots), ZERO)
            parts = self._parts(min(quantity, held))
            closes = [self._close(lot, part, entry, money=None, fee=ZERO) for lot, part in parts]
            quantity -= sum((part for _, part in parts), ZERO)
        touched = self._touched(closes)
        opened = None
        if quantity > 0:
            money = (quantity * entry.price).quantize(MONEY, ROUND_HALF_UP)
            opened = self._open(entry, quantity, money, ZERO, is_long=is_more)
        self.moved += self.cost - before
        return Applied(opened=opened, changed=touched, closes=closes)

    def _split(self, entry: Entry) -> Applied:
        for lot in self.lots:
            lot.quantity = (lot.quantity * entry.price).quantize(QUANTITY, ROUND_HALF_UP)
            lot.remaining = (lot.remaining * entry.price).quantize(QUANTITY, ROUND_HALF_UP)
            lot.price = (lot.price / entry.price).quantize(PRICE, ROUND_HALF_UP)
        return Applied(changed=list(self.lots))

    def _closing(self, is_buy: bool) -> bool:
        return bool(self.lots) and self.lots[0].is_long != is_buy

    def _take(self, entry: Entry, quantity: Decimal, money: Decimal, fee: Decimal) -> Applied:
        """Close what is held the other way, and open with what is left of the execution."""
        closes: list[Close] = []
        left, money_left, fee_left = quantity, money, fee
        if self._closing(entry.is_buy):
            held = sum((lot.remaining for lot in self.lots), ZERO)
            beyond = quantity - held
            if self.is_coin and beyond > 0 and beyond <= DUST:
                left = held
            parts = self._parts(min(left, held))
            for lot, part in parts:
                is_last = part == left
                its_money = money_left if is_last else (money * part / quantity).quantize(MONEY)
                its_fee = fee_left if is_last else (fee * part / quantity).quantize(MONEY)
                closes.append(self._close(lot, part, entry, money=its_money, fee=its_fee))
                left, money_left, fee_left = left - part, money_left - its_money, fee_left - its_fee
        opened = None
        if left > 0:
            opened = self._open(entry, left, money_left, fee_left, is_long=entry.is_buy)
        return Applied(opened=opened, changed=self._touched(closes), closes=closes)

    def _touched(self, closes: Sequence[Close]) -> list[Lot]:
        numbers = {close.lot for close in closes}
        touched = [lot for lot in self.lots if lot.number in numbers]
        self.lots = [lot for lot in self.lots if lot.remaining > 0]
        return touched

    def _parts(self, quantity: Decimal) -> list[tuple[Lot, Decimal]]:
        """Return how much is taken of which lots; what is left over of a coin goes with the last."""
        held = sum((lot.remaining for lot in self.lots), ZERO)
        if self.is_coin and ZERO < held - quantity <= DUST:
            self._drop_dust(held - quantity)
            held = quantity
        if self.method is Method.FIFO or held == quantity:
            wanted = [(lot, lot.remaining) for lot in self.lots]
        else:
            shares = [
                (lot, (quantity * lot.remaining / held).quantize(QUANTITY, ROUND_DOWN)) for lot in self.lots
            ]
            rest = [
                (lot, lot.remaining - share) for lot, share in shares
            ]  # what rounding down left to be taken
            wanted = shares + rest
        parts: list[tuple[Lot, Decimal]] = []
        left = quantity
        for lot, most in wanted:
            part = min(most, left)
            if part > 0:
                parts.append((lot, part))
                left -= part
        return parts

    def _drop_dust(self, dust: Decimal) -> None:
        """Take what rounding left over from the youngest lots, whose cost stays with what remains of them."""
        for lot in reversed(self.lots):
            part = min(dust, lot.remaining)
            lot.remaining -= part
            dust -= part
            if dust <= 0:
                return

    def _close(self, lot: Lot, part: Decimal, entry: Entry, *, money: Decimal | None, fee: Decimal) -> Close:
        is_all = part == lot.remaining
        cost = lot.cost if is_all else (lot.cost * part / lot.remaining).quantize(MONEY, ROUND_HALF_UP)
        entry_fee = lot.fee if is_all else (lot.fee * part / lot.remaining).quantize(MONEY, ROUND_HALF_UP)
        money = cost if money is None else money
        lot.remaining, lot.cost, lot.fee = lot.remaining - part, lot.cost - cost, lot.fee - entry_fee
        self.closes_made += 1
        close = Close(
            number=self.closes_made,
            key=entry.key,
            lot=lot.number,
            order_id=entry.order_id,
            closed_at=entry.at,
            quantity=part,
            entry_price=lot.price,
            exit_price=entry.price,
            cost=cost if lot.is_long else money,
            proceeds=money if lot.is_long else cost,
            fees=entry_fee + fee,
        )
        self.realised += close.realised
        return close

    def _open(self, entry: Entry, quantity: Decimal, money: Decimal, fee: Decimal, *, is_long: bool) -> Lot:
        self.lots_made += 1
        lot = Lot(
            number=self.lots_made,
            key=entry.key,
            order_id=entry.order_id,
            opened_at=entry.at,
            is_long=is_long,
            quantity=quantity,
            price=entry.price,
            remaining=quantity,
            cost=money,
            fee=fee,
        )
        self.lots.append(lot)
        return lot


@dataclass(frozen=True, slots=True)
class Counted:
    """All lots and closes that some entries make, and the ledger after the last."""

    ledger: Ledger
    lots: Sequence[Lot]
    closes: Sequence[Close]


def count(entries: Iterable[Entry], *, is_coin: bool, method: Method = Method.FIFO) -> Counted:
    """Count a symbol's entries from the first on; they may come in any order.

    Returns:
        Every lot, closed ones too, and every close, in the order in which they were made.
    """
    ledger = Ledger(is_coin=is_coin, method=method)
    lots: list[Lot] = []
    closes: list[Close] = []
    for entry in sorted(entries, key=lambda each: each.place):
        applied = ledger.apply(entry)
        if applied.opened is not None:
            lots.append(applied.opened)
        closes += applied.closes
    return Counted(ledger, lots, closes)
