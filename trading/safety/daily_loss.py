"""The day's loss against its limit: what is read for it, and what is written down of it.

The watchdog engages the switch; the rule itself is in trading/domain/loss_limit.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import structlog
from django.db import IntegrityError, transaction

from connectors.base import Account
from risk.domain.numbers import finite_decimal, plain_decimal
from risk.models import KillSwitch, RiskLimits
from trading.core import transitions
from trading.domain.loss_limit import AnsweredLoss, DayLoss, engages
from trading.market.exchange_calendar import TradingDay, trading_day
from trading.market.market_time import latest_market_time
from trading.models import EquitySnapshot, Event

log = structlog.get_logger(__name__)
AGGREGATE = "risk_limit"
LIMIT = "max_daily_loss_percent"
STORED_TO = Decimal("0.0001")  # USD: the column's last digit, the broker may tell more
LATEST = 50  # engagements looked at: more in one day is no person's work


@dataclass(frozen=True, slots=True)
class Breach:
    """A loss that engages the switch: in words for a person, and with the figures it is known again by."""

    reason: str
    figures: Mapping[str, str]


def breach(account: Account, limits: RiskLimits | None, *, trigger: str) -> Breach | None:
    """Return why the day's loss engages the switch now, None where it does not.

    Realised and unrealised count, because both are in the equity. That the limit is reached is written down
    once for a day and limit, whether or not the switch is engaged already.

    Args:
        limits: those in force; None: there are none.
        trigger: what engagements by the loss are called.
    """
    if limits is None or account.last_equity <= 0:
        return None
    loss = DayLoss(account.last_equity, account.equity, limits.max_daily_loss_percent, limits.version)
    if not loss.is_past_limit:  # the calendar, which takes a second to load, is for those alone that are
        return None
    day = _day()
    if day is not None:
        loss = replace(loss, session=day.session, session_has_opened=day.has_opened)
    _record(loss)
    if not engages(loss, _answered(trigger)):
        return None
    words = f"the day's loss is {loss.percent:.2f} %, the limit {loss.limit_percent:.2f} %"
    return Breach(words, _figures(loss))


def _day() -> TradingDay | None:
    at = latest_market_time()
    try:
        return trading_day(at) if at is not None else None
    except Exception:  # the limit is watched whatever becomes of the calendar: the start alone names the day
        log.exception("trading_day_unknown")
        return None


def _figures(loss: DayLoss) -> dict[str, str]:
    figures = {
        "session_start_equity": str(loss.start_equity),
        "equity": str(loss.equity),
        "daily_loss_percent": f"{loss.percent:.3f}",
        LIMIT: str(loss.limit_percent),
        "limits_version": str(loss.limits_version),
    }
    return figures | ({"session": loss.session.isoformat()} if loss.session else {})


def _answered(trigger: str) -> Iterator[AnsweredLoss]:
    """Yield what the switch was engaged for by the loss, and released from."""
    released = KillSwitch.objects.filter(trigger=trigger, released_at__isnull=False)
    for row in released.order_by("-engaged_at")[:LATEST]:
        start = finite_decimal(row.figures.get("session_start_equity"))
        yield AnsweredLoss(
            start_equity=start,
            session=_date(row.figures.get("session")),
            limits_version=str(row.figures.get("limits_version", "")),
            limit_percent=finite_decimal(row.figures.get(LIMIT)),
            percent_at_release=_percent_at_release(row, start),
        )


def _percent_at_release(row: KillSwitch, start: Decimal | None) -> Decimal | None:
    """Return the loss that the person who released could see: as last stored by then, else as it engaged."""
    engaged_at = finite_decimal(row.figures.get("daily_loss_percent"))
    seen = (
        EquitySnapshot.objects.filter(created_at__gte=row.engaged_at, created_at__lte=row.released_at)
        .order_by("-created_at")
        .first()
    )
    if seen is None or start is None or start <= 0:
        return engaged_at
    if abs(seen.session_start_equity - start) < STORED_TO:
        return DayLoss(start, seen.equity, Decimal(0), 0).percent
    return engaged_at


def _record(loss: DayLoss) -> None:
    """Write down that the day's loss has reached its limit, once for a day and a limit.

    No row is locked: a process that was stopped may hold any. Two that write at once meet in the sequence.
    """
    aggregate_id = f"daily_loss:{plain_decimal(loss.start_equity)}"[:64]
    known = Event.objects.filter(aggregate_type=AGGREGATE, aggregate_id=aggregate_id)
    if any(_is_of(payload, loss) for payload in known.values_list("payload", flat=True)):
        return
    try:
        with transaction.atomic():
            transitions.append_event(
                aggregate_type=AGGREGATE,
                aggregate_id=aggregate_id,
                event_type="risk_limit.breached",
                payload={
                    "limit": LIMIT,
                    "scope": "account",
                    "value": f"{loss.percent:.3f}",
                    "limit_value": str(loss.limit_percent),
                    "session": loss.session.isoformat() if loss.session else "",
                },
                cycle_id=None,
            )
    except IntegrityError:
        return


def _is_of(payload: Mapping[str, object], loss: DayLoss) -> bool:
    same_limit = finite_decimal(payload.get("limit_value")) == loss.limit_percent
    return same_limit and loss.is_day_of(loss.start_equity, _date(payload.get("session")))


def _date(text: object) -> date | None:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None
