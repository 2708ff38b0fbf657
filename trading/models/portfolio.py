"""The account's positions and equity as last synced from the broker."""

from decimal import Decimal

from django.db import models
from django.db.models import BigIntegerField, Func, Q, Value
from uuid6 import uuid7

from connectors.rows import UnreadableRow
from risk.domain.numbers import plain_decimal

SYNCS = "position_syncs"


def next_in_order() -> Func:
    """Return the next place in the order of syncs, drawn by the database when the statement runs.

    A place drawn later is greater, on whatever machine and whatever clocks and rollbacks do.
    """
    return Func(Value(SYNCS), function="nextval", output_field=BigIntegerField())


class Position(models.Model):
    """An open net position as the broker reported it; a closed one has no row (its trades and events stay).

    Quantities in base units, ``quantity_available`` is what no open order holds. Value and profit are null where the
    broker says no value that can be understood: what is held is not known to be worth anything, nor nothing.

    ``stop_price`` and ``target_price`` (USD) are where it is to be sold, null until that is settled; ``highest_price``
    is what a unit was worth at most since, which the stop follows at ``trailing_percent``; at ``sell_by`` (market time)
    it is sold in any case. ``stop_moved_by`` is the person who moved the stop last: all stops at the broker then stand
    at ``stop_price``. ``split_at`` (wall time) is when its last split was seen: what rests since before is of other
    units. ``protected_by`` says who sees to it, of all that is held, since ``protected_since`` (wall time; null: not
    now), ``unprotected_seconds`` for how long nobody did.
    """

    class ProtectedBy(models.TextChoices):
        BROKER = "broker", "by orders at the broker"
        SOFTWARE = "software", "by this program, while it runs"
        NOBODY = "none", "by nobody"

    symbol = models.CharField(max_length=32, primary_key=True)
    asset_class = models.CharField(max_length=6)
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    quantity_available = models.DecimalField(max_digits=28, decimal_places=9)
    average_entry_price = models.DecimalField(max_digits=24, decimal_places=12)
    market_value = models.DecimalField(max_digits=20, decimal_places=4, null=True)
    unrealised_pnl = models.DecimalField(max_digits=20, decimal_places=4, null=True)
    stop_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    target_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    highest_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    trailing_percent = models.DecimalField(max_digits=6, decimal_places=3, null=True)
    sell_by = models.DateTimeField(null=True)
    stop_moved_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    split_at = models.DateTimeField(null=True)
    protected_by = models.CharField(
        max_length=8, choices=ProtectedBy.choices, default=ProtectedBy.NOBODY, db_default=ProtectedBy.NOBODY
    )
    protected_since = models.DateTimeField(null=True)
    unprotected_since = models.DateTimeField(null=True)
    unprotected_seconds = models.DecimalField(max_digits=12, decimal_places=3, default=0, db_default=0)
    source = models.CharField(max_length=20)
    opened_at = models.DateTimeField()
    synced_at = models.DateTimeField()

    class Meta:
        db_table = "positions"
        permissions = [
            ("reconcile_position", "Can reconcile with the broker"),
            ("close_position", "Can close a position"),
        ]
        ordering = ["symbol"]
        constraints = [models.CheckConstraint(name="position_not_empty", condition=~Q(quantity=0))]

    def __str__(self) -> str:
        return f"{plain_decimal(self.quantity)} {self.symbol}"

    @property
    def unrealised_percent(self) -> Decimal | None:
        """What it has gained of its cost, in percent; None where its value is not known."""
        cost = abs(self.quantity) * self.average_entry_price
        return self.unrealised_pnl / cost * 100 if self.unrealised_pnl is not None and cost else None

    @property
    def exposure(self) -> Decimal:
        """What it counts for against the limits, in USD: its value, or its cost where that is not known."""
        if self.market_value is None:
            return abs(self.average_entry_price * self.quantity)
        return abs(self.market_value)


class SetAsideRow(models.Model):
    """A row of one of the broker's lists that could not be understood when that list was last read.

    ``field`` held ``value``; ``other_kind`` says what it is where it is sound but not traded here, an option, say.
    """

    id = models.BigAutoField(primary_key=True)
    listing = models.CharField(max_length=20, db_index=True)
    symbol = models.CharField(max_length=32, blank=True)
    row_id = models.CharField(max_length=128, blank=True)
    field = models.CharField(max_length=100, blank=True)
    value = models.CharField(max_length=300, blank=True)
    other_kind = models.CharField(max_length=40, blank=True)
    noted_at = models.DateTimeField()

    class Meta:
        db_table = "set_aside_rows"
        ordering = ["listing", "symbol", "id"]

    def __str__(self) -> str:
        return str(self.as_read)

    @property
    def as_read(self) -> UnreadableRow:
        """The row as its reader named it."""
        return UnreadableRow(
            self.field, self.value, row_id=self.row_id, symbol=self.symbol, other_kind=self.other_kind
        )

    @property
    def name(self) -> str:
        """What it is called, in its reader's words."""
        return self.as_read.name

    @property
    def detail(self) -> str:
        """What is the matter with it, in its reader's words."""
        return self.as_read.detail


class EquityQuerySet(models.QuerySet["EquitySnapshot"]):
    def newest(self) -> "EquitySnapshot | None":
        """Return what the last sync reported, in the order of syncs; by time what is older than that order."""
        return self.last_synced().first() or self.order_by("-created_at").first()

    def last_synced(self) -> "EquityQuerySet":
        """Return the one row that the last sync stored, for who reads it with more."""
        return self.filter(sync_sequence__isnull=False).order_by("-sync_sequence")[:1]


class EquitySnapshot(models.Model):
    """The account's money at one moment, in USD; ``session_start_equity`` is the previous close's.

    ``sync_sequence`` is the place, in the order of syncs, of the sync that reported it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    cycle_id = models.UUIDField(null=True, db_index=True)
    equity = models.DecimalField(max_digits=20, decimal_places=4)
    session_start_equity = models.DecimalField(max_digits=20, decimal_places=4)
    cash = models.DecimalField(max_digits=20, decimal_places=4)
    buying_power = models.DecimalField(max_digits=20, decimal_places=4)
    market_time = models.DateTimeField()
    source = models.CharField(max_length=20)
    sync_sequence = models.BigIntegerField(null=True, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = EquityQuerySet.as_manager()

    class Meta:
        verbose_name = "equity reading"
        db_table = "equity_snapshots"
        ordering = ["-created_at"]
        # Read by the drawdown guard: the equity of some days of market time; by the report: each session's last.
        indexes = [models.Index(fields=["market_time", "equity"], name="equity_by_market_time")]

    def __str__(self) -> str:
        return f"{self.equity:,.2f} USD at {self.market_time:%Y-%m-%d %H:%M}"
