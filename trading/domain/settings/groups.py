"""Which settings belong together, in the order in which somebody looks for them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """Settings of one subject, by name; ``about`` is what they steer, in a sentence."""

    title: str
    about: str
    names: tuple[str, ...]


GROUPS: tuple[SettingGroup, ...] = (
    SettingGroup(
        "Cycles",
        "How often the agent looks at the market, at how much of it, and how long that may take.",
        ("cycle_interval", "cycle_deadline", "fetch_timeout", "max_stocks", "max_coins", "price_max_age"),
    ),
    SettingGroup(
        "Decisions",
        "Which of the model's decisions are taken at their word.",
        (
            "confidence_threshold",
            "exit_confidence_threshold",
            "min_agreement",
            "trust_sizing",
            "trust_floor",
        ),
    ),
    SettingGroup(
        "Approvals",
        "How long a person has for an answer, and what follows from one.",
        (
            "semi_auto_exits",
            "approval_expiry",
            "approval_valid",
            "unanswered_pause",
            "rejection_holds",
            "approval_link_login",
        ),
    ),
    SettingGroup(
        "Models",
        "How models are asked, and what that may cost.",
        ("analysis_timeout", "symbols_per_call", "answer_tokens", "ai_cycle_budget", "model_concurrency"),
    ),
    SettingGroup(
        "Losses and errors",
        "When trading stops by itself.",
        ("at_daily_loss", "critical_errors"),
    ),
    SettingGroup(
        "Guards",
        "What keeps from buying again too soon, too often, or after losses.",
        (
            "cooldown_period",
            "minimum_hold",
            "entries_per_hour",
            "entries_per_day",
            "stoploss_guard_limit",
            "stoploss_guard_lookback",
            "stoploss_guard_stop_duration",
            "max_drawdown_guard_percent",
            "max_drawdown_guard_lookback",
            "max_drawdown_guard_stop_duration",
            "low_profit_limit",
            "low_profit_lookback",
            "low_profit_required_percent",
            "low_profit_stop_duration",
        ),
    ),
    SettingGroup(
        "Prices",
        "Which prices are believed.",
        (
            "cache_age",
            "provider_disagreement",
            "implausible_disagreement",
            "price_band_sigmas",
            "price_band_percent",
        ),
    ),
    SettingGroup(
        "Orders",
        "How orders are posted, and when one is given up.",
        ("order_timeout", "order_attempts", "saga_timeout", "order_reserve"),
    ),
    SettingGroup(
        "Providers",
        "How often brokers and sources are asked, and what follows when they do not answer.",
        (
            "limit_alpaca_trading",
            "limit_alpaca_data",
            "limit_finnhub",
            "limit_coingecko",
            "read_attempts",
            "retry_base",
            "retry_factor",
            "retry_cap",
            "breaker_failures",
            "breaker_pause",
        ),
    ),
    SettingGroup(
        "Console and records",
        "Sessions, requests of the API, and what is kept.",
        ("console_idle_limit", "limit_api", "idle_cycles_kept"),
    ),
)
GROUP_OF = {name: group for group in GROUPS for name in group.names}
OTHERS = SettingGroup("Other", "What no group has.", ())
