"""A database in which many cycles have passed, written by PostgreSQL itself: a cycle a minute, ending now.

Each has five prices and decisions, ten events, the account's equity and an order with all that belongs to it: one that
was bought, and in the next cycle sold again. What an operator's console would show is not cared for.
"""

import time

from benchmarks.cycles import superuser

# Statements of one parameter: how many cycles. ``past`` has a row a cycle: number, id, when, symbols.
STATEMENTS = (
    """
    CREATE UNLOGGED TABLE past AS
    SELECT n, uuidv7(at - clock_timestamp()) AS id, at, symbols[n % array_length(symbols, 1) + 1] AS symbol, symbols,
        market_now - (now() - at) AS market_at, CASE n % 2 WHEN 0 THEN 'buy' ELSE 'sell' END AS side
    FROM (
        SELECT n, now() - make_interval(mins => %(cycles)s - n + 2) AS at,
            (SELECT array_agg(symbol ORDER BY symbol) FROM market_snapshots WHERE cycle_id = (
                SELECT id FROM cycles ORDER BY started_at DESC LIMIT 1)) AS symbols,
            (SELECT max(market_time) FROM equity_snapshots) AS market_now
        FROM generate_series(0, %(cycles)s - 1) AS n
    ) AS numbers
    """,
    """
    INSERT INTO cycles (id, cycle_type, status, stage, trigger, started_by, mode, symbols, universe, market_time,
        reason, errors, headlines, metrics, started_at, deadline_at, stage_at, ended_at)
    SELECT id, 'analysis', 'completed', 'ended', 'schedule', '', 'autonomous', to_jsonb(symbols), '{}', market_at, '',
        '[]', '[]', '{"decisions_count": 140, "duration_seconds": 2.0}', at, at + interval '180 s', at,
        at + interval '2 s'
    FROM past
    """,
    """
    INSERT INTO market_snapshots (cycle_id, symbol, price, previous_close, source, quoted_at, fetched_at, second_source,
        warning)
    SELECT id, symbols[(n + k) % array_length(symbols, 1) + 1], 100 + k, 100, 'alpaca', market_at, at, '', ''
    FROM past CROSS JOIN generate_series(0, 4) AS k
    """,
    """
    INSERT INTO risk_checks (id, cycle_id, decision_id, symbol, reducing, allowed, reason, limits_version, quantity,
        notional, figures, created_at)
    SELECT id, id, id, symbol, side = 'sell', true, '', 1, 10, 1000, '{"equity": "100000"}', at FROM past
    """,
    """
    INSERT INTO ai_decisions (id, cycle_id, strategy_id, strategy_version, symbol, action, confidence, reasoning, model,
        risk_check_id, price, price_warning, status, stages, reason, reason_detail, approved, attempts, created_at,
        settled_at)
    SELECT CASE k WHEN 0 THEN id ELSE uuidv7(at - clock_timestamp()) END, id,
        (SELECT id FROM strategies ORDER BY name LIMIT 1), 1,
        CASE k WHEN 0 THEN symbol ELSE symbols[(n + k) % array_length(symbols, 1) + 1] END,
        CASE k WHEN 0 THEN side ELSE 'hold' END, 0.9, 'It was measured.', 'openai/bench',
        CASE k WHEN 0 THEN id END, 100, '', CASE k WHEN 0 THEN 'executed' ELSE 'held' END,
        CASE k WHEN 0 THEN 'cccccc' ELSE 'csssss' END, CASE k WHEN 0 THEN '' ELSE 'hold' END, '', false, 1, at,
        at + interval '1 s'
    FROM past CROSS JOIN generate_series(0, 4) AS k
    """,
    """
    INSERT INTO risk_reservations (id, cycle_id, decision_id, symbol, side, quantity, notional, quantity_in_positions,
        in_buying_power, created_at, released_at, release_reason)
    SELECT id, id, id, symbol, side, 10, 1000, 10, true, at, at + interval '1 s', 'booked' FROM past
    """,
    """
    INSERT INTO orders (id, client_order_id, broker_order_id, decision_id, reservation_id, cycle_id, symbol, side,
        purpose, quantity, reference_price, time_in_force, status, filled_quantity, booked_quantity, average_price,
        attempts, posts, broker_message, created_at, submitted_at, acknowledged_at, ended_at)
    SELECT id, id || '-entry-0', id::text, id, id, id, symbol, side, CASE side WHEN 'buy' THEN 'entry' ELSE 'exit' END,
        10, 100, 'day', 'filled', 10, 10, 100.25, 1, 1, '', at, at, at, at + interval '300 ms'
    FROM past
    """,
    """
    INSERT INTO fills (id, execution_id, order_id, cycle_id, symbol, side, quantity, price, executed_at, recorded_at)
    SELECT id, id || '-1', id, id, symbol, side, 10, 100.25, at, at FROM past
    """,
    """
    INSERT INTO sagas (id, decision_id, order_id, cycle_id, status, error, started_at, deadline_at, next_poll_at,
        ended_at)
    SELECT id, id, id, id, 'completed', '', at, at + interval '300 s', at, at + interval '600 ms' FROM past
    """,
    """
    INSERT INTO saga_steps (id, saga_id, name, position, status, attempts, input, result, started_at, ended_at)
    SELECT uuidv7(), id, step, place, 'completed', 1, '{}', '{}', at, at + interval '500 ms'
    FROM past CROSS JOIN unnest((SELECT array_agg(name ORDER BY position) FROM (
        SELECT DISTINCT name, position FROM saga_steps) AS known)) WITH ORDINALITY AS steps (step, place)
    """,
    """
    INSERT INTO trades (id, order_id, decision_id, strategy_id, cycle_id, symbol, side, quantity, price, realised_pnl,
        reasoning, traded_at)
    SELECT id, id, id, (SELECT id FROM strategies ORDER BY name LIMIT 1), id, symbol, side, 10, 100.25,
        CASE side WHEN 'sell' THEN 0.5 END, 'It was measured.', at
    FROM past
    """,
    """
    INSERT INTO equity_snapshots (id, cycle_id, equity, session_start_equity, cash, buying_power, market_time, source,
        created_at)
    SELECT id, id, 100000, 100000, 100000, 100000, market_at, 'broker_live', at FROM past
    """,
    """
    INSERT INTO events (id, aggregate_type, aggregate_id, sequence, type, payload, cycle_id, causation_id, occurred_at)
    SELECT uuidv7(), CASE WHEN k <= 5 THEN 'cycle' ELSE 'order' END, id::text, (k - 1) % 5 + 1,
        (ARRAY['cycle.created', 'cycle.step.account', 'cycle.step.stocks', 'cycle.step.analysis', 'cycle.completed',
            'order.created', 'order.claimed', 'order.accepted', 'order.filled', 'order.settled'])[k],
        '{"seconds": 0.1}', id, '', at
    FROM past CROSS JOIN generate_series(1, 10) AS k
    """,
    "DROP TABLE past",
)


def fill(cycles: int) -> float:
    """Write so many past cycles behind those that are there; return the seconds it took.

    The newest cycle must have prices, and one before it a saga: symbols and steps are taken from them.
    """
    began = time.perf_counter()
    with superuser.session() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no foreign keys looked up a row at a time
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("BEGIN")  # an order that ended without its trade would be work for the running system
        for statement in STATEMENTS:
            cursor.execute(statement.replace("%(cycles)s", str(cycles)))
        cursor.execute("COMMIT")
        cursor.execute("VACUUM (ANALYZE)")
    return time.perf_counter() - began
