"""A database full of decisions with what they led to, written by PostgreSQL itself: a million rows in two minutes.

140 symbols, a cycle a minute. Each symbol lives in rounds of 120 cycles: bought, bought again and partly filled, partly
sold, a sale denied, sold, an order that came to nothing in one of several ways, an entry denied; in all other cycles it
is held (84 %) or skipped. The newest cycle has decisions that are still under way. ``stages`` is what the pure rules
say, which ``check_stages`` verifies.
"""

import random
import time

SYMBOLS = 140

SEED = f"""
CREATE UNLOGGED TABLE seed AS
SELECT n, c, s, phase, life, created_at, uuidv7(created_at - clock_timestamp()) AS id,
    CASE WHEN s < 120 THEN 'ST' || lpad(s::text, 3, '0') ELSE 'CO' || s || '/USD' END AS symbol,
    CASE
        WHEN c = last AND s IN (3, 4, 5, 6, 7, 8, 9) THEN
            (ARRAY['pending', 'claimed', 'asked', 'created', 'accepted', 'partial', 'filled'])[s - 2]
        WHEN phase = 0 THEN 'entry'
        WHEN phase = 10 THEN 'add'
        WHEN phase = 20 THEN 'trim'
        WHEN phase = 30 THEN 'sale_denied'
        WHEN phase = 40 THEN 'exit'
        WHEN phase = 50 AND life %% 40 = 6 THEN 'broken'
        WHEN phase = 50 THEN (ARRAY['rejected', 'canceled', 'failed', 'unanswered', 'refused', 'stored',
            'denied', 'denied'])[life %% 8 + 1]
        WHEN phase = 60 THEN 'denied'
        WHEN (c * 31 + s * 7) %% 100 < 84 THEN 'held'
        ELSE 'skipped'
    END AS kind
FROM (
    SELECT n, n / {SYMBOLS} AS c, n %% {SYMBOLS} AS s, (n / {SYMBOLS} + 7 * (n %% {SYMBOLS})) %% 120 AS phase,
        (n / {SYMBOLS} + 7 * (n %% {SYMBOLS})) / 120 AS life, (%(rows)s - 1) / {SYMBOLS} AS last,
        date_trunc('minute', now()) - make_interval(mins => ((%(rows)s - 1) / {SYMBOLS} - n / {SYMBOLS})::int)
            + make_interval(secs => (n %% {SYMBOLS}) * 0.003) AS created_at
    FROM generate_series(0, %(rows)s - 1) AS n
) AS numbers
"""  # noqa: S608 - a constant

# Of each kind: the decision, the gate's answer, the order; empty where there is none.
KINDS = """
CREATE UNLOGGED TABLE kinds AS SELECT * FROM (VALUES
    ('pending',     'buy',  'pending',   '',                  'cppppp',  NULL,  NULL,       NULL, NULL),
    ('claimed',     'buy',  'claimed',   '',                  'cppppp',  NULL,  NULL,       NULL, NULL),
    ('asked',       'buy',  'awaiting_approval', '',          'cppppp',  NULL,  NULL,       NULL, NULL),
    ('created',     'buy',  'executing', '',                  'ccpppp',  true,  'created',  0.0, 'running'),
    ('accepted',    'buy',  'executing', '',                  'cccppp',  true,  'accepted', 0.0, 'running'),
    ('partial',     'buy',  'executing', '',                  'ccccpp',  true,  'partially_filled', 0.4, 'running'),
    ('filled',      'buy',  'executing', '',                  'ccccpp',  true,  'filled',   1.0, 'running'),
    ('entry',       'buy',  'executed',  '',                  'cccccc',  true,  'filled',   1.0, 'completed'),
    ('add',         'buy',  'executed',  '',                  'cccccc',  true,  'canceled', 0.4, 'completed'),
    ('trim',        'sell', 'executed',  '',                  'cccccc',  true,  'filled',   1.0, 'completed'),
    ('exit',        'sell', 'executed',  '',                  'cccccc',  true,  'filled',   1.0, 'completed'),
    ('sale_denied', 'sell', 'denied',    'order_pending',     'cfssss',  false, NULL,       NULL, NULL),
    ('denied',      'buy',  'denied',    'low_confidence',    'cfssss',  false, NULL,       NULL, NULL),
    ('rejected',    'buy',  'rejected',  'broker_rejected',   'ccfsss',  true,  'rejected', 0.0, 'compensated'),
    ('canceled',    'buy',  'expired',   'order_canceled',    'cccfss',  true,  'canceled', 0.0, 'compensated'),
    ('failed',      'buy',  'failed',    'order_never_taken', 'ccfsss',  true,  'failed',   0.0, 'compensated'),
    ('broken',      'buy',  'failed',    'compensation_failed', 'ccccfs', true, 'filled',   1.0, 'failed'),
    ('unanswered',  'buy',  'expired',   'approval_expired',  'csssss',  NULL,  NULL,       NULL, NULL),
    ('refused',     'buy',  'rejected',  'approval_rejected', 'csssss',  NULL,  NULL,       NULL, NULL),
    ('stored',      'buy',  'stored',    'mode_manual',       'csssss',  NULL,  NULL,       NULL, NULL),
    ('held',        'hold', 'held',      'hold',              'csssss',  NULL,  NULL,       NULL, NULL),
    ('skipped',     'hold', 'skipped',   'no_price',          'csssss',  NULL,  NULL,       NULL, NULL)
) AS rows (kind, action, status, reason, stages, allowed, order_status, filled, saga_status)
"""

ROWS = (
    """
    INSERT INTO strategies (id, name, version, instructions, universe, symbols, model_names, keywords, size_percent,
        sizing, is_active, created_at, updated_at)
    SELECT uuidv7(), name, 1, 'Hold.', 'all', '{}', '{}', '{}', 3, 'fixed_fraction', true, now(), now()
    FROM unnest(ARRAY['seed 0 common', 'seed 1 second', 'seed 2 rare']) AS name
    """,
    """
    CREATE UNLOGGED TABLE seed_cycles AS
    SELECT c, uuidv7(min(created_at) - clock_timestamp()) AS id, min(created_at) AS at FROM seed GROUP BY c
    """,
    """
    INSERT INTO cycles (id, cycle_type, status, stage, trigger, started_by, mode, symbols, universe, reason, errors,
        headlines, metrics, started_at, deadline_at, stage_at, ended_at)
    SELECT id, 'analysis', 'completed', 'ended', 'benchmark', '', 'autonomous', '[]', '{}', '', '[]', '[]', '{}', at,
        at + interval '180 s', at, at + interval '2 s'
    FROM seed_cycles
    """,
    """
    INSERT INTO risk_checks (id, cycle_id, decision_id, symbol, reducing, allowed, reason, limits_version, quantity,
        notional, figures, created_at)
    SELECT seed.id, seed_cycles.id, seed.id, symbol, action = 'sell', allowed,
        CASE WHEN allowed THEN '' ELSE reason END, 1, 10, 1000, '{"equity": "100000"}', created_at + interval '100 ms'
    FROM seed JOIN kinds USING (kind) JOIN seed_cycles USING (c) WHERE allowed IS NOT NULL
    """,
    """
    INSERT INTO ai_decisions (id, cycle_id, strategy_id, strategy_version, symbol, action, confidence, reasoning, model,
        risk_check_id, price, price_warning, status, stages, reason, reason_detail, approved, attempts, created_at,
        settled_at)
    SELECT seed.id, seed_cycles.id, (SELECT array_agg(id ORDER BY name) FROM strategies WHERE name LIKE 'seed %')[
            CASE WHEN n %% 10007 = 17 THEN 3 WHEN n %% 20 = 7 THEN 2 ELSE 1 END],
        1, symbol, CASE WHEN kind = 'skipped' AND n %% 11 = 3 THEN 'sell' ELSE action END, 0.81,
        'The trend is ' || CASE WHEN action = 'buy' THEN 'rising and momentum confirms it' ELSE 'flat' END
            || '; RSI ' || (n %% 60 + 20) || ', ' || (n %% 9) || ' % from the mean of 20 days.',
        'builtin/technical-v1', CASE WHEN allowed IS NULL THEN NULL ELSE seed.id END, 100 + n %% 50, '', status, stages,
        CASE WHEN kind = 'skipped' AND n %% 11 = 3 THEN 'no_position' WHEN kind = 'skipped' AND n %% 5003 = 9
            THEN 'analysis_failed' ELSE reason END,
        '', false, 1, created_at,
        CASE WHEN status IN ('pending', 'claimed', 'awaiting_approval', 'executing') THEN NULL
            ELSE created_at + interval '1 s' END
    FROM seed JOIN kinds USING (kind) JOIN seed_cycles USING (c) ORDER BY n
    """,
    """
    INSERT INTO approvals (id, decision_id, cycle_id, status, requested_at, expires_at, answered_at, reason)
    SELECT id, id, seed_cycle, word, created_at, created_at + interval '10 min',
        CASE WHEN word = 'requested' THEN NULL ELSE created_at + interval '1 min' END, ''
    FROM (SELECT seed.*, seed_cycles.id AS seed_cycle, CASE kind WHEN 'asked' THEN 'requested'
            WHEN 'unanswered' THEN 'expired' ELSE 'rejected' END AS word
        FROM seed JOIN seed_cycles USING (c) WHERE kind IN ('asked', 'unanswered', 'refused')) AS asked
    """,
    """
    INSERT INTO orders (id, client_order_id, broker_order_id, decision_id, cycle_id, symbol, side, purpose, quantity,
        reference_price, time_in_force, status, filled_quantity, average_price, attempts, broker_message, created_at,
        submitted_at, acknowledged_at, ended_at)
    SELECT seed.id, seed.id || '-entry-0', seed.id::text, seed.id, seed_cycles.id, symbol, action,
        CASE action WHEN 'sell' THEN 'exit' ELSE 'entry' END, 10, 100, 'day', order_status, 10 * filled,
        CASE WHEN filled > 0 THEN 100.25 END, 1, CASE kind WHEN 'rejected' THEN 'insufficient buying power' ELSE '' END,
        created_at + interval '100 ms', created_at + interval '120 ms',
        CASE WHEN kind IN ('created', 'rejected', 'failed') THEN NULL ELSE created_at + interval '150 ms' END,
        CASE WHEN kind IN ('created', 'accepted', 'partial') THEN NULL ELSE created_at + interval '300 ms' END
    FROM seed JOIN kinds USING (kind) JOIN seed_cycles USING (c) WHERE order_status IS NOT NULL
    """,
    """
    INSERT INTO fills (id, execution_id, order_id, cycle_id, symbol, side, quantity, price, executed_at, recorded_at)
    SELECT uuidv7(), id || '-' || part, id, cycle_id, symbol, side, filled_quantity / 2, average_price,
        created_at + interval '180 ms', created_at + interval '100 ms' * (part + 1)
    FROM orders CROSS JOIN generate_series(1, 2) AS part WHERE filled_quantity > 0 AND broker_order_id = id::text
    """,
    """
    INSERT INTO sagas (id, decision_id, order_id, cycle_id, status, error, started_at, deadline_at, next_poll_at,
        ended_at)
    SELECT seed.id, seed.id, seed.id, seed_cycles.id, saga_status, '', created_at, created_at + interval '300 s',
        created_at, CASE WHEN saga_status = 'running' THEN NULL ELSE created_at + interval '600 ms' END
    FROM seed JOIN kinds USING (kind) JOIN seed_cycles USING (c) WHERE saga_status IS NOT NULL
    """,
    """
    INSERT INTO trades (id, order_id, decision_id, strategy_id, cycle_id, symbol, side, quantity, price, realised_pnl,
        reasoning, traded_at, booked_at)
    SELECT o.id, o.id, o.id, d.strategy_id, o.cycle_id, o.symbol, o.side, o.filled_quantity, o.average_price,
        CASE o.side WHEN 'sell' THEN 12.5 END, d.reasoning, o.ended_at, o.ended_at
    FROM orders o JOIN ai_decisions d ON d.id = o.decision_id
    WHERE o.filled_quantity > 0 AND o.ended_at IS NOT NULL AND d.status = 'executed'
    """,
    """
    INSERT INTO events (id, aggregate_type, aggregate_id, sequence, type, payload, causation_id, occurred_at)
    SELECT uuidv7(), 'position', symbol, row_number() OVER (PARTITION BY symbol ORDER BY created_at),
        CASE kind WHEN 'entry' THEN 'position.opened' WHEN 'exit' THEN 'position.closed' ELSE 'position.changed' END,
        '{}', '', created_at + interval '590 ms'
    FROM seed WHERE kind IN ('entry', 'add', 'trim', 'exit')
    """,
    """
    UPDATE ai_decisions d SET stages = 'cccccp'
    FROM orders o WHERE o.decision_id = d.id AND d.stages = 'cccccc' AND o.purpose = 'entry' AND NOT EXISTS (
        SELECT 1 FROM events e WHERE e.type = 'position.closed' AND e.aggregate_id = d.symbol
            AND e.occurred_at > o.ended_at)
    """,
    """
    INSERT INTO positions (symbol, asset_class, quantity, quantity_available, average_entry_price, market_value,
        unrealised_pnl, source, opened_at, synced_at)
    SELECT DISTINCT symbol, 'stock', 10, 10, 100, 1005, 5, 'broker_live', now(), now()
    FROM ai_decisions WHERE stages = 'cccccp'
    """,
    "DROP TABLE seed, seed_cycles, kinds",
)
CHECKED = 5_000


def fill(rows: int) -> float:
    """Write ``rows`` decisions and all that belongs to them, unless they are there; return the seconds it took."""
    from django.db import connection

    began = time.perf_counter()
    if counted():
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no foreign keys looked up a row at a time
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '256MB'")
        cursor.execute(SEED, {"rows": rows})
        for statement in (KINDS, *ROWS):
            cursor.execute(statement.replace("%%", "%"))
        cursor.execute("RESET ALL")
        cursor.execute("VACUUM (ANALYZE)")
    return time.perf_counter() - began


def counted() -> int:
    """Return how many decisions there are."""
    from trading.models import AIDecision

    return AIDecision.objects.count()


def check_stages(seed: int = 7) -> int:
    """Compare the stored words of many decisions with the pure rules; return how many were compared."""
    from trading.domain.stage_keys import KEYS, stage_key
    from trading.models import AIDecision
    from trading.queries.decision_rows import facts_of, rows_of

    wanted = []
    for key in KEYS:
        ids = AIDecision.objects.filter(stages=key).order_by("id").values_list("pk", flat=True)
        wanted += random.Random(seed).sample(
            list(ids[: 20 * CHECKED]), min(CHECKED // 10, len(ids[: 20 * CHECKED]))
        )
    wrong = [row for row in rows_of(wanted) if stage_key(facts_of(row)) != row.decision_stages]
    assert not wrong, [(row.decision_stages, stage_key(facts_of(row)), row.decision_id) for row in wrong[:5]]
    return len(wanted)
