"""Orders, their fills, and the trades they became."""

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from uuid6 import uuid7

from risk.domain.numbers import plain_decimal
from risk.models import RiskReservation
from trading.domain.order_ids import PROTECTIVE, Purpose
from trading.domain.statuses import LIVE_ORDER, OPEN_ORDER, OrderStatus
from trading.models.decision import AIDecision
from trading.models.market import Strategy
from trading.models.shared.id_ends import index_of_ends


class SideChoice(models.TextChoices):
    BUY = "buy"
    SELL = "sell"


class OrderQuerySet(models.QuerySet["Order"]):
    def open(self) -> "OrderQuerySet":
        """Return the orders that have not ended."""
        return self.filter(status__in=OPEN_ORDER)

    def live(self) -> "OrderQuerySet":
        """Return the orders the broker has or may have."""
        return self.filter(status__in=LIVE_ORDER)

    def protecting(self) -> "OrderQuerySet":
        """Return those that rest at the broker, or are on their way there, to sell what is held when it has to be."""
        return self.open().filter(purpose__in=PROTECTIVE)

    def unbooked(self) -> "OrderQuerySet":
        """Return the orders of which more has filled than is booked for good."""
        return self.filter(filled_quantity__gt=F("booked_quantity"))


class Order(models.Model):
    """An order of ours, committed before its request leaves; quantities in base units.

    ``quantity`` is null only for an external order placed by notional. ``broker_message`` keeps the
    broker's words when it rejected. ``lease_until`` guards a request under way: until then nobody else
    may conclude anything about it. ``ended_sequence`` is the place of its end in the order of position syncs:
    a sync of a later place holds what it filled. ``attempts`` counts tries, look-ups included, ``posts`` the requests
    that may have left; neither is tried again before ``next_try_at``. ``booked_quantity`` is how much of what filled is
    booked for good: in its trade, and its saga, where it has one, complete; whoever books keeps it. ``exit_reason`` is
    the word its trade gets where it says more than the purpose does (domain/performance/exit_reasons.py).
    """

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(
        primary_key=True, default=uuid7, editable=False
    )
    client_order_id = models.CharField(max_length=128)
    broker_order_id = models.CharField(max_length=64, null=True, unique=True)
    decision = models.ForeignKey(AIDecision, null=True, on_delete=models.PROTECT, related_name="orders")
    reservation = models.ForeignKey(RiskReservation, null=True, on_delete=models.PROTECT, related_name="+")
    cycle_id = models.UUIDField(null=True, db_index=True)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=SideChoice.choices)
    purpose = models.CharField(max_length=12, choices=[(p.value, p.value) for p in Purpose])
    quantity = models.DecimalField(max_digits=28, decimal_places=9, null=True)
    reference_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    time_in_force = models.CharField(max_length=4)
    order_type = models.CharField(max_length=12, default="market", db_default="market")
    order_class = models.CharField(max_length=8, blank=True, default="", db_default="")
    limit_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    stop_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    stop_loss_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    take_profit_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    parent_order = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="legs")
    status = models.CharField(
        max_length=20, choices=[(s.value, s.value) for s in OrderStatus], default=OrderStatus.CREATED
    )
    filled_quantity = models.DecimalField(max_digits=28, decimal_places=9, default=0)
    booked_quantity = models.DecimalField(
        max_digits=28, decimal_places=9, default=Decimal(0), db_default=Decimal(0), editable=False
    )
    average_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    posts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    exit_reason = models.CharField(max_length=20, blank=True, db_default="", default="")
    broker_message = models.TextField(blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_sequence = models.BigIntegerField(null=True, editable=False)

    objects = OrderQuerySet.as_manager()

    class Meta:
        db_table = "orders"
        constraints = [
            # Finds a beginning, too: read by the search of the console, and for the next name of a stop.
            models.UniqueConstraint(
                name="one_order_per_client_order_id",
                fields=["client_order_id"],
                opclasses=["varchar_pattern_ops"],
            ),
            # One decision, at most one entry order.
            models.UniqueConstraint(
                name="one_entry_per_decision", fields=["decision"], condition=Q(purpose="entry")
            ),
            models.CheckConstraint(
                name="order_quantity_positive",
                condition=Q(quantity__gt=0) | (Q(purpose="external") & Q(quantity__isnull=True)),
            ),
            models.CheckConstraint(
                name="filled_within_ordered",
                condition=Q(filled_quantity__gte=0)
                & (Q(quantity__isnull=True) | Q(filled_quantity__lte=F("quantity"))),
            ),
            models.CheckConstraint(
                name="entry_has_decision",
                condition=Q(decision__isnull=False) | ~Q(purpose="entry"),
            ),
        ]
        indexes = [
            index_of_ends("orders_id_ends"),
            # Read by the sweeper and reconciliation: what has not ended.
            models.Index(
                fields=["created_at"],
                name="orders_open",
                condition=Q(status__in=[s.value for s in OPEN_ORDER]),
            ),
            # Read by the sweeper, every second: what has filled and is not booked. Nearly always empty.
            models.Index(
                fields=["created_at"],
                name="orders_unbooked",
                condition=Q(filled_quantity__gt=F("booked_quantity")),
            ),
            models.Index(fields=["symbol", "-created_at"], name="orders_by_symbol"),
            # Read once a second: what protects each position.
            models.Index(
                fields=["symbol"],
                name="orders_protecting",
                condition=Q(
                    status__in=[s.value for s in OPEN_ORDER], purpose__in=["stop_loss", "take_profit"]
                ),
            ),
            # Read once a second: which entries brought legs lately.
            models.Index(fields=["created_at"], name="orders_with_legs", condition=~Q(order_class="")),
            # Read by each comparison with the broker's account: what has ended since the one before.
            models.Index(
                fields=["ended_sequence"], name="orders_by_end", condition=Q(ended_sequence__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        quantity = "" if self.quantity is None else f"{plain_decimal(self.quantity)} "
        return f"{self.side} {quantity}{self.symbol} ({self.status})".replace("_", " ")

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN_ORDER


class Fill(models.Model):
    """One execution; ``execution_id`` is the broker's."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    execution_id = models.CharField(max_length=128, unique=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    cycle_id = models.UUIDField(null=True, db_index=True)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=SideChoice.choices)
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    price = models.DecimalField(max_digits=24, decimal_places=12)
    executed_at = models.DateTimeField(db_index=True)
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [index_of_ends("fills_id_ends")]
        db_table = "fills"
        constraints = [models.CheckConstraint(name="fill_positive", condition=Q(quantity__gt=0, price__gt=0))]

    def __str__(self) -> str:
        return f"{self.side} {plain_decimal(self.quantity)} {self.symbol} at {plain_decimal(self.price)}"


class Trade(models.Model):
    """One row per filled order; ``realised_pnl`` in USD on reducing ones.

    ``traded_at`` is the market time of its last fill, by which profit belongs to a day; ``booked_at`` the wall time at
    which the order ended, or was looked at while it had not, by which it stands beside what else happened here.
    ``realised_pnl`` is by the average cost of what was held; by lots it is in ``round_trips``. ``exit_reason`` says why
    a reducing one was made; ``lots_quantity`` how much of it is in the lots. ``decision_price`` is what its decision
    saw, which never changes: here, slippage is summed up without the decisions.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="trade")
    decision = models.ForeignKey(AIDecision, null=True, on_delete=models.PROTECT, related_name="trades")
    strategy = models.ForeignKey(Strategy, null=True, on_delete=models.PROTECT, related_name="trades")
    cycle_id = models.UUIDField(null=True, db_index=True)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=SideChoice.choices)
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    price = models.DecimalField(max_digits=24, decimal_places=12)
    realised_pnl = models.DecimalField(max_digits=20, decimal_places=4, null=True)
    exit_reason = models.CharField(max_length=20, blank=True, db_default="", default="")
    reasoning = models.TextField(blank=True)
    decision_price = models.DecimalField(max_digits=24, decimal_places=12, null=True, editable=False)
    lots_quantity = models.DecimalField(
        max_digits=28, decimal_places=9, db_default=0, default=0, editable=False
    )
    traded_at = models.DateTimeField()
    booked_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "trades"
        # Read by the console's list and the P&L reports.
        indexes = [
            index_of_ends("trades_id_ends"),
            models.Index(fields=["-traded_at"], name="trades_recent"),
            # Read by the dashboard: what was traded since somebody last looked.
            models.Index(fields=["-booked_at"], name="trades_booked"),
            # Read by the timeline: the sales that reduced a position.
            models.Index(fields=["symbol", "booked_at"], name="trades_sales", condition=Q(side="sell")),
        ]

    def __str__(self) -> str:
        return f"{self.side} {plain_decimal(self.quantity)} {self.symbol} at {plain_decimal(self.price)}"
