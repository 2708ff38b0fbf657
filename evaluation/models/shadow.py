"""Shadow strategies: the book of each, and what it did in each cycle."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from uuid6 import uuid7

from ai.domain.text import LONGEST_MODEL_NAME
from risk.domain.numbers import plain_decimal
from trading.models import Strategy


class ShadowBook(models.Model):
    """The ledger of a strategy that never trades; USD.

    ``ledger`` is all of it, exact, as ``evaluation/services/shadow/ledger.py`` writes it. ``cycle_number`` is that of
    the last cycle it has seen, null before the first. The cycles are counted by what came of them; ``passed_over`` are
    those of days that had ended when somebody looked: they have no point.
    """

    class Origin(models.TextChoices):
        ACCOUNT = "account", "what the account was worth"
        STATED = "stated", "a stated sum"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    strategy = models.OneToOneField(Strategy, on_delete=models.PROTECT, related_name="shadow_book")
    start_equity = models.DecimalField(max_digits=20, decimal_places=4)
    start_account_equity = models.DecimalField(max_digits=20, decimal_places=4, null=True)
    origin = models.CharField(max_length=8, choices=Origin.choices)
    ledger = models.JSONField()
    cycle_number = models.BigIntegerField(null=True)
    decided = models.PositiveIntegerField(default=0)
    unanswered = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(default=0)
    passed_over = models.PositiveIntegerField(default=0)
    requests_asked = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    opened_at = models.DateTimeField(null=True, help_text="Market time of its first cycle.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "shadow_books"
        verbose_name = "shadow strategy"
        verbose_name_plural = "shadow strategies"
        ordering = ("strategy__name",)
        constraints = [
            models.CheckConstraint(name="shadow_book_starts_with_money", condition=Q(start_equity__gt=0))
        ]

    def __str__(self) -> str:
        return str(self.strategy)


class ShadowPoint(models.Model):
    """A book in one cycle: what it was worth after that cycle's fills, and what came of asking.

    Args of ``outcome``: decided; unanswered: asked, and not all was answered; missed: not asked, ``reason`` says why.
    ``account_equity`` is what the account was worth in the same cycle. ``notes`` tells of splits and
    delistings.
    """

    class Outcome(models.TextChoices):
        DECIDED = "decided", "decided"
        UNANSWERED = "unanswered", "unanswered"
        MISSED = "missed", "missed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    book = models.ForeignKey(ShadowBook, on_delete=models.CASCADE, related_name="points", db_index=False)
    cycle_id = models.UUIDField(help_text="No foreign key: the cycle may be forgotten before this.")
    cycle_number = models.BigIntegerField()
    at = models.DateTimeField(help_text="Market time.")
    equity = models.DecimalField(max_digits=20, decimal_places=4)
    cash = models.DecimalField(max_digits=20, decimal_places=4)
    exposure = models.DecimalField(max_digits=20, decimal_places=4)
    positions = models.PositiveIntegerField()
    account_equity = models.DecimalField(max_digits=20, decimal_places=4, null=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    reason = models.CharField(max_length=500, blank=True)
    notes = models.JSONField(default=list, blank=True)
    symbols_asked = models.PositiveIntegerField(default=0)
    requests_asked = models.PositiveIntegerField(default=0)
    latency_ms = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "shadow_points"
        ordering = ("-cycle_number",)
        constraints = [
            # Read by the curve of a book, the newest first.
            models.UniqueConstraint(name="one_point_per_cycle", fields=["book", "cycle_number"])
        ]

    def __str__(self) -> str:
        return f"{self.equity} at {self.at:%Y-%m-%d %H:%M:%S}"


class ShadowDecision(models.Model):
    """What a shadow strategy wanted to trade, and what the gate said of it on the strategy's own book.

    ``decided_at`` is market time: when it saw its prices, and the time that its answer took on top. ``price`` is
    what it saw, USD. ``record`` names what it saw of the market, ``request_hash`` what was sent. ``exit`` is where its
    position would be sold (``evaluation/domain/shadow_exits.py``); of what is no purchase it is empty.
    """

    class Status(models.TextChoices):
        """``given_up``: there was no cash, or nothing left to sell, when its price came."""

        DENIED = "denied", "denied"
        WAITING = "waiting", "waiting"
        FILLED = "filled", "filled"
        GIVEN_UP = "given_up", "given up"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    book = models.ForeignKey(ShadowBook, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    cycle_id = models.UUIDField()
    strategy_version = models.PositiveIntegerField()
    symbol = models.CharField(max_length=32)
    action = models.CharField(max_length=4, choices=[("buy", "buy"), ("sell", "sell")])
    confidence = models.DecimalField(max_digits=5, decimal_places=4)
    reasoning = models.TextField(blank=True)
    model = models.CharField(max_length=LONGEST_MODEL_NAME)
    prompt_version = models.CharField(max_length=40)
    as_of = models.DateTimeField()
    decided_at = models.DateTimeField()
    price = models.DecimalField(max_digits=24, decimal_places=12)
    status = models.CharField(max_length=8, choices=Status.choices)
    reason = models.CharField(max_length=40, blank=True)
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    figures = models.JSONField(default=dict, blank=True)
    exit = models.JSONField(default=dict, blank=True)
    record = models.CharField(max_length=64, blank=True)
    request_hash = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "shadow_decisions"
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(
                name="one_shadow_decision_per_symbol", fields=["book", "cycle_id", "symbol"]
            ),
            models.CheckConstraint(
                name="denied_shadow_says_why", condition=~Q(status="denied") | ~Q(reason="")
            ),
        ]
        # Read by the page of a book and by its list over REST, the newest first.
        indexes = [models.Index(fields=["book", "-created_at", "-id"], name="shadow_decisions_recent")]

    def __str__(self) -> str:
        return f"{self.action} {self.symbol}"


class ShadowFill(models.Model):
    """What an order of a shadow became; ``price`` after costs, ``snapshot_price`` before; fees in cash, USD.

    ``cause`` says what sold where no decision did. ``at`` is when its price was quoted, market time; it is later than
    the decision's ``decided_at``.
    """

    class Cause(models.TextChoices):
        DECISION = "decision", "decision"
        STOP_LOSS = "stop_loss", "stop loss"
        TRAILING_STOP = "trailing_stop", "trailing stop"
        TAKE_PROFIT = "take_profit", "take profit"
        TIME_STOP = "time_stop", "time stop"
        DELISTED = "delisted", "delisted"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    book = models.ForeignKey(ShadowBook, on_delete=models.CASCADE, related_name="fills", db_index=False)
    # A decision fills once.
    decision = models.OneToOneField(ShadowDecision, on_delete=models.CASCADE, related_name="fill", null=True)
    cause = models.CharField(max_length=13, choices=Cause.choices)
    cycle_id = models.UUIDField()
    cycle_number = models.BigIntegerField()
    symbol = models.CharField(max_length=32)
    side = models.CharField(max_length=4, choices=[("buy", "buy"), ("sell", "sell")])
    quantity = models.DecimalField(max_digits=28, decimal_places=9)
    price = models.DecimalField(max_digits=24, decimal_places=12)
    snapshot_price = models.DecimalField(max_digits=24, decimal_places=12)
    fees = models.DecimalField(max_digits=28, decimal_places=12)
    realised = models.DecimalField(max_digits=28, decimal_places=12)
    at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "shadow_fills"
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(
                name="one_shadow_fill_per_side", fields=["book", "cycle_number", "symbol", "side"]
            ),
            models.CheckConstraint(
                name="shadow_fill_has_a_cause",
                condition=Q(cause="decision", decision__isnull=False)
                | (~Q(cause="decision") & Q(decision__isnull=True)),
            ),
        ]
        # Read by the page of a book and by its list over REST, the newest first.
        indexes = [models.Index(fields=["book", "-created_at", "-id"], name="shadow_fills_recent")]

    def __str__(self) -> str:
        return f"{self.side} {plain_decimal(self.quantity)} {self.symbol}"
