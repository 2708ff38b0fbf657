"""Finish a cycle whose decisions are all settled: sync the account once more, then complete it."""

from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Max, Q
from django.utils import timezone

from connectors.errors import ConnectorError
from trading.core import cycle_log, settings
from trading.core.repeated_reads import read_repeatedly
from trading.cycle import cycles
from trading.domain.ages import is_fresh
from trading.domain.statuses import OPEN_ORDER
from trading.errors import TradingError
from trading.execution.portfolio import sync_portfolio
from trading.models import AgentStatus, Cycle, Order
from trading.performance.comparison import compare_books

JUST_NOW = timedelta(seconds=5)


def finish_cycle(cycle_id: UUID) -> bool:
    """Sync once more, compare the books with it and complete the cycle, if it is ready; return whether this call did.

    The sync that settled the cycle's orders is the last one, where it has just been stored. One that fails goes to the
    cycle's errors; the cycle completes all the same.
    """
    cycle = cycles.claim_finish(cycle_id)
    if cycle is None:
        return False
    try:
        if not _is_synced(cycle):
            read_repeatedly(
                lambda _: sync_portfolio(cycle.pk), within_seconds=settings.seconds("fetch_timeout")
            )
    except (ConnectorError, TradingError) as error:
        cycle_log.record_error(cycle.pk, operation="final_sync", error=error)
    compare_books(cycle.pk)
    return cycles.complete_cycle(Cycle.objects.get(pk=cycle.pk))


def _is_synced(cycle: Cycle) -> bool:
    """Tell whether the stored sync was asked for a moment ago, after the end of each order that the cycle made."""
    orders = Order.objects.filter(cycle_id=cycle.pk).aggregate(
        open=Count("pk", filter=Q(status__in=OPEN_ORDER)), last=Max("ended_sequence")
    )
    if orders["open"] or orders["last"] is None:
        return False
    agent = AgentStatus.objects.get(pk=1)
    is_after_all = agent.positions_sequence > orders["last"]
    return is_after_all and is_fresh(agent.positions_as_of, timezone.now(), JUST_NOW)
