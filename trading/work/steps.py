"""One step of background work, done here and now, and what its failure means: wait, pause the cycle, or the log alone.

Nothing is enqueued: what follows a step is the caller's to publish, or the sweeper's to find. Only a database that is
away passes through: a task then has its message delivered again, and the sweeper waits.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from connectors.errors import ConnectorError, UnavailableError
from connectors.transport import time_limit
from trading.core import cycle_log
from trading.core.failures import log_failure
from trading.core.settings import read_once
from trading.cycle import fetch_parts, fetching, pausing
from trading.errors import TradingError
from trading.execution import decision_execution, sagas, unattended_orders
from trading.market import headlines
from trading.models import Saga
from trading.orders.submission import UNSENT

log = structlog.get_logger(__name__)
# No request of a visit ends later: with a look after it, it is over before its task's time limit of 50 s.
VISIT_SECONDS = 44.0
LOOK_SECONDS = 5.0


def fetch_part(cycle_id: UUID, part: fetch_parts.Part, *, batch_count: int = 1) -> None:
    """Do one part of a cycle's fetch, unless nobody wants it any more; what it raises goes to the cycle's errors.

    Args:
        batch_count: into how many batches the cycle's stocks are divided.
    """
    operation = fetch_parts.FAILED_AS[part.kind]
    with read_once():
        if not fetch_parts.is_wanted(cycle_id, part):
            log.info("fetch_not_wanted", cycle_id=str(cycle_id), operation=operation)
            return
        try:
            _fetch_part(cycle_id, part, batch_count)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("fetch_failed", cycle_id=str(cycle_id), operation=operation)
            cycle_log.record_error(cycle_id, operation=operation, error=error)


def _fetch_part(cycle_id: UUID, part: fetch_parts.Part, batch_count: int) -> None:
    if part.kind == "news":
        headlines.fetch_headlines(cycle_id, part.symbols)
    elif part.kind == "stocks":
        fetching.fetch_stocks(cycle_id, part.symbols, batch_count=batch_count)
    elif part.kind == "coins":
        fetching.fetch_coins(cycle_id, part.symbols)
    else:
        fetching.fetch_account(cycle_id)


def execute(decision_id: str) -> UUID | None:
    """Take a decision through the gate; return the saga that now has to advance, None where nothing follows."""
    try:
        return decision_execution.execute_decision(UUID(decision_id))
    except (ConnectorError, TradingError) as error:
        log.warning("execution_waits", decision_id=decision_id, error=str(error))
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("execution_failed", decision_id=decision_id)
    return None


def execute_batch(cycle_id: str, soon: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
    """Judge the decisions of a cycle that nobody has, all together; return those that go on, in order.

    They have a saga to advance. Where the batch as a whole fails, all are returned, and each is judged alone.

    Args:
        soon: is given those that may go on while others are still judged; they are not returned then.

    Returns:
        The decisions' ids, each with its cycle's, "" where that was not read.
    """
    waiting = decision_execution.waiting_decisions(UUID(cycle_id))
    try:
        leave = (lambda sagas: soon(_going_on(sagas))) if soon else None
        return _going_on(decision_execution.execute_batch(waiting, leave))
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("batch_failed", cycle_id=cycle_id, decisions=len(waiting))
    return {str(pk): "" for pk in waiting}


def _going_on(sagas: Sequence[Saga]) -> dict[str, str]:
    return {str(saga.decision_id): str(saga.cycle_id or "") for saga in sagas}


def advance(saga_id: str) -> Saga | None:
    """Advance a saga; None when it has to wait. What the broker does not answer pauses the cycle."""
    with read_once():
        return _advance(sagas.read_saga(UUID(saga_id)))


def advance_decision(decision_id: str) -> bool:
    """Advance the saga of a decision that the gate has let pass; return whether it has one under way."""
    with read_once():
        saga = sagas.saga_under_way(UUID(decision_id))
        if saga is None:
            return False
        _advance(saga)
    return True


def _advance(saga: Saga) -> Saga | None:
    waits = False
    try:
        with time_limit(VISIT_SECONDS):
            saga = sagas.advance(saga)
        waits = saga.order.status in UNSENT
    except (ConnectorError, TradingError) as error:
        waits = isinstance(error, UnavailableError)
        _log_saga("saga_waits", saga, error)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("saga_failed", saga_id=str(saga.pk))
        _log_saga("saga_failed", saga, error)
        return None
    if waits:
        with time_limit(LOOK_SECONDS):
            pausing.pause_if_broker_is_down(saga.cycle_id)
    return saga


def settle(order_id: str) -> None:
    """Settle an order that filled after its saga's end; a broker that is away is asked again."""
    try:
        with time_limit(VISIT_SECONDS), read_once():
            sagas.settle_order(UUID(order_id))
    except (ConnectorError, TradingError) as error:
        log.warning("late_order_waits", order_id=order_id, error=str(error))


def follow(order_id: str) -> None:
    """Follow an order without a saga; what the broker cannot say now is asked again later."""
    try:
        with time_limit(VISIT_SECONDS), read_once():
            unattended_orders.follow_order(UUID(order_id))
    except (ConnectorError, TradingError) as error:
        log.warning("lone_order_waits", order_id=order_id, error=str(error))


def _log_saga(event: str, saga: Saga, error: Exception) -> None:
    log_failure(
        event,
        error=error,
        operation=getattr(error, "operation", "advance_saga"),
        state=f"saga {saga.status}, order {saga.order.status}",
        cycle_id=saga.cycle_id,
        symbol=saga.order.symbol,
    )
