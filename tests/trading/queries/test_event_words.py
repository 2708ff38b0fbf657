"""What the terminal says of decisions: many of one kind in a line, and a person's answer in one of its own."""

from datetime import UTC, datetime
from typing import Any

from uuid6 import uuid7

from trading.models import Event
from trading.queries.event_words import lines_of

CYCLE = uuid7()


def event(kind: str, symbol: str, **facts: Any) -> Event:
    payload = {"from": "awaiting_approval", "to": "x", "symbol": symbol, "action": "buy", **facts}
    moment = datetime(2026, 1, 5, 15, 0, 1, tzinfo=UTC)
    return Event(id=uuid7(), type=f"decision.{kind}", payload=payload, occurred_at=moment, cycle_id=CYCLE)


def told(*events: Event) -> list[str]:
    return [line.removeprefix("15:00:01   ") for line in lines_of(events)]


def test_one_reason_of_many_symbols_is_one_line_where_the_first_stood() -> None:
    symbols = ["AAPL", "MSFT", "NVDA", "TSLA", "BTC/USD", "PFE"]
    denied = [event("deny", symbol, reason="exposure_limit_exceeded") for symbol in symbols]
    other = event("deny", "XOM", reason="stale_price")

    assert told(denied[0], other, *denied[1:]) == [
        "6 (AAPL, MSFT, NVDA, TSLA, …) denied: exposure limit exceeded",
        "XOM denied: stale price",
    ]


def test_what_waits_for_a_person_names_its_symbols() -> None:
    waits = [event("request_approval", symbol) for symbol in ("AAPL", "ETH/USD")]

    assert told(*waits, event("request_approval", "PFE", action="sell")) == [
        "AAPL, ETH/USD to buy: waits for an answer in the console",
        "PFE to sell: waits for an answer in the console",
    ]


def test_a_persons_answer_and_its_absence_are_said() -> None:
    assert told(
        event("approve", "AAPL", actor="ada", price="1.0"),
        event("reject", "PFE", actor="bob", reason="too thin"),
        event("expire", "XOM"),
        event("expire", "T", reason="approval_withdrawn"),
    ) == [
        "AAPL approved by ada",
        "PFE rejected by bob: too thin",
        "XOM not answered in time",
        "T no longer asked about",
    ]


def test_what_the_cycles_last_line_counts_is_not_said_before() -> None:
    quiet = [event("deny", "AAPL", reason="low_confidence"), event("deny", "T", reason="rejected_earlier")]
    by_the_broker = event("reject", "PFE", **{"from": "executing"}, reason="insufficient buying power")

    assert told(*quiet, by_the_broker) == []
