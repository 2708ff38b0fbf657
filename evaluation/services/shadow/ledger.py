"""A shadow strategy's state as JSON values and back, exactly: money, prices and quantities as text, digit for digit."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from evaluation.domain.shadow_book import Accepted, Holding, Priced, ShadowBook
from evaluation.domain.shadow_exits import Entry, PlannedExit, Watched
from evaluation.domain.shadow_state import ShadowState, Verdict

FORMAT = 1


def new_ledger(equity: Decimal) -> dict[str, Any]:
    """Return the ledger of a book that holds so much cash in USD and nothing else."""
    return to_json(ShadowState(ShadowBook(equity)))


def to_json(state: ShadowState) -> dict[str, Any]:
    """Return the state as JSON values."""
    book = state.book
    return {
        "format": FORMAT,
        "cash": str(book.cash),
        "realised": str(book.realised),
        "holdings": {symbol: [str(each.quantity), str(each.cost)] for symbol, each in book.holdings.items()},
        "waiting": [
            [each.decision, each.symbol, each.side, str(each.quantity), each.decided_at.isoformat()]
            for each in book.waiting
        ],
        "plans": {name: plan_to_json(plan) for name, plan in state.plans.items()},
        "watched": {symbol: _watched(each) for symbol, each in state.watched.items()},
        "marks": {symbol: [str(each.price), each.at.isoformat()] for symbol, each in state.marks.items()},
        "closes": {symbol: [day.isoformat(), str(close)] for symbol, (day, close) in state.closes.items()},
        "session": state.session and [state.session[0].isoformat(), str(state.session[1])],
        "verdicts": {
            symbol: [[each.action, str(each.confidence), each.as_of.isoformat()] for each in said]
            for symbol, said in state.verdicts.items()
        },
    }


def from_json(values: Mapping[str, Any]) -> ShadowState:
    """Return the state that ``to_json`` wrote.

    Raises:
        ValueError: it is of a format that this version cannot read.
    """
    if values.get("format") != FORMAT:
        raise ValueError(f"this ledger is of format {values.get('format')}, expected {FORMAT}")
    session = values["session"]
    return ShadowState(
        book=ShadowBook(
            cash=Decimal(values["cash"]),
            holdings={
                symbol: Holding(Decimal(quantity), Decimal(cost))
                for symbol, (quantity, cost) in values["holdings"].items()
            },
            waiting=tuple(
                Accepted(name, symbol, side, Decimal(quantity), datetime.fromisoformat(at))
                for name, symbol, side, quantity, at in values["waiting"]
            ),
            realised=Decimal(values["realised"]),
        ),
        plans={name: plan_from_json(plan) for name, plan in values["plans"].items()},
        watched={symbol: _watched_again(each) for symbol, each in values["watched"].items()},
        marks={
            symbol: Priced(Decimal(price), datetime.fromisoformat(at))
            for symbol, (price, at) in values["marks"].items()
        },
        closes={
            symbol: (date.fromisoformat(day), Decimal(close))
            for symbol, (day, close) in values["closes"].items()
        },
        session=session and (date.fromisoformat(session[0]), Decimal(session[1])),
        verdicts={
            symbol: tuple(
                Verdict(action, Decimal(confidence), datetime.fromisoformat(at))
                for action, confidence, at in said
            )
            for symbol, said in values["verdicts"].items()
        },
    )


def plan_to_json(plan: PlannedExit) -> dict[str, Any]:
    """Return where a purchase says that its position ends, as JSON values."""
    return {
        "stop_percent": str(plan.stop_percent),
        "target_percent": _text(plan.target_percent),
        "trailing_percent": _text(plan.trailing_percent),
        "sessions": plan.sessions,
        "tightest_percent": str(plan.tightest_percent),
        "widest_percent": str(plan.widest_percent),
        "reasoning": plan.reasoning,
        "invalidation": plan.invalidation,
    }


def plan_from_json(values: Mapping[str, Any]) -> PlannedExit:
    """Return what ``plan_to_json`` wrote."""
    return PlannedExit(
        stop_percent=Decimal(values["stop_percent"]),
        target_percent=_decimal(values["target_percent"]),
        trailing_percent=_decimal(values["trailing_percent"]),
        sessions=values["sessions"],
        tightest_percent=Decimal(values["tightest_percent"]),
        widest_percent=Decimal(values["widest_percent"]),
        reasoning=values["reasoning"],
        invalidation=values["invalidation"],
    )


def _watched(each: Watched) -> dict[str, Any]:
    return {
        "entries": [_entry(entry) for entry in each.entries],
        "stop": str(each.stop_price),
        "target": _text(each.target_price),
        "trailing_percent": _text(each.trailing_percent),
        "sell_by": each.sell_by and each.sell_by.isoformat(),
        "highest": str(each.highest_price),
        "is_trailing": each.is_trailing,
    }


def _watched_again(values: Mapping[str, Any]) -> Watched:
    return Watched(
        tuple(_entry_again(entry) for entry in values["entries"]),
        stop_price=Decimal(values["stop"]),
        target_price=_decimal(values["target"]),
        trailing_percent=_decimal(values["trailing_percent"]),
        sell_by=values["sell_by"] and datetime.fromisoformat(values["sell_by"]),
        highest_price=Decimal(values["highest"]),
        is_trailing=values["is_trailing"],
    )


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "opened_at": entry.opened_at.isoformat(),
        "price": str(entry.price),
        "stop": str(entry.stop_price),
        "target": _text(entry.target_price),
        "trailing_percent": _text(entry.trailing_percent),
        "sessions": entry.sessions,
        "reasoning": entry.reasoning,
        "invalidation": entry.invalidation,
    }


def _entry_again(values: Mapping[str, Any]) -> Entry:
    return Entry(
        datetime.fromisoformat(values["opened_at"]),
        Decimal(values["price"]),
        Decimal(values["stop"]),
        _decimal(values["target"]),
        _decimal(values["trailing_percent"]),
        values["sessions"],
        values["reasoning"],
        values["invalidation"],
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
