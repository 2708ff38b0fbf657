"""A report as JSON (the same for the API and the command), as CSV, and in lines for a terminal."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from risk.domain.numbers import plain_decimal
from trading.domain.performance.agreement import CENT
from trading.domain.performance.figures import Drawdown, Figure
from trading.performance.model_costs import ModelCost
from trading.performance.report import EquityChange, Report, trade_figures
from trading.performance.rows import Money, Row
from trading.performance.sums import TradeSums

MONEY_OF_EQUITY = (
    "start",
    "end",
    "change",
    "realised",
    "unrealised",
    "income",
    "brought_in",
    "transferred",
    "unexplained",
)
NOT_IN_EQUITY = "paid apart: it is not in the broker's equity"


def as_json(report: Report) -> dict[str, Any]:
    """Return the report in plain values: money as decimal text, ratios as numbers, what is not known as null."""
    drawdown = report.drawdown
    return {
        "from": _text(report.first),
        "to": _text(report.last),
        "by": report.by,
        "equity": _equity(report.equity),
        "modelCost": _cost(report.model_cost),
        "afterModelCost": _money(after_cost(report)),
        "figures": {_camel(name): _figure(each) for name, each in report.figures.items()},
        "drawdown": _drawdown(drawdown) if drawdown else None,
        "benchmark": {
            "name": report.benchmark.name,
            "days": len(report.benchmark.returns),
            "reason": report.benchmark.reason,
        },
        "rows": [_row(row) for row in report.rows],
    }


def as_csv(report: Report) -> str:
    """Return the rows as CSV with a header; what is not known is empty."""
    out = io.StringIO()
    rows = [_flat(row) for row in report.rows]
    writer = csv.DictWriter(out, fieldnames=list(_flat_names()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_lines(report: Report) -> Iterator[str]:
    """Yield the report in lines for a terminal; each figure with its n, or with why it is not known."""
    equity = report.equity
    yield f"equity {_said(equity.start)} -> {_said(equity.end)} USD, change {_said(equity.change)}"
    yield (
        f"  realised {_said(equity.realised)}, unrealised {_said(equity.unrealised)}, income"
        f" {_said(equity.income)}, brought in {_said(equity.brought_in)}, paid in and out"
        f" {_said(equity.transferred)}, unexplained {_said(equity.unexplained)} (fees {_cents(equity.fees)})"
    )
    cost = report.model_cost
    unpriced = f", {cost.unpriced} of unknown price" if cost.unpriced else ""
    yield f"models cost {_cents(cost.usd)} USD in {cost.calls} calls{unpriced} ({NOT_IN_EQUITY})"
    for name, each in report.figures.items():
        value = "not known" if each.value is None else f"{each.value:.4f}"
        yield f"  {name.replace('_', ' '):32} {value:>14}  n={each.n}{f'  {each.reason}' if each.reason else ''}"
    if report.drawdown:
        deep = report.drawdown
        yield (
            f"  deepest fall {deep.depth:.2%} from {deep.peak} to {deep.trough},"
            f" {'recovered ' + str(deep.recovered) if deep.recovered else 'not recovered'}"
        )
    yield f"against {report.benchmark.name or 'nothing'}" + (
        f": {report.benchmark.reason}" if report.benchmark.reason else ""
    )
    yield f"by {report.by}:"
    for row in report.rows:
        yield (
            f"  {row.label:32} profit {_said(row.profit):>14}  realised {_cents(row.trades.realised):>12}"
            f"  trades {row.trades.trades}  open lots {row.open_lots}"
        )


def after_cost(report: Report) -> Money:
    """Return the change of equity less what models were paid, USD; not known where a call has no known price."""
    change = report.equity.change
    if change.value is None:
        return change
    if report.model_cost.unpriced:
        return Money(None, f"{report.model_cost.unpriced} model calls have no known price")
    return Money(change.value - report.model_cost.usd)


def _equity(equity: EquityChange) -> dict[str, Any]:
    return {
        "startAt": _text(equity.start_at),
        "endAt": _text(equity.end_at),
        **{_camel(name): _money(getattr(equity, name)) for name in MONEY_OF_EQUITY},
        "fees": plain_decimal(equity.fees),
    }


def _row(row: Row) -> dict[str, Any]:
    trades = row.trades
    return {
        "key": row.key,
        "label": row.label,
        "trades": trades.trades,
        "openLots": row.open_lots,
        "realised": plain_decimal(trades.realised),
        "fees": plain_decimal(trades.fees),
        "income": plain_decimal(row.income),
        "unrealised": _money(row.unrealised),
        "profit": _money(row.profit),
        "equityChange": _money(row.equity_change) if row.equity_change else None,
        "modelCost": _cost(row.model_cost) if row.model_cost else None,
        "figures": {_camel(name): _figure(each) for name, each in trade_figures(trades).items()},
    }


def _flat(row: Row) -> dict[str, Any]:
    figures = {name: each.value for name, each in trade_figures(row.trades).items()}
    return {
        "key": row.key,
        "label": row.label,
        "trades": row.trades.trades,
        "open_lots": row.open_lots,
        "realised": plain_decimal(row.trades.realised),
        "fees": plain_decimal(row.trades.fees),
        "unrealised": _plain(row.unrealised),
        "profit": _plain(row.profit),
        "equity_change": _plain(row.equity_change) if row.equity_change else "",
        "model_cost_usd": plain_decimal(row.model_cost.usd) if row.model_cost else "",
        "income": plain_decimal(row.income),
        **{name: "" if value is None else value for name, value in figures.items()},
    }


def _flat_names() -> list[str]:

    return list(_flat(Row("", "", TradeSums(), 0, Money(None), Money(None), None)))


def _money(amount: Money) -> dict[str, Any]:
    return {"usd": _plain(amount) or None, "reason": amount.reason}


def _plain(amount: Money) -> str:
    return "" if amount.value is None else plain_decimal(amount.value)


def _cost(cost: ModelCost) -> dict[str, Any]:
    return {"usd": plain_decimal(cost.usd), "calls": cost.calls, "unpriced": cost.unpriced}


def _figure(figure: Figure) -> dict[str, Any]:
    return {"value": figure.value, "n": figure.n, "reason": figure.reason}


def _drawdown(drawdown: Drawdown) -> Mapping[str, Any]:
    return {_camel(each.name): _shown(getattr(drawdown, each.name)) for each in fields(drawdown)}


def _shown(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _text(value: date | datetime | None) -> str | None:
    return value.isoformat() if value is not None else None


def _said(amount: Money) -> str:
    return f"not known ({amount.reason})" if amount.value is None else _cents(amount.value)


def _cents(value: Decimal) -> str:
    return f"{value.quantize(CENT, ROUND_HALF_UP):f}"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
