"""A scrape of ``/metrics`` before and after a million decisions: ``python -m benchmarks.scrape [decisions]``."""

import sys

from benchmarks.measure import time_per_call
from benchmarks.world import measured_world

LIMIT = 2.0  # of a scrape of the empty system
DECISIONS = 1_000_000
EVENTS = """
INSERT INTO events (id, aggregate_type, aggregate_id, sequence, type, payload, cycle_id, causation_id, occurred_at)
SELECT gen_random_uuid(), 'decision', id::text, 1, 'decision.created', '{"to": "held", "action": "hold"}', cycle_id,
       '', created_at
FROM ai_decisions
"""


def main() -> int:
    """Measure, fill, measure again; return 1 when the limit was passed."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else DECISIONS
    with measured_world():
        from django.db import connection
        from django.test import Client

        from benchmarks import enriched_seed
        from trading.models import AIDecision

        def scrape() -> None:
            reply = Client().get("/metrics", SERVER_NAME="localhost")
            assert b"orchestrator_database_up 1.0" in reply.content

        empty = time_per_call(scrape, rounds=7, calls=5)
        enriched_seed.fill(wanted)
        with connection.cursor() as cursor:
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
