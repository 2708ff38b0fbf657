"""A database as after months of trading, for ``benchmarks.pages``: a small real past, copied by PostgreSQL itself.

Some cycles are traded on the local venue, and each table that they leave empty gets a row of the tests'. All of it is
then copied whole, each copy some minutes earlier than the one before: ids are UUIDv7, so a copy's id is its row's with
an earlier time in front, and what names another row (a column of its id, an event's ``aggregate_id``) names that
row's copy of the same moment. What is open is not copied: as much waits, rests and runs as on any day.
"""

import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django.db import connection, models

from benchmarks.cycles import superuser

MINUTES, CYCLE_MINUTES = 20, 2  # from a copy to the next; of the rows that each cycle has one of
SESSIONS, SYMBOLS = 50, 10
PAST = r"""
CREATE OR REPLACE FUNCTION past(id uuid, minutes int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(('x' || left(translate(id::text, '-', ''), 12))::bit(48)::bigint - minutes * 60000::bigint
        & x'ffffffffffff'::bigint), 12, '0') || substr(translate(id::text, '-', ''), 13))::uuid $$;
CREATE OR REPLACE FUNCTION past(id text, minutes int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN past(id::uuid, minutes)::text ELSE id END
$$;
"""
# Tables that stay as small as they are: settings, what is held and waits now, accounts, what is made by hand.
SMALL = {
    *("ai.modelcapability", "ai.modelcutoff", "ai.modelprice", "evaluation.dataset", "evaluation.jobmark"),
    *("evaluation.pursereservation", "evaluation.shadowbook", "evaluation.evaluationrecord"),
    *(
        "risk.killswitch",
        "risk.switchfollowup",
        "trading.agentstatus",
        "trading.apitoken",
        "trading.bookcheck",
    ),
    *("trading.barhistory", "trading.consolepreference", "trading.consolevisit", "trading.heartbeat"),
    *("trading.metrictotals", "trading.noticetopic", "trading.position", "trading.runtimesetting"),
    *(
        "trading.setasiderow",
        "trading.stagechange",
        "trading.strategy",
        "trading.symbolbook",
        "trading.symbollook",
    ),
    *(
        "trading.usedlink",
        "trading.requestkey",
        "trading.asset",
        "trading.universecandidate",
        "risk.risklimits",
    ),
    *("trading.strategyversion", "risk.trustcurve"),
}
CYCLE_LIKE = {"trading.cycle", "trading.equitysnapshot", "evaluation.shadowpoint"}
# Of what is open no row is copied, nor what hangs on it.
ENDED = "ended_at IS NOT NULL"
ORDERS = f"SELECT id FROM orders WHERE {ENDED}"  # noqa: S608 - a constant
DECISIONS = (
    "SELECT id FROM ai_decisions WHERE settled_at IS NOT NULL AND cycle_id IN (SELECT cycle_id FROM trades)"
)
COPIED = {
    "ai.modelcall": f"id IN (SELECT model_call_id FROM ai_decisions WHERE id IN ({DECISIONS}))",  # noqa: S608 - a constant
    "trading.cycle": f"{ENDED} AND id IN (SELECT cycle_id FROM trades)",  # noqa: S608 - a constant
    "trading.aidecision": f"id IN ({DECISIONS})",
    "risk.riskcheck": f"decision_id IN ({DECISIONS})",
    "trading.approval": "answered_at IS NOT NULL",
    "trading.order": f"{ENDED} AND (decision_id IS NULL OR decision_id IN ({DECISIONS}))",
    "trading.fill": f"order_id IN ({ORDERS})",
    "trading.trade": f"order_id IN ({ORDERS})",
    "trading.saga": ENDED,
    "trading.sagastep": f"saga_id IN (SELECT id FROM sagas WHERE {ENDED})",  # noqa: S608 - a constant
    "risk.riskreservation": "released_at IS NOT NULL",
    "trading.thesis": f"order_id IN ({ORDERS})",
    "trading.symbollock": "ended_at IS NOT NULL",
    "trading.lot": f"order_id IN ({ORDERS})",
    "trading.noticemessage": ENDED,
    "evaluation.run": ENDED,
}

ANOTHER = "md5(sha256 || minutes) || md5(minutes || sha256)"
# What is no copy of its row's column. Labels are unique a session, and say whose they are; texts are cut short.
SAID: Mapping[str, Mapping[str, str]] = {
    "evaluation.outcome": {
        "session": "session",
        "as_of": "as_of",
        "due_at": "due_at",
        "symbol": "symbol || '.' || minutes",
    },
    "trading.lot": {"remaining": "0"},
    "trading.thesis": {"closed_at": "opened_at", "exit_reason": "'stop_loss'"},
    "evaluation.calibrationreport": {"last_session": "last_session", "sha256": ANOTHER},
    "evaluation.replayitem": {"run_id": "run_id"},
    "ai.modelcall": {"prompt": "'[]'", "answer": "left(answer, 2000)"},
    "trading.decisionrecord": {"sha256": ANOTHER},
}
WHOSE = (
    "strategy",
    "strategy_id",
    "replayed_by",
    "answered_by",
    "user",
    "record",
    "gate_record",
    "scene",
    "book",
)


def fill(rows: int, decisions: int) -> float:
    """Copy what there is until each table has so many rows; return the seconds it took."""
    began = time.perf_counter()
    prepared()
    tables = [model for model in _tables() if model._meta.label_lower not in SMALL]
    copies = _copies(tables, rows, decisions)
    with superuser.session() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no foreign keys looked up a row at a time
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '256MB'")
        cursor.execute(PAST)
        for model in tables:
            one_took = time.perf_counter()
            cursor.execute(_copying(model), [_step(model), copies[model]])
            took = time.perf_counter() - one_took
            print(f"  {model._meta.db_table}: {cursor.rowcount:,} copied in {took:.1f} s", flush=True)
        cursor.execute("VACUUM (ANALYZE)")
    return time.perf_counter() - began


def prepared() -> None:
    """Write a row of each table that trading has left without one to copy, and what waits for a person."""
    from django.utils import timezone

    from tests import factories as make
    from tests.evaluation.services.agents import live
    from tests.trading.admin.rows import ROWS

    now = timezone.now()
    decided = _model("trading.trade")._default_manager.filter(
        order__decision__isnull=False
    )  # not by a person
    for trade in decided.select_related("order__decision"):
        order, decision = trade.order, trade.order.decision
        make.make_approval(decision=decision, status="approved", answered_at=now, reason="it looks right")
        of_order = {
            "symbol": trade.symbol,
            "entry_order": order,
            "exit_order": order,
            "entry_decision": decision,
        }
        said = {"strategy": decision.strategy, "model": decision.model, "confidence": decision.confidence}
        make.make_round_trip(**of_order, **said, is_alone=True)
    make.make_symbol_lock(ended_at=now)
    make.make_notice(status="sent", ended_at=now)
    make.make_cash_line()
    for label, row in ROWS.items():
        if label != "risk.killswitch" and not _count(_model(label)):
            row()
    _count.cache_clear()
    make.make_engagement(released_at=now, released_by="ann", release_reason="a drill")
    live(SESSIONS, right=lambda stated: stated, symbols=SYMBOLS)
    _ask_a_person()


def _ask_a_person() -> None:
    """Let what the newest cycle held wait for a person, for a day."""
    with superuser.session() as cursor:
        cursor.execute("SET session_replication_role = replica")  # what was decided never changes otherwise
        cursor.execute("UPDATE approvals SET expires_at = now() + interval '1 day' WHERE answered_at IS NULL")
        cursor.execute(
            "UPDATE ai_decisions SET action = 'buy', status = 'awaiting_approval', settled_at = NULL, reason = '',"
            " confidence = 0.6 + random() / 3 WHERE status <> 'awaiting_approval' AND cycle_id = ("
            "SELECT cycle_id FROM ai_decisions WHERE record_id IS NOT NULL ORDER BY created_at DESC LIMIT 1)"
        )
        cursor.execute(
            "INSERT INTO approvals (id, decision_id, cycle_id, status, requested_at, expires_at, reason) SELECT"
            " id, id, cycle_id, 'requested', created_at, now() + interval '1 day', '' FROM ai_decisions"
            " WHERE status = 'awaiting_approval' AND id NOT IN (SELECT decision_id FROM approvals)"
        )


def _tables() -> Iterator[type[models.Model]]:
    from django.apps import apps

    for room in ("ai", "risk", "trading", "evaluation"):
        yield from apps.get_app_config(room).get_models()


def _model(label: str) -> type[models.Model]:
    from django.apps import apps

    return apps.get_model(label)


def _step(model: type[models.Model]) -> int:
    return CYCLE_MINUTES if model._meta.label_lower in CYCLE_LIKE else MINUTES


def _copies(tables: list[type[models.Model]], rows: int, decisions: int) -> dict[type[models.Model], int]:
    """Return how often each table is copied: as often as whatever names its rows."""
    found: dict[type[models.Model], int] = {}
    for model in tables:
        wanted = max(rows, decisions) if model._meta.label_lower == "trading.aidecision" else rows
        count = _count(model)
        found[model] = -(-wanted // count) if count else 0
        if not count:
            print(f"  {model._meta.db_table}: nothing to copy")
    for _ in tables:
        for model in tables:
            for field in (one for one in _followed(model) if _count(model, one.column)):
                named = field.related_model
                found[named] = max(found[named], -(-found[model] * _step(model) // _step(named)))
    return found


@cache
def _count(model: type[models.Model], column: str = "*") -> int:
    """Return how many rows are copied, of those with a value of the column."""
    where = COPIED.get(model._meta.label_lower, "true")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count({column}) FROM {model._meta.db_table} WHERE {where}")  # noqa: S608 - our own words
        return int(cursor.fetchone()[0])


def _followed(model: type[models.Model]) -> Iterator[Any]:
    """Yield the foreign keys that lead to the copy of what they name."""
    said = SAID.get(model._meta.label_lower, {})
    for field in model._meta.concrete_fields:
        named = field.related_model
        if (
            named is not None
            and named._meta.label_lower not in SMALL
            and isinstance(named._meta.pk, models.UUIDField)
            and field.name not in WHOSE
            and field.column not in said
        ):
            yield field


def _copying(model: type[models.Model]) -> str:
    """Return the statement that copies a table's rows."""
    followed = {field.column for field in _followed(model)}
    together = {
        name
        for one in model._meta.constraints
        if isinstance(one, models.UniqueConstraint)
        for name in one.fields
    }
    columns, values = [], []
    for field in model._meta.concrete_fields:
        if isinstance(field, models.AutoField | models.BigAutoField):
            continue  # the next number
        column = f'"{field.column}"'
        said = SAID.get(model._meta.label_lower, {}).get(field.column)
        columns.append(column)
        values.append(said or _copied(field, column, followed, is_unique=field.name in together))
    where = COPIED.get(model._meta.label_lower, "true")
    return (
        f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) SELECT {', '.join(values)}"  # noqa: S608 - our own words
        f" FROM (SELECT * FROM {model._meta.db_table} WHERE {where}) AS one"
        " CROSS JOIN LATERAL (SELECT %s * copy AS minutes FROM generate_series(1, %s) AS copy) AS copies"
    )


def _copied(field: Any, column: str, followed: set[str], *, is_unique: bool) -> str:
    if isinstance(field, models.ForeignKey):
        return f"past({column}, minutes)" if field.column in followed else column
    if isinstance(field, models.UUIDField):
        return column if field.name in WHOSE else f"past({column}, minutes)"
    if isinstance(field, models.DateTimeField):
        return f"{column} - make_interval(mins => minutes)"
    if isinstance(field, models.DateField):
        return f"({column} - make_interval(mins => minutes))::date"
    if field.column == "aggregate_id":
        return f"past({column}, minutes)"
    if isinstance(field, models.CharField) and (
        field.unique or field.name in ("event_id", "client_order_id")
    ):
        return f"left({column}, {field.max_length - 10}) || '-' || minutes"
    if isinstance(field, models.SmallIntegerField):
        return column
    if isinstance(field, models.IntegerField) and (field.unique or is_unique):
        return "NULL" if field.null else f"{column} + 100 * minutes"
    return column
