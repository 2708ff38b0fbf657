"""Finish a cycle whose decisions are all settled: sync the account once more, then complete it."""

from uuid import UUID

from connectors.errors import ConnectorError
from trading.core import cycle_log, settings
from trading.core.repeated_reads import read_repeatedly
from trading.cycle import cycles
from trading.errors import TradingError
from trading.execution.portfolio import sync_portfolio
from trading.models import Cycle


def finish_cycle(cycle_id: UUID) -> bool:
    """Sync once more and complete the cycle, if it is ready; return whether this call completed it.

    A sync that fails goes to the cycle's errors; the cycle completes all the same.
    """
    cycle = cycles.claim_finish(cycle_id)
    if cycle is None:
        return False
    try:
        read_repeatedly(lambda _: sync_portfolio(cycle.pk), within_seconds=settings.seconds("fetch_timeout"))
    except (ConnectorError, TradingError) as error:
        cycle_log.record_error(cycle.pk, operation="final_sync", error=error)
    return cycles.complete_cycle(Cycle.objects.get(pk=cycle.pk))
