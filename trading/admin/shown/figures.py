"""Decimals as lists and pages of single rows show them: by what the column is, never with the digits nobody reads."""

from decimal import Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from trading.labels import with_thousands
from trading.templatetags.console import money, price, sign_class, signed

EARNED = ("_pnl", "realised", "unrealised_before", "amount")
PRICES = ("price", "previous_close")
AMOUNTS = frozenset(
    {
        "buying_power",
        "cash",
        "cost",
        "dollar_volume",
        "equity",
        "fee",
        "fees",
        "market_value",
        "notional",
        "proceeds",
        "session_start_equity",
        "start_account_equity",
        "start_equity",
    }
)


# Reckoned, with more digits than anybody reads; signed, as what was earned is.
SHARES = frozenset({"percent", "unrealised_percent"})
RATIOS = frozenset({"r_multiple", "slippage_bps"})


def figure_text(name: str, value: Decimal) -> SafeString | str:
    """Write a column's decimal: what was earned signed and coloured, prices and amounts in USD, shares in percent."""
    if name == "confidence":
        return f"{value:.2f}"
    if name.endswith(EARNED):
        return format_html('<span class="{}">{}</span>', sign_class(value), signed(value))
    if name in SHARES | RATIOS:
        colour = "" if name == "slippage_bps" else sign_class(value)
        unit = " %" if name in SHARES else ""
        return format_html('<span class="{}">{}{}</span>', colour, signed(value), unit)
    if name.endswith("_return"):
        return format_html('<span class="{}">{} %</span>', sign_class(value), signed(100 * value))
    if name.endswith(PRICES):
        return price(value)
    if name in AMOUNTS:
        return money(value)
    is_share = name.endswith("percent")
    text = with_thousands(round(value, 3) if is_share else value)
    return f"{text} %" if is_share else text
