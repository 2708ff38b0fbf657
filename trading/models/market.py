"""Market facts a cycle saw, the asset master, the universe and the strategies."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from uuid6 import uuid7

from ai.domain.stability import MOST_ANSWERS
from ai.domain.text import LONGEST_MODEL_NAME
from risk.domain.limits import LIMIT_NAMES
from risk.domain.numbers import plain_decimal
from risk.domain.types import SizingRule
from trading.domain.protection.plans import (
    DEFAULT_REWARD_TO_RISK,
    DEFAULT_STOP_PERCENT,
    TIGHTEST_STOP_PERCENT,
    WIDEST_STOP_PERCENT,
)
from trading.domain.protection.rule_bounds import LARGEST as LARGEST_RULE
from trading.domain.protection.rule_bounds import RULE_NAMES
from trading.domain.statuses import CandidateStatus
from trading.models.cycle import Cycle

LARGEST_LIMIT = {name: 10_000 if name == "max_positions" else 100 for name in LIMIT_NAMES}


class AssetClassChoice(models.TextChoices):
    STOCK = "stock"
    CRYPTO = "crypto"


class Asset(models.Model):
    """An instrument the broker lists; sizes in base units, ``dollar_volume`` of its last full day."""

    symbol = models.CharField(max_length=32, primary_key=True)
    name = models.CharField(max_length=200, blank=True)
    asset_class = models.CharField(max_length=6, choices=AssetClassChoice.choices)
    exchange = models.CharField(max_length=20, blank=True)
    tradable = models.BooleanField()
    fractionable = models.BooleanField()
    min_order_size = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    min_trade_increment = models.DecimalField(max_digits=28, decimal_places=12, null=True)
    dollar_volume = models.DecimalField(max_digits=28, decimal_places=4, null=True)
    refreshed_at = models.DateTimeField()

    class Meta:
        db_table = "assets"
        ordering = ["symbol"]
        # Read by the universe: the most traded of each class.
        indexes = [models.Index(fields=["asset_class", "-dollar_volume"], name="assets_by_volume")]

    def __str__(self) -> str:
        return self.symbol


class MarketSnapshot(models.Model):
    """One symbol as one cycle saw it: price with source and time, indicators, a second source's opinion.

    ``warning`` says that the two sources disagree; "" where they agree or only one has a price.
    """

    id = models.BigAutoField(primary_key=True)
    # Its index is one_snapshot_per_symbol.
    cycle = models.ForeignKey(Cycle, on_delete=models.CASCADE, related_name="snapshots", db_index=False)
    symbol = models.CharField(max_length=32)
    price = models.DecimalField(max_digits=24, decimal_places=12)
    previous_close = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    source = models.CharField(max_length=20)
    quoted_at = models.DateTimeField()
    fetched_at = models.DateTimeField()
    indicators = models.JSONField(null=True)
    second_source = models.CharField(max_length=20, blank=True)
    second_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    second_quoted_at = models.DateTimeField(null=True)
    warning = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "market_snapshots"
        constraints = [
            models.UniqueConstraint(name="one_snapshot_per_symbol", fields=["cycle", "symbol"]),
            models.CheckConstraint(name="snapshot_price_positive", condition=Q(price__gt=0)),
        ]
        # Read by the gate: the latest price of a symbol, whatever cycle fetched it.
        indexes = [models.Index(fields=["symbol", "-quoted_at"], name="snapshots_latest")]

    def __str__(self) -> str:
        return f"{self.symbol} {plain_decimal(self.price)} ({self.source})"


class BarHistory(models.Model):
    """A symbol's daily bars before ``market_date``, as fetched once on that market day, oldest first.

    ``bars``: [time, open, high, low, close, volume] as text each; empty where the provider has none.
    """

    symbol = models.CharField(max_length=32, primary_key=True)
    market_date = models.DateField()
    bars = models.JSONField(default=list)
    fetched_at = models.DateTimeField()

    class Meta:
        db_table = "bar_histories"
        verbose_name_plural = "bar histories"
        ordering = ["symbol"]

    def __str__(self) -> str:
        return f"{self.symbol} before {self.market_date}"


class StrategyQuerySet(models.QuerySet["Strategy"]):
    """Phrases about strategies."""

    def trading(self) -> "StrategyQuerySet":
        """Return those that cycles ask and whose decisions may become orders."""
        return self.filter(is_active=True, is_shadow=False)

    def shadows(self) -> "StrategyQuerySet":
        """Return those that only say what they would do."""
        return self.filter(is_active=True, is_shadow=True)


class Strategy(models.Model):
    """What a model is told to do, about what, by which models, and how large and how far its entries may go.

    ``size_percent`` is the largest entry in percent of equity; ``sizing`` the rule. ``symbols`` and
    ``model_names`` empty: all of ``universe``, and AI_MODELS. Limits are tighter than the account's, or null
    for the account's. Change it through ``services.strategies``: each change is a new ``version``, which
    decisions carry.

    ``samples`` is how often its models are asked about everything, ``confirm`` how often about what the first answer
    would trade; one of them is 1.

    From ``stop_percent`` on it says where its positions are to be sold (domain/protection/plans.py has each figure's
    meaning), and with ``allows_fractions`` that a position may be one that the broker protects by no order.

    ``is_shadow``: it decides on what cycles saw and never trades; ``is_active`` says whether it does so. Whoever looks
    for strategies that trade asks ``objects.trading()``.
    """

    class Universe(models.TextChoices):
        ALL = "all", "stocks and coins"
        STOCKS = "stocks"
        COINS = "coins"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    instructions = models.TextField()
    universe = models.CharField(max_length=10, choices=Universe.choices, default=Universe.ALL)
    symbols = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    model_names = ArrayField(models.CharField(max_length=LONGEST_MODEL_NAME), default=list, blank=True)
    keywords = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    size_percent = models.DecimalField(max_digits=6, decimal_places=3, default=3)
    sizing = models.CharField(
        max_length=20,
        choices=[(rule.value, rule.value.replace("_", " ")) for rule in SizingRule],
        default=SizingRule.FIXED_FRACTION.value,
    )
    max_position_percent = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    max_exposure_percent = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    max_positions = models.PositiveIntegerField(null=True, blank=True)
    max_daily_loss_percent = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    stop_percent = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        default=DEFAULT_STOP_PERCENT,
        db_default=DEFAULT_STOP_PERCENT,
        blank=True,
    )
    stop_atr_multiple = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    target_percent = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    reward_to_risk = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        default=DEFAULT_REWARD_TO_RISK,
        db_default=DEFAULT_REWARD_TO_RISK,
        null=True,
        blank=True,
    )
    trailing_percent = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    time_stop_sessions = models.PositiveIntegerField(null=True, blank=True)
    tightest_stop_percent = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        default=TIGHTEST_STOP_PERCENT,
        db_default=TIGHTEST_STOP_PERCENT,
        blank=True,
    )
    widest_stop_percent = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        default=WIDEST_STOP_PERCENT,
        db_default=WIDEST_STOP_PERCENT,
        blank=True,
    )
    allows_fractions = models.BooleanField(default=False, db_default=False)
    samples = models.PositiveSmallIntegerField(default=1, db_default=1, blank=True)
    confirm = models.PositiveSmallIntegerField(default=1, db_default=1, blank=True)
    is_shadow = models.BooleanField("shadow", default=False, db_default=False)
    is_active = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = StrategyQuerySet.as_manager()

    class Meta:
        db_table = "strategies"
        verbose_name_plural = "strategies"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="strategy_size_in_bounds", condition=Q(size_percent__gt=0, size_percent__lte=100)
            ),
            *(
                models.CheckConstraint(
                    name=f"strategy_{name}_in_bounds",
                    condition=Q(**{f"{name}__isnull": True})
                    | Q(**{f"{name}__gt": 0, f"{name}__lte": LARGEST_LIMIT[name]}),
                )
                for name in LIMIT_NAMES
            ),
            *(
                models.CheckConstraint(
                    name=f"strategy_{name}_in_bounds",
                    condition=Q(**{f"{name}__isnull": True})
                    | Q(**{f"{name}__gt": 0, f"{name}__lte": LARGEST_RULE[name]}),
                )
                for name in RULE_NAMES
            ),
            models.CheckConstraint(
                name="strategy_samples_in_bounds",
                condition=Q(
                    samples__gte=1, samples__lte=MOST_ANSWERS, confirm__gte=1, confirm__lte=MOST_ANSWERS
                )
                & (Q(samples=1) | Q(confirm=1)),
            ),
            models.CheckConstraint(
                name="strategy_stops_in_order",
                condition=Q(
                    tightest_stop_percent__lte=F("stop_percent"), widest_stop_percent__gte=F("stop_percent")
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class UniverseCandidate(models.Model):
    """A symbol that a person or a source wants in the universe; ``source`` proposed it, and ``reason`` is why.

    ``entered_at`` is when it was last approved or put on the watchlist: its turn in the rotation counts from
    then. Its score is not stored here but with each cycle.
    """

    Status = CandidateStatus

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    symbol = models.CharField(max_length=32, unique=True)
    status = models.CharField(
        max_length=10, choices=[(s.value, s.value) for s in CandidateStatus], default=CandidateStatus.PROPOSED
    )
    on_watchlist = models.BooleanField(default=False)
    source = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    answered_by = models.CharField(max_length=150, blank=True)
    answered_at = models.DateTimeField(null=True)
    answer_reason = models.CharField(max_length=500, blank=True)
    entered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "universe_candidates"
        ordering = ["symbol"]
        constraints = [
            models.CheckConstraint(
                name="rejected_candidate_says_why", condition=~Q(status="rejected") | ~Q(answer_reason="")
            ),
            models.CheckConstraint(
                name="rejected_candidate_not_watched", condition=~Q(status="rejected", on_watchlist=True)
            ),
        ]

    def __str__(self) -> str:
        return self.symbol


class SymbolLook(models.Model):
    """When a cycle last took a symbol up: the universe's rotation goes by it, across restarts."""

    symbol = models.CharField(max_length=32, primary_key=True)
    looked_at = models.DateTimeField()

    class Meta:
        db_table = "symbol_looks"

    def __str__(self) -> str:
        return f"{self.symbol} at {self.looked_at:%Y-%m-%d %H:%M:%S}"
