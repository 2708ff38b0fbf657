"""``python -m benchmarks.enriched [ROWS [FOLDER]]``: enriched decisions beside the same page by hand-written SQL.

A database of its own with a million decisions (or ROWS) and what they led to, in FOLDER where that is given: then it
stays, and the next run need not fill it again. The first, a middle and the last page of 50 are asked for in turn by
one hand-written statement (psycopg2, the same joined facts, rows fetched and thrown away), through all of Django in
this process (WSGI: middleware, token, permission, limit of requests, view, JSON, ETag), and over HTTP from the web
server of ``manage.py up``. Then what the garbage collector costs, what a cycle's 140 decisions cost to insert with and
without the indexes, and each filter at its first page and a deep one, with the plan of its keys.

The ratios have limits: p50 twice the statement's, p95 three times; one filter may cost four times the unfiltered page,
whose decisions mostly have no order.
"""

import contextlib
import gc
import http.client
import io
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

PATH = "/api/ai-decisions/enriched"
ROUNDS, FILTER_ROUNDS, WARM_UP = 200, 40, 15
P50_LIMIT, P95_LIMIT, FILTER_LIMIT, WRITE_LIMIT = 2.0, 3.0, 4.0, 2.5
TOGETHER_LIMIT = 100.0  # rows of the rarer filter are looked through until enough meet the others
START_SECONDS = 120
Call = Callable[[], object]
# Added for this page; the same table without them is what a cycle's insert is compared with.
ADDED_INDEXES = (
    *("decisions_recent", "decisions_by_action", "decisions_by_reason", "decisions_by_stages"),
    "decisions_exit_open",
)


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one way to get a page."""

    seconds: tuple[float, ...]

    @property
    def p50(self) -> float:
        """Milliseconds."""
        return statistics.median(self.seconds) * 1e3

    @property
    def p95(self) -> float:
        """Milliseconds."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)] * 1e3


def in_turn(calls: Mapping[str, Call], rounds: int = ROUNDS) -> dict[str, Took]:
    """Call each in turn, so that whatever else the machine does meets all of them alike."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + WARM_UP):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if turn >= WARM_UP:
                took[name].append(time.perf_counter() - began)
    return {name: Took(tuple(seconds)) for name, seconds in took.items()}


class Stack:
    """The whole Django stack in this process."""

    def __init__(self, token: str) -> None:
        from django.core.handlers.wsgi import WSGIHandler

        self._handler = WSGIHandler()
        self._token = token

    def get(self, query: Mapping[str, Any]) -> bytes:
        """Return the body of a page."""
        said: list[str] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": PATH,
            "QUERY_STRING": urlencode(query),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "HTTP_AUTHORIZATION": f"Token {self._token}",
            "wsgi.input": io.BytesIO(),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
        }
        response = self._handler(environ, lambda status, *_: said.append(status))
        body = b"".join(response)
        response.close()
        assert said[0].startswith("200"), (said, body)
        return body


class Server:
    """The web process over HTTP, one connection kept alive."""

    def __init__(self, port: int, token: str) -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Token {token}"}

    def get(self, query: Mapping[str, Any]) -> bytes:
        """Return the body of a page."""
        try:
            response = self._asked(query)
        except http.client.RemoteDisconnected:  # idle for longer than the server keeps a connection
            self._client.close()
            response = self._asked(query)
        body = response.read()
        assert response.status == 200, body
        return body

    def _asked(self, query: Mapping[str, Any]) -> http.client.HTTPResponse:
        self._client.request("GET", f"{PATH}?{urlencode(query)}", headers=self._headers)
        return self._client.getresponse()


@contextlib.contextmanager
def served(token: str) -> Iterator[Server]:
    """Run the web process as ``manage.py up`` does."""
    from orchestrator_project.runtime.processes import process_specs

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    specs = process_specs(home=Path(os.environ["ORCHESTRATOR_HOME"]), port=port, workers=1, venue=None)
    web = next(spec for spec in specs if spec.name == "web")
    process = subprocess.Popen(web.argv, env=web.env)  # noqa: S603 - our own command
    try:
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, "the web process ended"
            assert time.monotonic() < give_up_at, "the web process does not answer"
            time.sleep(0.1)
        yield Server(port, token)
    finally:
        process.terminate()
        process.wait()


def statement(wanted: Any, position: Any) -> tuple[str, list[Any]]:
    """Return the page as one statement, as a person would write it who knows the indexes."""
    from trading.queries.decision_rows import LINKED, columns
    from trading.queries.enriched_decisions import keys_statement

    keys, values = keys_statement(wanted, position=position, limit=50)
    text = f"WITH keys AS MATERIALIZED ({keys}) SELECT {columns()} FROM keys {LINKED}"  # noqa: S608 - our own words
    return f"{text} ORDER BY keys.created_at DESC, keys.id DESC", values


def by_hand(cursor: Any, wanted: Any, position: Any) -> Call:
    """Return the call of that statement."""
    text, values = statement(wanted, position)

    def _call() -> object:
        cursor.execute(text, values)
        return cursor.fetchall()

    return _call


def position_at(cursor: Any, wanted: Any, share: float) -> Any:
    """Return the position after this share of the rows under a filter, None where there is none; may take long."""
    from trading.queries.enriched_decisions import CONDITIONS, PageStart

    given = {text: getattr(wanted, name) for name, text in CONDITIONS.items()}
    conditions = [text for text, value in given.items() if value is not None]
    values: list[Any] = [value for value in given.values() if value is not None]
    if wanted.stages is not None:
        conditions.append("stages = ANY(%s)")
        values.append(list(wanted.stages))
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    cursor.execute(f"SELECT count(*) FROM ai_decisions {where}", values)  # noqa: S608 - our own words
    count = cursor.fetchone()[0]
    offset = max(int(count * share), 1) if share < 1 else max(count - 51, 0)
    front = f"{where} ORDER BY created_at DESC, id DESC OFFSET {offset} LIMIT 1"
    cursor.execute(f"SELECT created_at, id FROM ai_decisions {front}", values)  # noqa: S608 - our own words
    found = cursor.fetchone()
    return PageStart(tuple(found)) if found else None


def cursor_text(query: Mapping[str, Any], position: Any) -> str:
    """Return the position as the API writes it under these parameters."""
    from trading.api.views.ai_decisions import EnrichedQuery, marks_of

    read = EnrichedQuery(data=_query_dict(query))
    read.is_valid(raise_exception=True)
    text = marks_of(read.validated_data).write(position)
    assert text is not None
    return text


def _query_dict(query: Mapping[str, Any]) -> Any:
    from django.http import QueryDict

    return QueryDict(urlencode(query))


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the report, with whether its limit is kept."""

    text: str
    kept: bool


def pages(cursor: Any, stack: Stack, server: Server) -> Iterator[Measured]:
    """Measure the page without filters at three depths."""
    from trading.queries.enriched_decisions import ANY

    yield Measured(f"{'page of 50':12}{'by hand p50/p95':>20}{'in process':>34}{'over HTTP':>34}", True)
    for name, share in (("first", 0.0), ("middle", 0.5), ("last", 1.0)):
        position = position_at(cursor, ANY, share) if share else None
        query: dict[str, Any] = {"limit": 50}
        if position is not None:
            query["cursor"] = cursor_text(query, position)
        took = in_turn(
            {
                "hand": by_hand(cursor, ANY, position),
                "stack": lambda query=query: stack.get(query),
                "http": lambda query=query: server.get(query),
            }
        )
        hand, line, kept = took["hand"], f"{name:12}{_ms(took['hand']):>20}", True
        for way in ("stack", "http"):
            p50, p95 = took[way].p50 / hand.p50, took[way].p95 / hand.p95
            line += f"{_ms(took[way]):>20} = {p50:4.2f} / {p95:4.2f}"
            kept = kept and p50 <= P50_LIMIT and p95 <= P95_LIMIT
        yield Measured(line, kept)


def filters() -> list[tuple[str, dict[str, Any]]]:
    """Return the documented filters, with common and rare values, and some together."""
    from trading.models import AIDecision, Cycle, Strategy

    ids = dict(Strategy.objects.filter(name__startswith="seed ").values_list("name", "pk"))
    cycle = Cycle.objects.order_by("started_at")[Cycle.objects.count() // 2].pk
    ends = AIDecision.objects.order_by("created_at").values_list("created_at", flat=True)
    begin, end = ends[0], ends.reverse()[0]
    middle = begin + (end - begin) / 2
    span = {"from": (middle - (end - begin) / 50).isoformat(), "to": middle.isoformat()}
    stages = [
        {"stage": stage, "stageStatus": status}
        for stage, status in (
            *(("risk_gate", "failed"), ("risk_gate", "pending"), ("risk_gate", "completed")),
            *(("order", "failed"), ("order", "pending"), ("order", "skipped"), ("fill", "failed")),
            *(("position", "failed"), ("position", "completed"), ("exit", "pending"), ("exit", "completed")),
            *(("exit", "skipped"), ("decision", "completed"), ("decision", "failed")),
        )
    ]
    singles = [
        {"symbol": "ST003"},
        {"action": "hold"},
        {"action": "sell"},
        {"strategy": str(ids["seed 0 common"])},
        {"strategy": str(ids["seed 2 rare"])},
        {"cycle": str(cycle)},
        {"reason": "hold"},
        {"reason": "compensation_failed"},
        span,
        *stages,
    ]
    together = [
        {"symbol": "ST003", "action": "sell"},
        {"symbol": "ST003", "stage": "order", "stageStatus": "failed"},
        {"action": "buy", "reason": "no_position"},
        {"action": "sell", "reason": "hold"},
        {"strategy": str(ids["seed 2 rare"]), "stage": "risk_gate", "stageStatus": "failed"},
        {"stage": "risk_gate", "stageStatus": "failed"} | span,
        {"action": "sell", "stage": "exit", "stageStatus": "completed"} | span,
    ]
    return [(" ".join(f"{k}={v}" for k, v in query.items())[:80], query) for query in (*singles, *together)]


def filtered(cursor: Any, stack: Stack) -> Iterator[Measured]:
    """Measure each filter at its first page and after half of what it finds, beside the unfiltered first page."""
    from trading.api.views.ai_decisions import EnrichedQuery, filter_of
    from trading.queries.enriched_decisions import keys_statement

    for name, query in filters():
        read = EnrichedQuery(data=_query_dict(query))
        read.is_valid(raise_exception=True)
        wanted = filter_of(read.validated_data)
        for depth, share in (("first", 0.0), ("deep", 0.5)):
            position = position_at(cursor, wanted, share) if share else None
            if share and position is None:
                continue
            asked = dict(query)
            if position is not None:
                asked["cursor"] = cursor_text(query, position)
            took = in_turn(
                {
                    "plain": lambda: stack.get({}),
                    "hand": by_hand(cursor, wanted, position),
                    "page": lambda asked=asked: stack.get(asked),
                },
                FILTER_ROUNDS,
            )
            by_plain, by_statement = (took["page"].p50 / took[way].p50 for way in ("plain", "hand"))
            alone = len(query.keys() - {"stageStatus", "to"}) == 1
            kept = by_statement <= P50_LIMIT and by_plain <= (FILTER_LIMIT if alone else TOGETHER_LIMIT)
            ratios = f"{by_statement:.2f} of it by hand, {by_plain:.2f} of the unfiltered page"
            yield Measured(f"{name}\n  {depth:6}{_ms(took['page']):>18} = {ratios}", kept)
            text, values = keys_statement(wanted, position=position, limit=50)
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {text}", values)
            for (line,) in cursor.fetchall():
                if any(word in line for word in ("Scan", "Removed", "Execution")):
                    yield Measured(f"      {line.strip()}", True)


def writing(cursor: Any) -> Measured:
    """Measure the insert of a cycle's decisions with and without the indexes that this page needs."""
    insert = """
        INSERT INTO ai_decisions (id, cycle_id, strategy_id, symbol, action, confidence, reasoning, model,
            price_warning, status, stages, reason, reason_detail, approved, attempts, created_at)
        SELECT uuidv7(), cycle_id, strategy_id, symbol || 'x', action, confidence, reasoning, model, price_warning,
            status, stages, reason, reason_detail, approved, attempts, now()
        FROM newest
    """

    def _insert() -> float:
        cursor.execute("SAVEPOINT before")
        began = time.perf_counter()
        cursor.execute(insert)
        took = time.perf_counter() - began
        cursor.execute("ROLLBACK TO before")
        return took

    cursor.execute("BEGIN")
    cursor.execute(
        "CREATE TEMP TABLE newest AS SELECT * FROM ai_decisions ORDER BY created_at DESC LIMIT 140"
    )
    with_them = statistics.median(_insert() for _ in range(50))
    for name in ADDED_INDEXES:
        cursor.execute(f"DROP INDEX IF EXISTS {name}")
    without = statistics.median(_insert() for _ in range(50))
    cursor.execute("ROLLBACK")
    ratio = with_them / without
    both = f"{with_them * 1e3:.2f} ms with the indexes, {without * 1e3:.2f} ms without"
    return Measured(f"insert 140 decisions: {both} = {ratio:.2f}", ratio <= WRITE_LIMIT)


def collecting(stack: Stack) -> Measured:
    """Measure what gc.freeze, which the web process does at its start, saves; in blocks that take turns."""
    took: dict[bool, list[float]] = {False: [], True: []}
    for block in range(10):
        gc.unfreeze()
        gc.collect()
        if block % 2:
            gc.freeze()
        took[bool(block % 2)] += in_turn({"page": lambda: stack.get({})}, ROUNDS // 4)["page"].seconds
    loose, frozen = Took(tuple(took[False])), Took(tuple(took[True]))
    gc.freeze()
    return Measured(f"in process without gc.freeze {_ms(loose)}, with it {_ms(frozen)}", True)


def _ms(took: Took) -> str:
    return f"{took.p50:.2f} / {took.p95:.2f} ms"


@contextlib.contextmanager
def filled(rows: int, folder: Path | None) -> Iterator[Any]:
    """Start engines, fill a database, and return a cursor of a connection of its own."""
    home = folder or Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    with contextlib.ExitStack() as ending:
        if folder is None:
            ending.callback(shutil.rmtree, home, ignore_errors=True)
        os.environ |= {
            "ORCHESTRATOR_HOME": str(home),
            "DJANGO_SETTINGS_MODULE": "orchestrator_project.settings",
        }
        from orchestrator_project.runtime.engines import joined_engines

        urls = ending.enter_context(joined_engines(home))
        os.environ |= {"DATABASE_URL": str(urls.database_url), "REDIS_URL": str(urls.redis_url)}
        import django
        import psycopg2
        from psycopg2.extras import register_uuid

        django.setup()
        from benchmarks import enriched_seed
        from orchestrator_project.runtime.prepare import prepare

        prepare()
        took = enriched_seed.fill(rows)
        found, checked = enriched_seed.counted(), enriched_seed.check_stages()
        print(f"{found:,} decisions, written in {took:.0f} s; the stages of {checked:,} checked")
        register_uuid()
        connection = psycopg2.connect(str(urls.database_url))
        connection.autocommit = True
        ending.callback(connection.close)
        yield connection.cursor()


def main() -> int:
    """Measure and print; return 1 when a limit was passed."""
    rows = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 1_000_000
    with filled(rows, Path(sys.argv[2]) if len(sys.argv) > 2 else None) as cursor:
        from tests.factories import make_user
        from trading.access.api_tokens import issue_token
        from trading.core.settings import set_runtime_setting

        set_runtime_setting(name="limit_api", value="1000000", actor="benchmark")
        token = issue_token(user=make_user(uuid4().hex, group="viewer")).text
        stack = Stack(token)
        gc.collect()
        gc.freeze()
        with served(token) as server:
            kept = _print(pages(cursor, stack, server))
        kept = _print(iter([collecting(stack), writing(cursor)])) and kept
        kept = _print(filtered(cursor, stack)) and kept
    print(f"limits: p50 {P50_LIMIT:g}, p95 {P95_LIMIT:g}, writing {WRITE_LIMIT:g},", end=" ")
    print(f"one filter {FILTER_LIMIT:g}, several {TOGETHER_LIMIT:g} times the unfiltered page")
    print("All limits are kept." if kept else "A limit was passed.")
    return 0 if kept else 1


def _print(lines: Iterator[Measured]) -> bool:
    kept = True
    for line in lines:
        print(line.text + ("" if line.kept else "   <-- above its limit"), flush=True)
        kept = kept and line.kept
    return kept


if __name__ == "__main__":
    sys.exit(main())
