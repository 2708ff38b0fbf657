"""What an operator may set while the system runs, with units and bounds."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from trading.domain.guards.settings import GUARD_SETTINGS
from trading.domain.settings.specs import SettingSpec, Unit, WordSpec


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
                "Trading cycles start this far apart. After two intervals without a reading of the account "
                "the sweeper reads it by itself.",
            ),
            _spec(
                "cycle_deadline",
                "180",
                ("30", "900"),
                _S,
                "A cycle that takes longer is aborted; it never trades late.",
            ),
            _spec(
                "analysis_timeout",
                "30",
                ("1", "840"),
                _S,
                "A decision that no model has given by then is a hold. Over 30 s it must fit into "
                "cycle_interval, cycle_deadline and price_max_age.",
            ),
            _spec(
                "fetch_timeout",
                "12",
                ("2", "12"),
                _S,
                "Prices, bars and headlines of a cycle are waited for this long, all retries included.",
            ),
            _spec(
                "price_max_age",
                "90",
                ("5", "3600"),
                _S,
                "A price older than this is not traded on (market time).",
            ),
            _spec(
                "confidence_threshold",
                "0.7",
                ("0", "1"),
                Unit.RATIO,
                "A decision to buy trades only with at least this confidence.",
            ),
            _spec(
                "exit_confidence_threshold",
                "0.7",
                ("0", "1"),
                Unit.RATIO,
                "A decision to sell trades only with at least this confidence; stops, the kill switch and a "
                "person's word need none.",
            ),
            _spec(
                "trust_floor",
                "0.25",
                ("0", "1"),
                Unit.RATIO,
                "What is left of an entry's size when a model has no record yet. With 0 nothing is bought "
                "without one (untrusted_confidence).",
            ),
            _spec(
                "min_agreement",
                "0.75",
                ("0.5", "1"),
                Unit.RATIO,
                "Of several answers to one question this share must agree, or the symbol is held as unstable."
                " 0.75 means all of two or three.",
            ),
            _spec(
                "approval_expiry",
                "600",
                ("30", "86400"),
                _S,
                "A decision that waits for a person expires after this time without an answer.",
            ),
            _spec(
                "unanswered_pause",
                "3600",
                ("0", "604800"),
                _S,
                "A request that nobody answered is not asked again for this long.",
            ),
            _spec(
                "approval_valid",
                "300",
                ("10", "3600"),
                _S,
                "An approval that could not be carried out within this time is void.",
            ),
            _spec(
                "saga_timeout",
                "300",
                ("30", "3600"),
                _S,
                "An entry's order that is still open after this time is cancelled.",
            ),
            _spec(
                "max_stocks",
                "120",
                ("1", "2000"),
                Unit.COUNT,
                "At most this many stocks are looked at in one cycle. Over 120 the limits of requests must be"
                " raised, too.",
            ),
            _spec(
                "max_coins",
                "20",
                ("0", "200"),
                Unit.COUNT,
                "At most this many coins are looked at in one cycle.",
            ),
            _spec(
                "order_timeout",
                "10",
                ("1", "30"),
                _S,
                "A request to post an order may take this long, a slow reply included. The lease of an order "
                "follows it.",
            ),
            _spec(
                "order_attempts",
                "3",
                ("1", "5"),
                Unit.COUNT,
                "An order is posted at most this often; then it is looked up, and fails where the broker "
                "never had it.",
            ),
            _spec(
                "read_attempts",
                "3",
                ("1", "5"),
                Unit.COUNT,
                "Prices, bars, news, account, assets and models are asked at most this often, within their "
                "stage's time.",
            ),
            _spec(
                "retry_base",
                "1",
                ("0.1", "10"),
                _S,
                "The first pause between two tries of an order or a read; up to as much again is added by "
                "chance.",
            ),
            _spec(
                "retry_factor",
                "2",
                ("1", "10"),
                Unit.RATIO,
                "Each pause between tries is this many times the one before.",
            ),
            _spec("retry_cap", "30", ("1", "60"), _S, "No pause between tries is longer than this."),
            _spec(
                "critical_errors",
                "5",
                ("1", "100"),
                Unit.COUNT,
                "This many critical errors within ten minutes engage the kill switch.",
            ),
            _spec(
                "symbols_per_call",
                "20",
                ("1", "140"),
                Unit.COUNT,
                "One call of a model asks about at most this many symbols.",
            ),
            _spec(
                "answer_tokens",
                "250",
                ("1", "4000"),
                Unit.COUNT,
                "A model may write this many tokens for each symbol that it is asked about.",
            ),
            _spec(
                "ai_cycle_budget",
                "0.25",
                ("0", "100"),
                Unit.USD,
                "The models of one cycle may cost this much; what is not asked for it is held.",
            ),
            _spec(
                "cache_age",
                "60",
                ("5", "300"),
                _S,
                "A price fetched this long ago may stand in for one that cannot be had now (wall time).",
            ),
            _spec(
                "provider_disagreement",
                "0.02",
                ("0.001", "0.5"),
                Unit.RATIO,
                "Two sources whose prices differ by more than this share are noted as a warning.",
            ),
            _spec(
                "price_band_sigmas",
                "8",
                ("1", "50"),
                Unit.COUNT,
                "A price this many daily volatilities away from what is known is not believed, and nothing is"
                " bought at it.",
            ),
            _spec(
                "price_band_percent",
                "20",
                ("1", "100"),
                Unit.PERCENT,
                "The band in which a price is believed is at least this wide, however small the volatility.",
            ),
            _spec(
                "implausible_disagreement",
                "0.1",
                ("0.001", "1"),
                Unit.RATIO,
                "Nothing is bought while two sources' prices differ by more than this share.",
            ),
            _spec(
                "limit_alpaca_trading",
                "200",
                ("20", "10000"),
                Unit.COUNT,
                "At most this many requests go to Alpaca's trading API in any 60 seconds.",
            ),
            _spec(
                "limit_alpaca_data",
                "200",
                ("20", "10000"),
                Unit.COUNT,
                "At most this many requests go to Alpaca's data API in any 60 seconds.",
            ),
            _spec(
                "limit_finnhub",
                "60",
                ("5", "10000"),
                Unit.COUNT,
                "At most this many requests go to Finnhub in any 60 seconds.",
            ),
            _spec(
                "limit_coingecko",
                "30",
                ("5", "10000"),
                Unit.COUNT,
                "At most this many requests go to CoinGecko in any 60 seconds.",
            ),
            _spec(
                "limit_api",
                "1200",
                ("10", "1000000"),
                Unit.COUNT,
                "One user may send this many REST requests in a minute.",
            ),
            _spec(
                "order_reserve",
                "25",
                ("1", "5000"),
                Unit.COUNT,
                "This many of Alpaca's requests in a minute are kept free for orders.",
            ),
            _spec(
                "breaker_failures",
                "5",
                ("1", "100"),
                Unit.COUNT,
                "After this many failures in a row a provider is left alone for a while (its breaker opens).",
            ),
            _spec(
                "breaker_pause",
                "10",
                ("1", "300"),
                _S,
                "A provider that was left alone is tried again after this time.",
            ),
            _spec(
                "idle_cycles_kept",
                "30",
                ("0", "3650"),
                Unit.DAYS,
                "Cycles that led to no order are deleted when they are older than this; with 0 none is ever "
                "deleted.",
            ),
            _spec(
                "console_idle_limit",
                "3600",
                ("300", "86400"),
                _S,
                "A person's session in the console ends after this long without use; pages that renew "
                "themselves are no use.",
            ),
            _spec(
                "model_concurrency",
                "8",
                ("1", "16"),
                Unit.COUNT,
                "At most this many calls of models are under way at once; fewer where a provider refuses many"
                " at a time.",
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
