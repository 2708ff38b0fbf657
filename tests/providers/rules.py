"""Which addresses the providers have, which parameters each takes, and in which words each refuses.

From their documents: docs.alpaca.markets/reference (trading v2, data v2 and v1beta3, news v1beta1),
finnhub.io/docs/api, docs.coingecko.com/reference/simple-price and /docs/errors-and-rate-limits,
platform.openai.com/docs/api-reference.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIME = r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?"
COUNT = r"\d+"
WORDS = r".+"
SYMBOLS = r"[A-Za-z0-9./]+(,[A-Za-z0-9./]+)*"
PAIRS = r"[A-Z0-9]+/[A-Z]+(,[A-Z0-9]+/[A-Z]+)*"
ORDER = r"asc|desc"
FLAG = r"true|false"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FEED = r"sip|iex|delayed_sip|boats|overnight|otc"
ORDER_FIELDS = frozenset(
    {
        *(
            "symbol",
            "qty",
            "notional",
            "side",
            "type",
            "time_in_force",
            "limit_price",
            "stop_price",
            "trail_price",
        ),
        *(
            "trail_percent",
            "extended_hours",
            "client_order_id",
            "order_class",
            "legs",
            "take_profit",
            "stop_loss",
        ),
        "position_intent",
    }
)
CHAT_FIELDS = frozenset(
    {
        *("model", "messages", "temperature", "top_p", "n", "stream", "stream_options", "stop", "max_tokens"),
        *(
            "max_completion_tokens",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "user",
            "seed",
            "tools",
        ),
        *(
            "response_format",
            "tool_choice",
            "parallel_tool_calls",
            "logprobs",
            "top_logprobs",
            "store",
            "metadata",
        ),
        *("reasoning_effort", "service_tier", "modalities", "prediction"),
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One address: ``query`` has the parameters it takes, each with a pattern of its values."""

    name: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    body: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()


def _get(name: str, path: str, *required: str, **query: str) -> Rule:
    return Rule(name, "GET", path, query, frozenset(required))


ALPACA = (
    _get("account", "/v2/account"),
    _get("clock", "/v2/clock"),
    _get("calendar", "/v2/calendar", start=TIME, end=TIME, date_type="TRADING|SETTLEMENT"),
    _get(
        "assets",
        "/v2/assets",
        status="active|inactive",
        asset_class="us_equity|us_option|crypto",
        exchange=WORDS,
        attributes=WORDS,
    ),
    _get("asset", "/v2/assets/(?P<symbol>[A-Za-z0-9./-]+)"),
    _get("positions", "/v2/positions"),
    _get("position", "/v2/positions/(?P<symbol>[A-Za-z0-9.-]+)"),
    _get(
        "orders",
        "/v2/orders",
        status="open|closed|all",
        limit=COUNT,
        after=TIME,
        until=TIME,
        direction=ORDER,
        nested=FLAG,
        symbols=SYMBOLS,
        side="buy|sell",
    ),
    _get("look-up", "/v2/orders:by_client_order_id", "client_order_id", client_order_id=r".{1,128}"),
    _get("order", f"/v2/orders/(?P<order_id>{UUID})", nested=FLAG),
    Rule(
        "post",
        "POST",
        "/v2/orders",
        body=ORDER_FIELDS,
        needed=frozenset({"symbol", "side", "type", "time_in_force"}),
    ),
    Rule("cancel all", "DELETE", "/v2/orders"),
    Rule("cancel", "DELETE", f"/v2/orders/(?P<order_id>{UUID})"),
    _get(
        "activities",
        "/v2/account/activities/(?P<kind>[A-Z]+)",
        date=TIME,
        until=TIME,
        after=TIME,
        direction=ORDER,
        page_size=r"[1-9]\d?|100",
        page_token=WORDS,
    ),
    _get(
        "other activities",
        "/v2/account/activities",
        activity_types=WORDS,
        category="trade_activity|non_trade_activity",
        date=TIME,
        until=TIME,
        after=TIME,
        direction=ORDER,
        page_size=r"[1-9]\d?|100",
        page_token=WORDS,
    ),
    _get(
        "stocks",
        "/v2/stocks/snapshots",
        "symbols",
        symbols=r"[A-Z.]+(,[A-Z.]+)*",
        feed=FEED,
        currency="[A-Z]{3}",
    ),
    _get(
        "stock bars",
        "/v2/stocks/bars",
        "symbols",
        "timeframe",
        symbols=r"[A-Z.]+(,[A-Z.]+)*",
        timeframe=r"\d+(Min|T|Hour|H|Day|D|Week|W|Month|M)",
        start=TIME,
        end=TIME,
        limit=r"[1-9]\d{0,3}|10000",
        adjustment=r"raw|split|dividend|all",
        asof=TIME,
        feed=FEED,
        currency="[A-Z]{3}",
        page_token=WORDS,
        sort=ORDER,
    ),
    _get("coins", "/v1beta3/crypto/us/snapshots", "symbols", symbols=PAIRS),
    _get(
        "coin bars",
        "/v1beta3/crypto/us/bars",
        "symbols",
        "timeframe",
        symbols=PAIRS,
        timeframe=r"\d+(Min|T|Hour|H|Day|D|Week|W|Month|M)",
        start=TIME,
        end=TIME,
        limit=r"[1-9]\d{0,3}|10000",
        page_token=WORDS,
        sort=ORDER,
    ),
    _get(
        "news",
        "/v1beta1/news",
        start=TIME,
        end=TIME,
        sort=ORDER,
        symbols=SYMBOLS,
        limit=r"[1-9]|[1-4]\d|50",
        include_content=FLAG,
        exclude_contentless=FLAG,
        page_token=WORDS,
    ),
)
# The official client of Finnhub writes two slashes behind its base.
FINNHUB = (
    _get("finnhub quote", "/api/v1//?quote", "symbol", symbol=r"[A-Z.]+", token=WORDS),
    _get(
        "finnhub company news",
        "/api/v1//?company-news",
        "symbol",
        "from",
        "to",
        **{"symbol": r"[A-Z.]+", "from": r"\d{4}-\d\d-\d\d", "to": r"\d{4}-\d\d-\d\d", "token": WORDS},
    ),
    _get(
        "finnhub news",
        "/api/v1//?news",
        "category",
        category="general|forex|crypto|merger",
        minId=COUNT,
        token=WORDS,
    ),
)
COINGECKO = (
    _get(
        "coingecko",
        "(?P<root>/pro-api.coingecko.com)?/api/v3/simple/price",
        "vs_currencies",
        ids=r"[a-z0-9-]+(,[a-z0-9-]+)*",
        names=WORDS,
        symbols=WORDS,
        include_tokens="top|all",
        vs_currencies=r"[a-z]+(,[a-z]+)*",
        include_market_cap=FLAG,
        include_24hr_vol=FLAG,
        include_24hr_change=FLAG,
        include_last_updated_at=FLAG,
        precision=r"full|\d|1[0-8]",
        x_cg_demo_api_key=WORDS,
        x_cg_pro_api_key=WORDS,
    ),
)
CHAT = (
    Rule(
        "model",
        "POST",
        "/v1/chat/completions",
        body=CHAT_FIELDS,
        needed=frozenset({"model", "messages"}),
    ),
)
RULES = (*ALPACA, *FINNHUB, *COINGECKO, *CHAT)
Refused = tuple[int, Any]


def family_of(path: str) -> str:
    """Return whose address it is."""
    if path.startswith(("/v2/", "/v1beta1/", "/v1beta3/")):
        return "alpaca"
    if path.startswith("/api/v1/"):
        return "finnhub"
    return "coingecko" if "/api/v3/" in path else "chat"


def refusal(path: str, status: int, message: str) -> Any:
    """Return an error's body in the words of the provider whose address it is."""
    family = family_of(path)
    if family == "finnhub":
        return {"error": message}
    if family == "coingecko":
        return {"status": {"error_code": status, "error_message": message}}
    if family == "chat":
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return {"code": status * 100_000 + 10_000, "message": message}


def find_rule(method: str, path: str) -> tuple[Rule, Mapping[str, str]] | None:
    """Return the rule of an address, with what stands in its path."""
    for rule in RULES:
        found = re.fullmatch(rule.path, path)
        if found and rule.method == method:
            return rule, found.groupdict()
    return None


def problem_of(rule: Rule, query: Mapping[str, str], body: object) -> str:
    """Return what a request has that its address does not take, or lacks; empty: nothing."""
    for name, value in query.items():
        if name not in rule.query:
            return f"unexpected parameter: {name}"
        if not re.fullmatch(rule.query[name], value):
            return f"invalid {name}: {value}"
    missing = sorted(rule.required - query.keys())
    if missing:
        return f"{missing[0]} is required"
    if not rule.body:
        return "unexpected body" if body is not None else ""
    if not isinstance(body, dict):
        return "request body format is invalid"
    unknown = sorted(body.keys() - rule.body)
    if unknown:
        return f"unrecognized request argument supplied: {unknown[0]}"
    lacking = sorted(rule.needed - body.keys())
    return f"{lacking[0]} is required" if lacking else ""
