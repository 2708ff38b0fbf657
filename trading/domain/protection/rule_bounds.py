"""What a strategy may say of its exits: each figure's bounds, and how they go together."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

# Above 0 and at most this; a stop of 100 % is none.
LARGEST: Mapping[str, Decimal] = MappingProxyType(
    {
        "stop_percent": Decimal(99),
        "stop_atr_multiple": Decimal(20),
        "target_percent": Decimal(900),
        "reward_to_risk": Decimal(100),
        "trailing_percent": Decimal(99),
        "time_stop_sessions": Decimal(2500),
        "tightest_stop_percent": Decimal(99),
        "widest_stop_percent": Decimal(99),
    }
)
RULE_NAMES = tuple(LARGEST)
REQUIRED = ("stop_percent", "tightest_stop_percent", "widest_stop_percent")
WITHIN_STOPS = ("stop_percent", "trailing_percent")


def rule_problems(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with proposed figures, by field, in words; empty when they can be taken.

    Args:
        values: names of ``RULE_NAMES``, others are left alone; a figure that is missing is not judged, one that is
            None says nothing, which three of them must not.
    """
    problems = {}
    for name, largest in LARGEST.items():
        if name not in values:
            continue
        value = values[name]
        if value is None:
            if name in REQUIRED:
                problems[name] = f"{name}: was not given, expected a number above 0 and at most {largest}"
        elif not Decimal(value).is_finite() or not 0 < value <= largest:
            or_nothing = "" if name in REQUIRED else ", or nothing"
            problems[name] = (
                f"{name}: was {value}, expected a number above 0 and at most {largest}{or_nothing}"
            )
    return problems or _order_problems(values)


def _order_problems(values: Mapping[str, Any]) -> dict[str, str]:
    tightest, widest = values.get("tightest_stop_percent"), values.get("widest_stop_percent")
    if tightest is None or widest is None:
        return {}
    if tightest > widest:
        expected = f"expected at most the widest stop, {widest}"
        return {"tightest_stop_percent": f"tightest_stop_percent: was {tightest}, {expected}"}
    return {
        name: f"{name}: was {values[name]}, expected {tightest} to {widest}, as tightest and widest stop say"
        for name in WITHIN_STOPS
        if values.get(name) is not None and not tightest <= values[name] <= widest
    }
