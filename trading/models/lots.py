"""Lots, the round trips they became, and what the books and the broker's account are compared by.

All of it but ``account_activities`` can be made anew from fills and activities (trading/performance/lots.py).
"""

from django.db import models
from django.db.models import Q

from ai.domain.text import LONGEST_MODEL_NAME
from risk.domain.numbers import plain_decimal
from trading.models.decision import AIDecision
from trading.models.market import Strategy
from trading.models.order import Order
from trading.models.shared.id_ends import index_of_ends


class Side(models.TextChoices):
    LONG = "long"
    SHORT = "short"


class OpenedBy(models.Model):
    """What a lot was opened by: the decision and what it was decided with; all null where its origin is unknown.

    An order placed at the broker by hand has an order and no decision. ``strategy_version``, ``model``,
    ``prompt_version`` and ``confidence`` are the decision's.
    """

    strategy = models.ForeignKey(Strategy, null=True, on_delete=models.PROTECT, related_name="+")
    strategy_version = models.PositiveIntegerField(null=True)
    model = models.CharField(max_length=LONGEST_MODEL_NAME, blank=True)
    prompt_version = models.CharField(max_length=40, blank=True)
    confidence = models.DecimalField(max_digits=5, decimal_places=4, null=True)

    class Meta:
        abstract = True


class Lot(OpenedBy):
    """What one execution opened; quantities in base units, as they are after later splits, money in USD.

    ``key`` is the execution's id, or the activity's. ``price`` is gross; ``cost`` is of what remains, a fee taken in
    the coin included, positive also for a short, which received it; ``fee`` is contained in it.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    symbol = models.CharField(max_length=32)
    number = models.PositiveIntegerField()
    key = models.CharField(max_length=128)
    side = models.CharField(max_length=5, choices=Side.choices)
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, related_name="lots")
    decision = models.ForeignKey(AIDecision, null=True, on_delete=models.PROTECT, related_name="lots")
    opened_at = models.DateTimeField()
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    price = models.DecimalField(max_digits=30, decimal_places=12)
    remaining = models.DecimalField(max_digits=28, decimal_places=9)
    cost = models.DecimalField(max_digits=40, decimal_places=6)
    fee = models.DecimalField(max_digits=40, decimal_places=6)

    class Meta:
        db_table = "lots"
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(name="one_lot_per_number", fields=["symbol", "number"]),
            models.CheckConstraint(name="lot_remaining_not_negative", condition=Q(remaining__gte=0)),
        ]
        # Read at each booking, and for what is held: the open ones.
        indexes = [models.Index(fields=["symbol"], name="lots_open", condition=Q(remaining__gt=0))]

    def __str__(self) -> str:
        left, whole = plain_decimal(self.remaining), plain_decimal(self.quantity)
        return f"{self.side} {left} of {whole} {self.symbol} at {plain_decimal(self.price)}"


class RoundTrip(OpenedBy):
    """A part of a lot and the execution that closed it, booked to what opened it; money in USD.

    ``cost`` is what the part was bought for and ``proceeds`` what it was sold for, both with the fees, of a short as
    well; ``exit_order`` is null where it left the account without a trade. ``is_alone``: no other is of the same entry
    and exit, so it is a trade of the statistics as it stands; false is never wrong, it is only slower to sum up.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    symbol = models.CharField(max_length=32)
    number = models.PositiveIntegerField()
    lot_number = models.PositiveIntegerField()
    key = models.CharField(max_length=128)
    side = models.CharField(max_length=5, choices=Side.choices)
    entry_order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, related_name="+")
    exit_order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, related_name="round_trips")
    entry_decision = models.ForeignKey(
        AIDecision, null=True, on_delete=models.PROTECT, related_name="round_trips"
    )
    exit_decision = models.ForeignKey(AIDecision, null=True, on_delete=models.PROTECT, related_name="+")
    exit_reason = models.CharField(max_length=20)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField()
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    entry_price = models.DecimalField(max_digits=30, decimal_places=12)
    exit_price = models.DecimalField(max_digits=30, decimal_places=12)
    cost = models.DecimalField(max_digits=40, decimal_places=6)
    proceeds = models.DecimalField(max_digits=40, decimal_places=6)
    fees = models.DecimalField(max_digits=40, decimal_places=6)
    realised_pnl = models.DecimalField(max_digits=40, decimal_places=6)
    is_alone = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        db_table = "round_trips"
        ordering = ["-closed_at", "-id"]
        constraints = [models.UniqueConstraint(name="one_trip_per_number", fields=["symbol", "number"])]
        # Read by the report of a span of time, and by the console's list.
        indexes = [
            index_of_ends("round_trips_id_ends"),
            models.Index(fields=["-closed_at", "-id"], name="round_trips_recent"),
            # Read by the report: the few that are no trade alone, and have to be grouped.
            models.Index(
                fields=["closed_at"],
                name="round_trips_grouped",
                condition=Q(is_alone=False, exit_order__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        earned, why = f"{self.realised_pnl:+.2f} USD", self.exit_reason.replace("_", " ")
        return f"{self.side} {plain_decimal(self.quantity)} {self.symbol}: {earned} ({why})"


class SymbolBook(models.Model):
    """A symbol's running totals, and how far its entries are counted; its row is locked by whoever counts more.

    ``last_*`` are the place of the last entry. ``is_estimated``: an execution was not on record yet, and stands in
    by the order's average, so the symbol is counted anew the next time. ``broker_*`` is what the broker said at the
    last comparison, by which a split is known.
    """

    symbol = models.CharField(max_length=32, primary_key=True)
    lots_made = models.PositiveIntegerField(default=0)
    closes_made = models.PositiveIntegerField(default=0)
    executions = models.PositiveIntegerField(default=0)
    quantity = models.DecimalField(max_digits=28, decimal_places=9, default=0)
    cost = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    realised_pnl = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    cash_flow = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    fees = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    moved = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    last_at = models.DateTimeField(null=True)
    last_noted_at = models.DateTimeField(null=True)
    last_key = models.CharField(max_length=128, blank=True)
    is_estimated = models.BooleanField(default=False)
    broker_quantity = models.DecimalField(max_digits=28, decimal_places=9, default=0)
    broker_unit_cost = models.DecimalField(max_digits=30, decimal_places=12, default=0)

    class Meta:
        db_table = "symbol_books"

    def __str__(self) -> str:
        return f"{self.symbol}: {self.quantity}"


class AccountActivity(models.Model):
    """What changed the account without an execution of an order we know.

    ``adopted``: more (or, negative, less) of a symbol is held than the executions explain; it has the broker's cost
    per unit in ``price``. ``split``: ``price`` is new units per old one. ``unrealised_before`` is what the adopted
    had earned until then, USD, which is no result of ours. The others are cash that the broker booked by itself:
    ``amount`` USD, under the broker's own id (``key``) and word (``broker_kind``); ``price`` is what was paid a share.
    """

    class Kind(models.TextChoices):
        ADOPTED = "adopted"
        SPLIT = "split"
        DIVIDEND = "dividend"
        INTEREST = "interest"
        FEE = "fee"
        TRANSFER = "transfer"
        OTHER = "other"

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=128, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    symbol = models.CharField(max_length=32, db_index=True, blank=True)
    quantity = models.DecimalField(max_digits=28, decimal_places=9, default=0)
    price = models.DecimalField(max_digits=30, decimal_places=12)
    amount = models.DecimalField(max_digits=40, decimal_places=6, default=0, db_default=0)
    broker_kind = models.CharField(max_length=20, blank=True, default="", db_default="")
    description = models.CharField(max_length=200, blank=True, default="", db_default="")
    unrealised_before = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    happened_at = models.DateTimeField()
    noted_at = models.DateTimeField()

    class Meta:
        db_table = "account_activities"
        ordering = ["-happened_at", "-id"]
        verbose_name_plural = "account activities"

    def __str__(self) -> str:
        if self.amount:
            return f"{self.kind} {self.symbol} {self.amount:+.2f} USD"
        return f"{self.kind} {self.symbol} {plain_decimal(self.quantity)}"


class CashLine(OpenedBy):
    """A part of what the broker paid or took by itself, booked to the lot it was for; all null where it was for none.

    ``kind`` is the activity's (``dividend``); ``amount`` in USD, those of an activity sum to its own.
    """

    id = models.BigAutoField(primary_key=True)
    activity = models.ForeignKey(AccountActivity, on_delete=models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=10)
    symbol = models.CharField(max_length=32, blank=True)
    decision = models.ForeignKey(AIDecision, null=True, on_delete=models.PROTECT, related_name="+")
    amount = models.DecimalField(max_digits=40, decimal_places=6)
    happened_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "cash_lines"
        ordering = ["-happened_at", "-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.symbol} {self.amount:+.2f} USD"


class BookCheck(models.Model):
    """The one comparison of our books with the broker's account: since when, and what has been told of it.

    ``opening_*`` is the account when the comparison began; ``activities_read_on`` the last session's date for which the
    broker was asked what else it has booked. ``unexplained_cash`` was told to a person and stays part
    of the account; ``rounding`` is what cents rounded at the broker add up to. ``seen`` is a difference met once:
    the next sync has to confirm it, for a fill may have come between the account and the positions.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    opened_at = models.DateTimeField()
    opening_equity = models.DecimalField(max_digits=40, decimal_places=6)
    opening_cash = models.DecimalField(max_digits=40, decimal_places=6)
    opening_unrealised = models.DecimalField(max_digits=40, decimal_places=6)
    opening_realised = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    opening_moved = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    executions = models.PositiveIntegerField(default=0)
    unexplained_cash = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    rounding = models.DecimalField(max_digits=40, decimal_places=6, default=0)
    seen = models.JSONField(default=list)
    checked_sequence = models.BigIntegerField(default=0)
    checked_market_time = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    agreed_at = models.DateTimeField(null=True)
    activities_read_on = models.DateField(null=True)

    class Meta:
        db_table = "book_checks"
        constraints = [models.CheckConstraint(name="one_book_check", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"compared since {self.opened_at:%Y-%m-%d}"
