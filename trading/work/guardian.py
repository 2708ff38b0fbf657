"""The sweeper's thread for the kill switch: it continues what an engagement left undone.

State of its own is only what it has seen itself; everything else is in PostgreSQL, so a new one goes on.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError, connection

from connectors.errors import ConnectorError
from risk.models import KillSwitch
from risk.services import switch
from risk.services.holders import Session, Silence, holders
from trading.core import settings
from trading.core.statements.together import first, read_together
from trading.domain.order_ids import Purpose
from trading.domain.statuses import OrderStatus
from trading.errors import TradingError
from trading.execution.unattended_orders import record_sales
from trading.models import Order, Position, SwitchFollowUp
from trading.safety import switch_follow_up
from trading.safety.entry_cancels import cancel_open_entries
from trading.safety.flatten import FlattenReport, flatten_positions
from trading.safety.senders import shut_out_silent

log = structlog.get_logger(__name__)
CALLERS_TURN_SECONDS = 5.0  # whoever engaged does these things first, and can say what was done
CANCEL_AGAIN_SECONDS = 15.0
CANCEL_SECONDS = 10.0
FLATTEN_SECONDS = 20.0
FLATTEN_PAUSES = (2.0, 2.0, 5.0, 5.0, 10.0, 15.0, 30.0, 60.0)


@dataclass(slots=True)
class Guardian:
    """Looks once a second; one engagement at a time."""

    clock: Callable[[], float] = time.monotonic
    _silence: Silence = field(default_factory=Silence)
    _engagement: UUID | None = None
    _before: frozenset[Session] | None = None
    _cancel_at: float = 0.0
    _flatten_at: float | None = None
    _passes: int = 0

    def look(self) -> None:
        """Shut out senders that stopped, and take the engagement in force a step further; never raises."""
        self._do("senders", self._watch_senders)
        self._do("switch", self._see_to_switch)

    def _see_to_switch(self) -> None:
        read = read_together(
            {"unannounced": switch_follow_up.unannounced(), "engagement": switch.engagements()}
        )
        if not read["unannounced"]:
            self._do("engagement", lambda: self._go_on(first(read["engagement"])))
            return
        self._do("announce", lambda: switch_follow_up.announce(read["unannounced"]))
        # Read anew: announcing may have taken a while.
        self._do("engagement", lambda: self._go_on(switch.current_engagement()))

    def _do(self, name: str, act: Callable[[], object]) -> None:
        try:
            act()
        except (DatabaseError, InterfaceError) as error:
            log.warning("guardian_waits", step=name, error=str(error).strip())
            connection.close_if_unusable_or_obsolete()
        except (ConnectorError, TradingError) as error:
            log.warning("guardian_waits", step=name, error=str(error))
        except Exception:
            log.exception("guardian_step_failed", step=name)

    def _watch_senders(self) -> None:
        shut_out_silent(self._silence, reads_take_seconds=settings.seconds("order_timeout"))

    def _go_on(self, engagement: KillSwitch | None) -> None:
        if engagement is None:
            self._engagement = None
            return
        if engagement.pk != self._engagement:
            self._engagement, self._before, self._passes = engagement.pk, None, 0
            self._cancel_at, self._flatten_at = self.clock() + CALLERS_TURN_SECONDS, None
        done = switch_follow_up.follow_up_of(engagement)
        if done.senders_ended_at is None:
            self._await_senders(engagement)
        self._cancel(engagement, done)
        if engagement.flatten_by and (done.flattened_at is None or Position.objects.exists()):
            self._flatten(engagement)

    def _await_senders(self, engagement: KillSwitch) -> None:
        """Note that none is left of those that held the lock when we first saw the engagement."""
        now = frozenset(session for session, holds in holders().items() if holds.is_sender)
        self._before = now if self._before is None else self._before & now
        if not self._before:
            switch_follow_up.note(engagement, "senders_ended_at")

    def _cancel(self, engagement: KillSwitch, done: SwitchFollowUp) -> None:
        """Cancel what is still open; at once where nobody has since the last sender ended."""
        is_owed = done.cancelled_at is None
        if not (is_owed or _entries_are_open()) or self.clock() < self._cancel_at:
            return
        self._cancel_at = self.clock() + CANCEL_AGAIN_SECONDS
        senders_ended = SwitchFollowUp.objects.filter(
            pk=engagement.pk, senders_ended_at__isnull=False
        ).exists()
        report = cancel_open_entries(within_seconds=CANCEL_SECONDS)
        self._say(engagement, report.problems)
        if senders_ended and not report.problems and not report.remaining:
            switch_follow_up.note(engagement, "cancelled_at")
        elif is_owed:
            self._cancel_at = self.clock() + 1.0

    def _flatten(self, engagement: KillSwitch) -> None:
        if self._flatten_at is None:
            self._flatten_at = self.clock() + CALLERS_TURN_SECONDS
        if self.clock() < self._flatten_at:
            return
        report = flatten_positions(engagement, within_seconds=FLATTEN_SECONDS)
        pause = FLATTEN_PAUSES[min(self._passes, len(FLATTEN_PAUSES) - 1)]
        self._passes += 1
        self._flatten_at = self.clock() + pause
        if report.is_done:
            switch_follow_up.note(engagement, "flattened_at")
        self._say(engagement, report.problems)
        _log_flatten(report)
        record_sales()

    def _say(self, engagement: KillSwitch, problems: list[str]) -> None:
        SwitchFollowUp.objects.filter(pk=engagement.pk).update(problems=problems[:50])


def _log_flatten(report: FlattenReport) -> None:
    held = None if report.remaining is None else sorted(report.remaining)
    if report.ordered or report.problems or held != []:
        log.warning("flatten_goes_on", ordered=report.ordered, held=held, problems=report.problems[:10])


def _entries_are_open() -> bool:
    known = Order.objects.live().filter(side="buy").exclude(purpose=Purpose.FLATTEN)
    return known.exclude(status=OrderStatus.UNKNOWN).exists()
