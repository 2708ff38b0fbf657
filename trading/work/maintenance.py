"""The maintenance cycle: sync, reconcile, refresh the asset master, prune."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from connectors.errors import ConnectorError
from trading.access.api_tokens import forget_old_tokens
from trading.access.idempotency_keys import prune_keys
from trading.core import cycle_log, set_aside
from trading.cycle import cycles
from trading.domain.statuses import CycleStage
from trading.errors import TradingError
from trading.events import consuming, notifying
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.market.assets import refresh_assets
from trading.models import Cycle
from trading.work.ended_sessions import forget_old_sessions
from trading.work.retention import forget_idle_cycles, forget_old_prices

SNAPSHOTS_KEPT = timedelta(days=7)
LEASE = cycles.MAINTENANCE_LEASE


def maintain(cycle_id: UUID) -> bool:
    """Do the maintenance of one cycle, each part on its own; return whether this call completed it."""
    if cycles.move_stage(cycle_id, to=CycleStage.FINISHING, frm=[CycleStage.FETCHING], lease=LEASE) is None:
        return False
    began = timezone.now()
    parts: dict[str, Callable[[], object]] = {
        "sync_account": lambda: sync_portfolio(cycle_id),
        "reconcile": reconcile,
        "refresh_assets": refresh_assets,
        "prune": prune,
    }
    for operation, part in parts.items():
        try:
            part()
        except (ConnectorError, TradingError) as error:
            cycle_log.record_error(cycle_id, operation=operation, error=error)
        else:
            cycle_log.record_step(cycle_id, operation)
    for listing, rows in set_aside.noted_since(began).items():
        cycle_log.record_unreadable(cycle_id, operation=listing, rows=rows)
    return cycles.complete_cycle(Cycle.objects.get(pk=cycle_id))


def prune() -> int:
    """Delete old cycles that led to no order, and what nothing reads any more; return how many rows and cycles.

    That is snapshots, request keys, what is remembered of handled events, notices, sessions and tokens that ended.
    """
    deleted = forget_old_prices(SNAPSHOTS_KEPT) + forget_idle_cycles()
    deleted += prune_keys() + consuming.forget_old() + notifying.forget_old()
    return deleted + forget_old_sessions() + forget_old_tokens()
