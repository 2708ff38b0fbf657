"""A system that was shaken comes to rest, and is judged while nothing moves."""

import psycopg2

from tests.chaos.arena import Arena
from tests.chaos.monitors import Findings, Monitors
from tests.waiting import wait_until

WORKING = ("worker", "io_worker", "analyst", "sweeper", "listener", "relay", "consumer")
REST = (
    "SELECT (SELECT count(*) FROM cycles WHERE ended_at IS NULL),"
    " (SELECT count(*) FROM sagas WHERE status IN ('running', 'compensating')),"
    " (SELECT count(*) FROM ai_decisions WHERE status IN ('pending', 'claimed', 'executing')),"
    " (SELECT count(*) FROM risk_reservations WHERE released_at IS NULL),"
    " (SELECT count(*) FROM events WHERE public_sequence IS NOT NULL AND published_at IS NULL),"
    " (SELECT count(*) FROM stage_changes),"
    " (SELECT count(*) FROM orders WHERE status IN ('created', 'submitting', 'unknown')),"
    " (SELECT count(*) FROM orders o WHERE order_class <> '' AND acknowledged_at IS NOT NULL"
    " AND status <> 'rejected' AND NOT EXISTS (SELECT 1 FROM orders leg WHERE leg.parent_order_id = o.id))"
)
LAST_EVENT = "SELECT max(position) FROM events"
JUDGED_AT_MOST = 10


def come_to_rest(arena: Arena, *, patient: bool) -> None:
    """Start no more cycles, clear the faults, and wait until nothing is under way.

    Args:
        patient: wait for every lease to run out. Else the processes are killed once more, so that no
            request is under way, and what they held is given up.
    """
    arena.hold_all(("beat",))
    arena.venue.clear_faults()
    if not patient:
        arena.hold_all(WORKING)
        arena.flush_queue()
        arena.execute("UPDATE cycles SET deadline_at = now() WHERE stage IN ('fetching', 'analysing')")
        arena.execute("UPDATE orders SET lease_until = NULL")
        arena.execute("UPDATE ai_decisions SET lease_until = now() WHERE status = 'claimed'")
        arena.execute("UPDATE sagas SET next_poll_at = now() WHERE ended_at IS NULL")
        arena.execute(
            "UPDATE cycles SET lease_until = now() WHERE ended_at IS NULL AND lease_until IS NOT NULL"
        )
        arena.go_on(WORKING)
    wait_until(lambda: _resting(arena), seconds=300, what=f"rest: {arena.rows(REST)}")


def _resting(arena: Arena) -> bool:
    try:
        return not any(arena.rows(REST)[0])
    except psycopg2.Error:
        return False


def judged_at_rest(arena: Arena, monitors: Monitors) -> Findings:
    """Judge what has come to rest; once more where something happened meanwhile.

    A start that was sent before the schedule was held may have been on its way to a worker.
    """
    for _ in range(JUDGED_AT_MOST):
        wait_until(lambda: _resting(arena), seconds=300, what="rest")
        before = arena.rows(LAST_EVENT)
        findings = monitors.at_rest()
        if arena.rows(LAST_EVENT) == before:
            break
    return findings
