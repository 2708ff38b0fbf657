"""Shadow strategies in JSON values, and in lines for a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from evaluation.models import ShadowDecision, ShadowFill
from evaluation.services.shadow.reading import CurvePoint, HeldPosition, Standing
from risk.domain.numbers import plain_decimal

NOT_YET = "it has seen no cycle yet"


def standing_json(standing: Standing) -> dict[str, Any]:
    """Return a shadow strategy's figures as JSON values; money as decimal text, None before its first cycle."""
    strategy, book, point = standing.strategy, standing.book, standing.point
    return {
        "strategy": strategy.name,
        "version": strategy.version,
        "isShadow": strategy.is_shadow,
        "isActive": strategy.is_active,
        "startEquity": _plain(book.start_equity if book else None),
        "origin": book.origin if book else None,
        "openedAt": _moment(book.opened_at if book else None),
        "asOf": _moment(point.at if point else None),
        "equity": _plain(point.equity if point else None),
        "cash": _plain(point.cash if point else None),
        "exposure": _plain(point.exposure if point else None),
        "positions": point.positions if point else 0,
        "returnPercent": _plain(standing.return_percent),
        "accountEquity": _plain(point.account_equity if point else None),
        "accountReturnPercent": _plain(standing.account_return_percent),
        "cyclesDecided": book.decided if book else 0,
        "cyclesUnanswered": book.unanswered if book else 0,
        "cyclesMissed": standing.cycles_missed,
        "lastOutcome": point.outcome if point else None,
        "lastReason": point.reason if point else "",
        "requestsAsked": book.requests_asked if book else 0,
        "costUsd": _plain(book.cost_usd if book else Decimal(0)),
    }


def detail_json(
    standing: Standing,
    *,
    positions: Sequence[HeldPosition],
    curve: Sequence[CurvePoint],
    decisions: Sequence[ShadowDecision],
    fills: Sequence[ShadowFill],
) -> dict[str, Any]:
    """Return one with what it holds, did and was worth."""
    return {
        **standing_json(standing),
        "held": [_position(each) for each in positions],
        "curve": [
            {
                "at": _moment(each.at),
                "equity": _plain(each.equity),
                "accountEquity": _plain(each.account_equity),
            }
            for each in curve
        ],
        "decisions": [_decision(each) for each in decisions],
        "fills": [_fill(each) for each in fills],
    }


def standing_line(standing: Standing) -> str:
    """Return a shadow strategy in a line."""
    name = standing.strategy.name
    if standing.book is None or standing.point is None:
        return f"{name}: {NOT_YET}"
    state = "" if standing.strategy.is_shadow and standing.strategy.is_active else " (at rest)"
    return (
        f"{name}{state}: {_money(standing.point.equity)} USD ({_percent(standing.return_percent)}), the account"
        f" {_percent(standing.account_return_percent)} over the same time; {standing.book.decided} cycles decided,"
        f" {standing.book.unanswered} unanswered, {standing.cycles_missed} missed;"
        f" {plain_decimal(standing.book.cost_usd)} USD for its models"
    )


def detail_lines(
    standing: Standing,
    *,
    positions: Sequence[HeldPosition],
    decisions: Sequence[ShadowDecision],
    fills: Sequence[ShadowFill],
) -> Iterator[str]:
    """Yield one in lines: its figures, what it holds, its last decisions and fills."""
    yield standing_line(standing)
    if standing.point is not None and standing.point.reason:
        yield f"last cycle {standing.point.outcome}: {standing.point.reason}"
    for each in positions:
        stop = "none" if each.stop_price is None else _money(each.stop_price)
        target = "none" if each.target_price is None else _money(each.target_price)
        profit = "unknown" if each.profit is None else f"{_money(each.profit)} USD"
        yield f"holds {plain_decimal(each.quantity)} {each.symbol}: {profit}; stop {stop}, target {target}"
    for decision in decisions:
        why = f": {decision.reason}" if decision.reason else f" {plain_decimal(decision.quantity)}"
        yield (
            f"{decision.as_of:%Y-%m-%d %H:%M} {decision.action.upper()} {decision.symbol}"
            f" {plain_decimal(decision.confidence)}  {decision.get_status_display()}{why}"
        )
    for fill in fills:
        yield (
            f"{fill.at:%Y-%m-%d %H:%M} filled {fill.side} {plain_decimal(fill.quantity)} {fill.symbol} at"
            f" {plain_decimal(fill.price)} ({fill.get_cause_display()})"
        )


def _position(each: HeldPosition) -> dict[str, Any]:
    return {
        "symbol": each.symbol,
        "quantity": _plain(each.quantity),
        "cost": _plain(each.cost),
        "price": _plain(each.price),
        "value": _plain(each.value),
        "profit": _plain(each.profit),
        "stopPrice": _plain(each.stop_price),
        "targetPrice": _plain(each.target_price),
        "openedAt": _moment(each.opened_at),
    }


def _decision(each: ShadowDecision) -> dict[str, Any]:
    return {
        "id": str(each.pk),
        "cycleId": str(each.cycle_id),
        "strategyVersion": each.strategy_version,
        "symbol": each.symbol,
        "action": each.action,
        "confidence": _plain(each.confidence),
        "reasoning": each.reasoning,
        "model": each.model,
        "asOf": _moment(each.as_of),
        "decidedAt": _moment(each.decided_at),
        "price": _plain(each.price),
        "status": each.status,
        "reason": each.reason,
        "quantity": _plain(each.quantity),
    }


def _fill(each: ShadowFill) -> dict[str, Any]:
    return {
        "id": str(each.pk),
        "decisionId": each.decision_id and str(each.decision_id),
        "cause": each.cause,
        "symbol": each.symbol,
        "side": each.side,
        "quantity": _plain(each.quantity),
        "price": _plain(each.price),
        "snapshotPrice": _plain(each.snapshot_price),
        "fees": _plain(each.fees),
        "realised": _plain(each.realised),
        "at": _moment(each.at),
    }


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _percent(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{value:+.2f} %"
