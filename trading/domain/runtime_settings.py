"""What an operator may set while the system runs, with units and bounds."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from trading.domain.guards.settings import GUARD_SETTINGS
from trading.errors import SettingError


class Unit(enum.StrEnum):
    SECONDS = "seconds"
    RATIO = "ratio"
    PERCENT = "percent"
    COUNT = "count"
    DAYS = "days"
    USD = "USD"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One setting: its default, inclusive bounds, unit and what it does."""

    name: str
    default: Decimal
    minimum: Decimal
    maximum: Decimal
    unit: Unit
    description: str

    @property
    def allowed(self) -> str:
        """What it can be, in words."""
        return f"{self.minimum} to {self.maximum}"

    def parse(self, text: str) -> Decimal:
        """Return the value.

        Raises:
            SettingError: not a number, not whole where a whole one is needed, or out of bounds.
        """
        expected = f"expected a number of {self.unit} from {self.minimum} to {self.maximum}"
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            raise SettingError(f"{self.name}: was {text!r}, {expected}") from None
        if not value.is_finite():
            raise SettingError(f"{self.name}: was {text!r}, {expected}")
        if self.unit in (Unit.COUNT, Unit.DAYS) and value != value.to_integral_value():
            raise SettingError(f"{self.name}: was {text!r}, expected a whole number")
        if not self.minimum <= value <= self.maximum:
            raise SettingError(f"{self.name}: was {text!r}, {expected}")
        return value


@dataclass(frozen=True, slots=True)
class WordSpec:
    """A setting that is one of some words, each with what it does."""

    name: str
    default: str
    words: Mapping[str, str]
    unit: Unit = Unit.WORD

    @property
    def allowed(self) -> str:
        """What it can be, in words."""
        return ", ".join(self.words)

    @property
    def description(self) -> str:
        """What each word does."""
        return "; ".join(f"{word}: {meaning}" for word, meaning in self.words.items())

    def parse(self, text: str) -> str:
        """Return the word.

        Raises:
            SettingError: it is none of them.
        """
        word = text.strip().lower()
        if word not in self.words:
            raise SettingError(f"{self.name}: was {text!r}, expected one of {self.allowed}")
        return word


def _spec(name: str, default: str, bounds: tuple[str, str], unit: Unit, description: str) -> SettingSpec:
    return SettingSpec(name, Decimal(default), Decimal(bounds[0]), Decimal(bounds[1]), unit, description)


_S = Unit.SECONDS
NUMBERS = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            _spec(
                "cycle_interval",
                "60",
                ("10", "3600"),
                _S,
                "Time from one cycle's start to the next. After two without a sync the sweeper reads the account.",
            ),
            _spec(
                "cycle_deadline", "180", ("30", "900"), _S, "A cycle past it is aborted, never traded late."
            ),
            _spec(
                "analysis_timeout",
                "30",
                ("1", "840"),
                _S,
                "What has not been answered by then is a hold. Over 30 s: within interval, deadline, price_max_age.",
            ),
            _spec("fetch_timeout", "12", ("2", "12"), _S, "A fetch with all its retries."),
            _spec("price_max_age", "90", ("5", "3600"), _S, "Older prices are not traded on (market time)."),
            _spec("confidence_threshold", "0.7", ("0", "1"), Unit.RATIO, "Entries below it do not trade."),
            _spec(
                "exit_confidence_threshold",
                "0.7",
                ("0", "1"),
                Unit.RATIO,
                "A decision to sell below it does not trade; stops, the switch and a person's word need none.",
            ),
            _spec(
                "trust_floor",
                "0.25",
                ("0", "1"),
                Unit.RATIO,
                "What trust leaves of an entry's size without a record; 0: untrusted_confidence, nothing is bought.",
            ),
            _spec(
                "min_agreement",
                "0.75",
                ("0.5", "1"),
                Unit.RATIO,
                "Of several answers so many must agree, or it is held as unstable; 0.75: all of two or three.",
            ),
            _spec("approval_expiry", "600", ("30", "86400"), _S, "An approval not answered by then expires."),
            _spec(
                "unanswered_pause",
                "3600",
                ("0", "604800"),
                _S,
                "So long after a request that nobody answered the same is not asked again.",
            ),
            _spec("approval_valid", "300", ("10", "3600"), _S, "An answer not carried out by then is void."),
            _spec("saga_timeout", "300", ("30", "3600"), _S, "An order still open then is cancelled."),
            _spec(
                "max_stocks",
                "120",
                ("1", "2000"),
                Unit.COUNT,
                "Stocks looked at in one cycle. Over 120 the limits of requests must be raised, too.",
            ),
            _spec("max_coins", "20", ("0", "200"), Unit.COUNT, "Coins looked at in one cycle."),
            _spec(
                "order_timeout",
                "10",
                ("1", "30"),
                _S,
                "An order request in total, a slow reply included. Leases of orders follow it.",
            ),
            _spec(
                "order_attempts",
                "3",
                ("1", "5"),
                Unit.COUNT,
                "So often an order is posted in all; then it is looked up, and fails where the broker never had it.",
            ),
            _spec(
                "read_attempts",
                "3",
                ("1", "5"),
                Unit.COUNT,
                "So often prices, bars, news, account, assets and models are asked, within their stage's time.",
            ),
            _spec(
                "retry_base",
                "1",
                ("0.1", "10"),
                _S,
                "The first pause between tries of orders and reads; up to as much again comes on top.",
            ),
            _spec("retry_factor", "2", ("1", "10"), Unit.RATIO, "Each pause is this much longer."),
            _spec("retry_cap", "30", ("1", "60"), _S, "No pause is longer."),
            _spec(
                "critical_errors", "5", ("1", "100"), Unit.COUNT, "So many in ten minutes engage the switch."
            ),
            _spec("symbols_per_call", "20", ("1", "140"), Unit.COUNT, "Symbols in one model call."),
            _spec("answer_tokens", "250", ("1", "4000"), Unit.COUNT, "Tokens a model may answer per symbol."),
            _spec("ai_cycle_budget", "0.25", ("0", "100"), Unit.USD, "What the models of a cycle may cost."),
            _spec(
                "cache_age", "60", ("5", "300"), _S, "A price fetched so long ago may stand in (wall time)."
            ),
            _spec(
                "provider_disagreement", "0.02", ("0.001", "0.5"), Unit.RATIO, "Two sources apart: a warning."
            ),
            _spec(
                "price_band_sigmas",
                "8",
                ("1", "50"),
                Unit.COUNT,
                "So many daily volatilities from what is known, a price is not believed: no entry.",
            ),
            _spec(
                "price_band_percent",
                "20",
                ("1", "100"),
                Unit.PERCENT,
                "The band is at least this wide, whatever the volatility.",
            ),
            _spec(
                "implausible_disagreement",
                "0.1",
                ("0.001", "1"),
                Unit.RATIO,
                "Two sources further apart: no entry.",
            ),
            _spec("limit_alpaca_trading", "200", ("20", "10000"), Unit.COUNT, "Requests in any 60 seconds."),
            _spec("limit_alpaca_data", "200", ("20", "10000"), Unit.COUNT, "Requests in any 60 seconds."),
            _spec("limit_finnhub", "60", ("5", "10000"), Unit.COUNT, "Requests in any 60 seconds."),
            _spec("limit_coingecko", "30", ("5", "10000"), Unit.COUNT, "Requests in any 60 seconds."),
            _spec("limit_api", "1200", ("10", "1000000"), Unit.COUNT, "REST requests of a user in a minute."),
            _spec("order_reserve", "25", ("1", "5000"), Unit.COUNT, "Of Alpaca's limit: kept for orders."),
            _spec("breaker_failures", "5", ("1", "100"), Unit.COUNT, "So many in a row open a breaker."),
            _spec("breaker_pause", "10", ("1", "300"), _S, "Until an open breaker lets a probe through."),
            _spec(
                "idle_cycles_kept",
                "30",
                ("0", "3650"),
                Unit.DAYS,
                "Older cycles without an order are deleted; 0: none.",
            ),
            _spec(
                "console_idle_limit",
                "3600",
                ("300", "86400"),
                _S,
                "So long without use (renewing pages are none) ends a person's session in the console.",
            ),
            _spec(
                "model_concurrency",
                "8",
                ("1", "16"),
                Unit.COUNT,
                "Model calls under way at once; fewer where a provider refuses many at a time.",
            ),
            *(_spec(*row[:3], Unit(row[3]), row[4]) for row in GUARD_SETTINGS),
        )
    }
)
WORDS = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            WordSpec(
                "rejection_holds",
                "session",
                {
                    "session": "no same symbol, side and strategy for the rest of the session (coins: 6.5 hours)",
                    "hour": "for one hour",
                    "day": "for 24 hours",
                    "off": "it is asked again at once",
                },
            ),
            WordSpec(
                "semi_auto_exits",
                "ask",
                {
                    "ask": "in semi_auto a decision to sell waits for a person, as one to buy does",
                    "send": "it is sent",
                },
            ),
            WordSpec(
                "approval_link_login",
                "needed",
                {
                    "needed": "who opens a link of a notice logs in before it shows and takes an answer",
                    "off": "the link alone is enough for ten minutes: whoever reads the notice can trade by it",
                },
            ),
            WordSpec(
                "trust_sizing",
                "shadow",
                {
                    "shadow": "what the confidence has earned is noted with each check, sizes stay as they are",
                    "on": "entries are shrunk by it, to trust_floor at least",
                    "off": "nobody asks",
                },
            ),
            WordSpec(
                "at_daily_loss",
                "stop",
                {
                    "stop": "at the day's loss limit the kill switch engages; what is held stays, with its stops",
                    "flatten": "everything is sold besides",
                },
            ),
        )
    }
)
SETTINGS: Mapping[str, SettingSpec | WordSpec] = MappingProxyType({**NUMBERS, **WORDS})
