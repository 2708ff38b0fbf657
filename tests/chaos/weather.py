"""What the venue does to requests and to the stream of trade updates while a storm rages."""

from collections.abc import Mapping
from typing import Any

ORDERS = "POST /v2/orders"
LOOK_UP = "GET /v2/orders:by_client_order_id"
ONE_ORDER = "GET /v2/orders/*"
STREAM = "GET /stream"
Rules = tuple[dict[str, Any], ...]

# Faults of the venue: each rule and its share of the requests it is about.
WEATHER: Rules = (
    {"kind": "reset_after", "route": ORDERS, "probability": 0.10},
    {"kind": "reset_before", "route": ORDERS, "probability": 0.04},
    {"kind": "hang", "route": ORDERS, "seconds": 20, "probability": 0.03},
    {"kind": "drip", "route": ORDERS, "seconds": 0.2, "probability": 0.03},
    {"kind": "truncate", "route": ORDERS, "probability": 0.03},
    {"kind": "error", "route": ORDERS, "status": 500, "probability": 0.05},
    {"kind": "rate_limit", "route": ORDERS, "retry_after": 1, "probability": 0.04},
    {"kind": "latency", "route": ORDERS, "seconds": 0.3, "probability": 0.20},
    {"kind": "reject_order", "probability": 0.03},
    {"kind": "reject_order", "status": 403, "probability": 0.02},
    {"kind": "partial_fill", "fraction": 0.4, "seconds": 2, "probability": 0.15},
    {"kind": "fill_delay", "seconds": 3, "probability": 0.10},
    {"kind": "error", "route": LOOK_UP, "status": 500, "probability": 0.08},
    {"kind": "error", "route": "GET /v2/positions", "status": 500, "probability": 0.05},
    {"kind": "rate_limit", "route": "GET /v2/account*", "retry_after": 1, "probability": 0.03},
    {"kind": "truncate", "route": "GET /v2/orders*", "probability": 0.03},
    {"kind": "latency", "route": ONE_ORDER, "seconds": 0.5, "probability": 0.10},
    {"kind": "error", "route": "GET /v2/stocks/*", "status": 500, "probability": 0.05},
)
# Late by less and by more than the time after which the broker is asked instead (3 s).
LATE: Rules = (
    {"kind": "late_update", "seconds": 20, "probability": 0.2},
    {"kind": "late_update", "seconds": 2, "probability": 0.5},
)
TWICE: Rules = ({"kind": "repeat_update", "seconds": 1},)
OUT_OF_ORDER: Rules = ({"kind": "reorder_update", "seconds": 4, "probability": 0.5},)
LOST_REPLIES: Rules = ({"kind": "reset_after", "route": ORDERS, "probability": 0.5},)
# What is worse than usual, beside the usual: each by a name of ``--chaos-stream``.
WORSE: Mapping[str, Rules] = {
    "usual": (),
    "down": ({"kind": "error", "route": STREAM, "status": 503},),
    "late": LATE,
    "twice": TWICE,
    "out-of-order": OUT_OF_ORDER,
    "lost-replies": LOST_REPLIES,
    "all": (
        {"kind": "error", "route": STREAM, "status": 503, "probability": 0.3},
        {"kind": "lost_update", "probability": 0.1},
        {"kind": "late_update", "seconds": 6, "probability": 0.2},
        {"kind": "repeat_update", "seconds": 1, "probability": 0.5},
        {"kind": "reorder_update", "seconds": 4, "probability": 0.3},
        {"kind": "reset_after", "route": ORDERS, "probability": 0.2},
    ),
}
