"""The risk room's facts: limits, checks, reservations and the kill switch."""

import uuid
from decimal import ROUND_UP, Decimal

from django.db import models
from django.db.models import F, Q
from uuid6 import uuid7

from risk.domain import trust
from risk.domain.numbers import plain_decimal
from risk.domain.types import LimitValues

LAST_DIGIT = Decimal("0.0001")
LONGEST_MODEL_NAME = 500
LONGEST_ANSWERED_NAME = 200
LONGEST_SCOPE = 40


class RiskLimits(models.Model):
    """One version of the account's limits; the highest version is in force. Percent of equity.

    The two of risk are what may be lost where stops sell, of one position and of all.
    """

    version = models.PositiveIntegerField(primary_key=True)
    max_position_percent = models.DecimalField(max_digits=6, decimal_places=3)
    max_exposure_percent = models.DecimalField(max_digits=6, decimal_places=3)
    max_positions = models.PositiveIntegerField()
    max_daily_loss_percent = models.DecimalField(max_digits=6, decimal_places=3)
    max_position_risk_percent = models.DecimalField(max_digits=6, decimal_places=3, default=1, db_default=1)
    max_open_risk_percent = models.DecimalField(max_digits=6, decimal_places=3, default=5, db_default=5)
    author = models.CharField(max_length=150)
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "version of the limits"
        verbose_name_plural = "versions of the limits"
        db_table = "risk_limits"
        ordering = ["-version"]
        constraints = [
            models.CheckConstraint(
                name="risk_limits_in_bounds",
                condition=Q(max_position_percent__gt=0, max_position_percent__lte=100)
                & Q(max_exposure_percent__gt=0, max_exposure_percent__lte=100)
                & Q(max_daily_loss_percent__gt=0, max_daily_loss_percent__lte=100)
                & Q(max_position_risk_percent__gt=0, max_position_risk_percent__lte=100)
                & Q(max_open_risk_percent__gt=0, max_open_risk_percent__lte=100)
                & Q(max_positions__gte=1),
            )
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    def to_limits(self) -> LimitValues:
        """Return the row as the gate's input."""
        return LimitValues(
            version=self.version,
            max_position_percent=self.max_position_percent,
            max_exposure_percent=self.max_exposure_percent,
            max_positions=self.max_positions,
            max_daily_loss_percent=self.max_daily_loss_percent,
            max_position_risk_percent=self.max_position_risk_percent,
            max_open_risk_percent=self.max_open_risk_percent,
        )


class TrustCurve(models.Model):
    """One published version of what a model's stated confidence is worth; the highest of each scope is in force.

    Whose decisions it is about: ``model`` as asked for, ``answered_model`` as the provider names it ("": it does not),
    ``strategy`` its id or ``*``, ``prompt_version`` or ``*``. ``knots`` are [[confidence, probability, lower bound,
    n effective], …] as text, ``break_even`` and ``reference`` shares of right decisions, ``valid_until`` market time.
    ``label_spec`` says what being right means, ``evidence`` from which outcomes. The database refuses to change a row.
    """

    version = models.AutoField(primary_key=True)
    model = models.CharField(max_length=LONGEST_MODEL_NAME)
    answered_model = models.CharField(max_length=LONGEST_ANSWERED_NAME, blank=True)
    strategy = models.CharField(max_length=LONGEST_SCOPE, default=trust.ANY)
    prompt_version = models.CharField(max_length=LONGEST_SCOPE, default=trust.ANY)
    label_spec = models.CharField(max_length=LONGEST_SCOPE)
    knots = models.JSONField()
    break_even = models.DecimalField(max_digits=5, decimal_places=4)
    reference = models.DecimalField(max_digits=5, decimal_places=4)
    valid_until = models.DateTimeField()
    evidence = models.JSONField(default=dict)
    author = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "trust_curves"
        ordering = ["-version"]
        constraints = [
            models.CheckConstraint(
                name="trust_curve_in_bounds",
                condition=Q(break_even__gte=0, reference__lte=1, break_even__lt=F("reference")),
            ),
        ]
        # Read by the gate: the newest version of each scope.
        indexes = [
            models.Index(
                fields=["model", "answered_model", "strategy", "prompt_version", "-version"],
                name="trust_curves_in_force",
            )
        ]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def scope(self) -> trust.Scope:
        """Whose decisions it is about."""
        return trust.Scope(self.model, self.strategy, self.prompt_version, self.answered_model)

    def to_curve(self) -> trust.TrustCurve:
        """Return the row as the gate's input; what cannot be read of it makes it malformed, which has the floor."""
        return trust.TrustCurve(
            version=self.version,
            scope=self.scope,
            knots=trust.read_knots(self.knots),
            break_even=self.break_even,
            reference=self.reference,
            valid_until=self.valid_until,
        )


class RiskCheck(models.Model):
    """What the gate answered for one decision, with every number it used.

    ``limits_version`` and ``strategy_version`` name the account's and the strategy's limits it judged by.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    cycle_id = models.UUIDField(db_index=True)
    decision_id = models.UUIDField(db_index=True)
    symbol = models.CharField(max_length=32)
    reducing = models.BooleanField()
    allowed = models.BooleanField()
    reason = models.CharField(max_length=40, blank=True)
    limits_version = models.PositiveIntegerField(null=True)
    strategy_version = models.PositiveIntegerField(null=True)
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    notional = models.DecimalField(max_digits=20, decimal_places=4)
    figures = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "check"
        db_table = "risk_checks"
        constraints = [
            models.CheckConstraint(
                name="risk_check_denied_has_reason",
                condition=(Q(allowed=True, reason="") | (Q(allowed=False) & ~Q(reason=""))),
            )
        ]
        # Read by the console's list of recent denials.
        indexes = [models.Index(fields=["-created_at"], name="risk_checks_recent")]

    def __str__(self) -> str:
        return f"{self.symbol} {'allowed' if self.allowed else self.reason.replace('_', ' ')}"


class ReservationQuerySet(models.QuerySet["RiskReservation"]):
    def counting(self) -> "ReservationQuerySet":
        """Return those that still take room in the book."""
        return self.filter(released_at__isnull=True)


class RiskReservation(models.Model):
    """Room in the risk book that an order takes until the broker's truth includes or ends it.

    ``risk`` is what an entry loses where its stop sells, in USD. ``quantity_in_positions`` is how much of it the stored
    positions include already: only the rest counts. ``in_buying_power``: the stored buying power was read after the
    broker had taken the order.
    """

    class Side(models.TextChoices):
        BUY = "buy"
        SELL = "sell"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    cycle_id = models.UUIDField(db_index=True)
    decision_id = models.UUIDField(unique=True)
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=Side.choices)
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    notional = models.DecimalField(max_digits=20, decimal_places=4)
    risk = models.DecimalField(max_digits=20, decimal_places=4, default=0, db_default=0)
    quantity_in_positions = models.DecimalField(max_digits=28, decimal_places=9, default=0)
    in_buying_power = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    released_at = models.DateTimeField(null=True)
    release_reason = models.CharField(max_length=40, blank=True)

    objects = ReservationQuerySet.as_manager()

    class Meta:
        verbose_name = "reservation"
        db_table = "risk_reservations"
        constraints = [
            models.CheckConstraint(name="reservation_positive", condition=Q(quantity__gt=0, notional__gt=0)),
            models.CheckConstraint(
                name="reservation_counts_within_itself",
                condition=Q(quantity_in_positions__gte=0, quantity_in_positions__lte=F("quantity")),
            ),
            # One order at a time works on a symbol: two reservations would race for the same room.
            models.UniqueConstraint(
                name="one_counting_reservation_per_symbol",
                fields=["symbol"],
                condition=Q(released_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} {plain_decimal(self.quantity)} {self.symbol}"

    @property
    def counting_notional(self) -> Decimal:
        """USD that the stored positions do not include yet, rounded up to the column's digits."""
        left = self.quantity - self.quantity_in_positions
        return (self.notional * left / self.quantity).quantize(LAST_DIGIT, ROUND_UP)

    @property
    def counting_risk(self) -> Decimal:
        """USD of ``risk`` that the stored positions do not include yet, rounded up to the column's digits."""
        left = self.quantity - self.quantity_in_positions
        return (self.risk * left / self.quantity).quantize(LAST_DIGIT, ROUND_UP)


class KillSwitch(models.Model):
    """One engagement of the switch; the switch is engaged while a row has no ``released_at``.

    ``flatten_by``: who asked for everything to be sold as well; empty: nobody. Rows are changed by single
    statements alone (``risk.services.switch``): an insert waits for whoever has changed the row in force.
    """

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(
        primary_key=True, default=uuid7, editable=False
    )
    engaged_at = models.DateTimeField(auto_now_add=True)
    engaged_by = models.CharField(max_length=150)
    trigger = models.CharField(max_length=40)
    reason = models.CharField(max_length=500)
    figures = models.JSONField(default=dict)
    flatten_by = models.CharField(max_length=150, blank=True)
    released_at = models.DateTimeField(null=True)
    released_by = models.CharField(max_length=150, blank=True)
    release_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "kill_switch"
        verbose_name = "engagement"
        verbose_name_plural = "engagements"
        ordering = ["-engaged_at"]
        permissions = [
            ("engage_killswitch", "Can engage the kill switch"),
            ("release_killswitch", "Can release the kill switch"),
        ]
        constraints = [
            models.UniqueConstraint(
                models.expressions.Value(1),
                name="one_engagement_at_a_time",
                condition=Q(released_at__isnull=True),
            ),
            models.CheckConstraint(
                name="release_is_explained",
                condition=Q(released_at__isnull=True) | (~Q(released_by="") & ~Q(release_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return f"engaged {self.engaged_at:%Y-%m-%d %H:%M} by {self.engaged_by}"
