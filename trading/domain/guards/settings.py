"""The guards' settings: name, default, inclusive bounds, unit, and what each does; all times are market time."""

# Read by domain/runtime_settings.py. A guard is off where the setting that its own words name is 0.
GUARD_SETTINGS: tuple[tuple[str, str, tuple[str, str], str, str], ...] = (
    (
        "cooldown_period",
        "1800",
        ("0", "604800"),
        "seconds",
        "After a sale a symbol is not bought again for this long (market time). With 0 this guard is off.",
    ),
    (
        "minimum_hold",
        "900",
        ("0", "86400"),
        "seconds",
        "After an entry no model sells the symbol again for this long (market time); stops and people"
        " do. With 0 this guard is off.",
    ),
    (
        "entries_per_hour",
        "30",
        ("0", "10000"),
        "count",
        "At most this many entries are made in any hour of market time. With 0 there is no bound.",
    ),
    (
        "entries_per_day",
        "90",
        ("0", "100000"),
        "count",
        "At most this many entries are made in any 24 hours of market time. With 0 there is no bound.",
    ),
    (
        "stoploss_guard_limit",
        "4",
        ("0", "1000"),
        "count",
        "This many losing stop-losses within the look-back stop all entries. With 0 this guard is off.",
    ),
    (
        "stoploss_guard_lookback",
        "86400",
        ("60", "604800"),
        "seconds",
        "Stop-losses within this span count as one streak (market time).",
    ),
    (
        "stoploss_guard_stop_duration",
        "7200",
        ("60", "604800"),
        "seconds",
        "After the last stop-loss of a streak there are no entries for this long (market time).",
    ),
    (
        "max_drawdown_guard_percent",
        "10",
        ("0", "100"),
        "percent",
        "All entries stop while equity is this far below its highest of the look-back. With 0 this "
        "guard is off.",
    ),
    (
        "max_drawdown_guard_lookback",
        "432000",
        ("600", "2592000"),
        "seconds",
        "The highest equity is looked for in this span (market time).",
    ),
    (
        "max_drawdown_guard_stop_duration",
        "86400",
        ("60", "604800"),
        "seconds",
        "After equity was last that low there are no entries for this long (market time).",
    ),
    (
        "low_profit_limit",
        "3",
        ("0", "1000"),
        "count",
        "A symbol's profit is looked at once it was sold this often within the look-back. With 0 this"
        " guard is off.",
    ),
    (
        "low_profit_lookback",
        "86400",
        ("60", "604800"),
        "seconds",
        "A symbol's sales within this span are added up (market time).",
    ),
    (
        "low_profit_required_percent",
        "0",
        ("0", "100"),
        "percent",
        "A symbol whose sales together brought less than this is not bought for a while.",
    ),
    (
        "low_profit_stop_duration",
        "14400",
        ("60", "604800"),
        "seconds",
        "After the last of those sales the symbol is not bought for this long (market time).",
    ),
)
