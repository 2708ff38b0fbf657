"""A scrape of ``/metrics`` before and after a million decisions: ``python -m benchmarks.scrape [decisions]``."""

import sys

from benchmarks.measure import time_per_call
from benchmarks.world import measured_world

LIMIT = 2.0  # of a scrape of the empty system
DECISIONS, SYMBOLS = 1_000_000, 140
CYCLES = """
INSERT INTO cycles (id, cycle_type, status, stage, trigger, started_by, mode, symbols, universe, reason, errors,
                    headlines, metrics, started_at, deadline_at, stage_at, ended_at)
SELECT gen_random_uuid(), 'analysis', 'completed', 'ended', 'schedule', '', 'autonomous', '[]', '{}', '', '[]', '[]',
       '{}', at, at + interval '180 s', at, at + interval '4 s'
FROM (SELECT now() - n * interval '60 s' - interval '1 hour' AS at FROM generate_series(1, %s) AS n) AS slots
"""
ROWS = """
INSERT INTO ai_decisions (id, cycle_id, strategy_id, symbol, action, confidence, reasoning, model, status, reason,
                          reason_detail, price_warning, approved, attempts, created_at, settled_at)
SELECT gen_random_uuid(), cycles.id, (SELECT id FROM strategies LIMIT 1), 'S' || n, 'hold', 0.5, 'It is flat.', 'm',
       'held', 'hold', '', '', false, 0, started_at, started_at
FROM cycles, generate_series(1, %s) AS n
"""
EVENTS = """
INSERT INTO events (id, aggregate_type, aggregate_id, sequence, type, payload, cycle_id, occurred_at)
SELECT gen_random_uuid(), 'decision', id::text, 1, 'decision.created', '{"to": "held", "action": "hold"}', cycle_id,
       created_at
FROM ai_decisions
"""


def main() -> int:
    """Measure, fill, measure again; return 1 when the limit was passed."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else DECISIONS
    with measured_world():
        from django.db import connection
        from django.test import Client

        from trading.models import AIDecision

        def scrape() -> None:
            reply = Client().get("/metrics", SERVER_NAME="localhost")
            assert b"orchestrator_database_up 1.0" in reply.content

        empty = time_per_call(scrape, rounds=7, calls=5)
        with connection.cursor() as cursor:
            cursor.execute(CYCLES, [-(-wanted // SYMBOLS)])
            cursor.execute(ROWS, [SYMBOLS])
            cursor.execute(EVENTS)
            cursor.execute("ANALYZE")
        stored = AIDecision.objects.count()
        full = time_per_call(scrape, rounds=7, calls=5)
    ratio = full / empty
    sys.stdout.write(
        f"a scrape takes {empty * 1000:.0f} ms empty, {full * 1000:.0f} ms at {stored:,} decisions and as many events:"
        f" ratio {ratio:.2f} (limit {LIMIT:g})\n"
    )
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
