"""``python -m benchmarks.judged``: three models behind one chat server on replayed prices; what is told, and when.

``steady`` is right somewhat more often than not and says so, ``flips`` knows the same and gives the other answer in
three of ten calls, ``bold`` knows nothing and states 0.9. They know the future as well as they are to: the truth is
known here, and what the system says of each is held against it. Two cycles a session by the in-process driver on a
stepped clock; outcomes and reports as the evaluator's jobs make them; now and then a cycle is asked again three times.
It counts, it does not time. ``--pages FOLDER`` keeps screenshots of what the console says at the end.
"""

import argparse
import csv
import gzip
import hashlib
import json
import logging
import os
import random
import sys
from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.sessions import FIRST_DAY, Replay, without_waiting_for_the_disk

SESSIONS, SYMBOLS, HORIZON = 250, 40, 5
LOOK_EVERY = 10  # sessions between two looks at what can be told
ASKED_AGAIN = (5, 25, 50, 100, 150, 200, 245)  # sessions after which a cycle is asked again
SKILL = {"steady": 0.62, "flips": 0.62, "bold": 0.5}  # how often it reads the coming days rightly
BOLD = 0.9
COST = 0.0008
MODESTY = 0.03  # what its reading loses between the open and the moment it is asked
FLIPS = 0.3
CUTOFF = "2019-12-31"
Truth = Mapping[str, Mapping[date, bool]]


def main() -> int:
    """Run, print the table; 1 where a model is not told for what it is."""
    options = _options()
    from tests.ai.chat_server import ChatServer

    with ChatServer() as server:
        world: dict[str, Any] = {}
        server.handlers |= {name: handler_of(name, world) for name in SKILL}
        os.environ |= {
            "AI_MODELS": "openai/steady",
            "AI_API_BASE": server.api_base,
            "AI_API_KEY": "none",
            "AI_EVALUATION_BUDGET_USD": "1",
            "ORCHESTRATOR_MODE": "autonomous",
        }
        from benchmarks.world import measured_world

        start = f"{FIRST_DAY}T09:31"
        with measured_world(
            {"data": Path(options.data).resolve(), "start": start, "fill_latency": 0}
        ) as venue:
            logging.disable(logging.WARNING)
            venue.clock(paused=True)
            without_waiting_for_the_disk()
            judged = Judged(Replay(venue, protects=True, symbols=options.symbols))
            symbols = judged.prepare()
            world["truth"] = read_truth(Path(options.data), symbols)
            world["honest"] = honest(SKILL["steady"], world["truth"]) - MODESTY
            for number in range(1, options.sessions + 1):
                judged.session(number)
            told = judged.look(options.sessions)
            sys.stdout.write(table(judged, told))
            if options.pages:
                keep_pages(Path(options.pages))
    return 0 if _is_right(judged, told) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judged",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="default %(default)s")
    parser.add_argument("--symbols", type=int, default=SYMBOLS, help="stocks (default %(default)s)")
    parser.add_argument("--data", default=os.environ.get("VENUE_DATA"), help="folder (default: VENUE_DATA)")
    parser.add_argument("--pages", help="folder for screenshots of Calibration and Models")
    options = parser.parse_args()
    if not options.data or not Path(options.data).is_dir():
        parser.error(f"--data (or VENUE_DATA): was {options.data}, expected a folder of CSV files")
    return options


def read_truth(folder: Path, symbols: Collection[str]) -> Truth:
    """Return, by symbol and day, whether it earns its costs above the mean of these, from the open to the horizon."""
    opens: dict[str, dict[date, float]] = {}
    closes: dict[str, dict[date, float]] = {}
    for path in sorted(folder.glob("*stocks_daily*.csv.gz")):
        with gzip.open(path, "rt") as file:
            for row in csv.DictReader(file):
                if row["symbol"] in symbols:
                    day, adjusted = date.fromisoformat(row["date"]), float(row["adj_close"])
                    closes.setdefault(row["symbol"], {})[day] = adjusted
                    opens.setdefault(row["symbol"], {})[day] = (
                        float(row["open"]) * adjusted / float(row["close"])
                    )
    days = sorted({day for of in closes.values() for day in of})
    later = dict(zip(days, days[HORIZON:], strict=False))
    moved = {
        symbol: {
            day: closes[symbol][later[day]] / of[day] - 1 for day in of if later.get(day) in closes[symbol]
        }
        for symbol, of in opens.items()
    }
    together: dict[date, list[float]] = {}
    for of in moved.values():
        for day, value in of.items():
            together.setdefault(day, []).append(value)
    mean = {day: sum(values) / len(values) for day, values in together.items()}
    return {
        symbol: {day: value > mean[day] + COST for day, value in of.items()} for symbol, of in moved.items()
    }


def honest(skill: float, truth: Truth) -> float:
    """Return how often a purchase is right of who reads the days rightly so often: Bayes' rule by the base rate."""
    all_days = [rises for of in truth.values() for rises in of.values()]
    rate = sum(all_days) / len(all_days)
    return skill * rate / (skill * rate + (1 - skill) * (1 - rate))


def handler_of(name: str, world: dict[str, Any]) -> Any:
    """Return a handler of ``tests.ai.chat_server``: the same question has the same answer, but of who flips."""
    moods = random.Random(name)

    async def answer(request: Any, body: dict[str, Any]) -> Any:
        from aiohttp import web

        from ai.domain.prompt import read_facts
        from tests.ai.chat_server import envelope

        facts = read_facts(body["messages"])
        day = date.fromisoformat(str(facts["as_of"])[:10])
        truth, stated = world["truth"], BOLD if name == "bold" else world["honest"]
        decisions = []
        for fact in facts["symbols"]:
            luck = _luck(name if name == "bold" else "knows", fact["symbol"], day)
            rises = truth.get(fact["symbol"], {}).get(day, False)
            buys = rises if luck < SKILL[name] else not rises
            if name == "flips" and moods.random() < FLIPS:
                buys = not buys
            shade = round((_luck("shade", fact["symbol"], day) - 0.5) / 10, 2)
            decisions.append(
                {
                    "symbol": fact["symbol"],
                    "action": "buy" if buys else "hold",
                    "confidence": round(stated + shade, 2),
                    "reasoning": "It looks so.",
                }
            )
        return web.json_response(envelope(json.dumps({"decisions": decisions}), model=body["model"]))

    return answer


def _luck(*words: object) -> float:
    """Return a share from 0 to 1 that is always the same for the same words."""
    digest = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


class Judged:
    """The replay with three strategies, a model each, and what was told of them from time to time."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.first_told: dict[tuple[str, str], int] = {}
        self.asked_again: list[tuple[int, str, int, int]] = []

    def prepare(self) -> list[str]:
        """Set up three strategies, say where the models' training ends; return the symbols that are looked at."""
        from ai.models import ModelCutoff
        from trading.models import Strategy

        self._replay.prepare()
        Strategy.objects.update(is_active=False)
        for name in SKILL:
            Strategy.objects.create(
                name=name,
                instructions="Decide.",
                is_active=True,
                model_names=[f"openai/{name}"],
                size_percent=Decimal(2),
            )
            ModelCutoff.objects.create(pattern=f"openai/{name}", trained_until=CUTOFF, source="it is made so")
        return self._replay.symbols

    def session(self, number: int) -> None:
        """Live through a session, label what is due, and look now and then."""
        from evaluation.services.outcomes.job import label_outcomes
        from trading.market.market_time import latest_market_time

        self._replay.session()
        now = latest_market_time()
        if now is not None:
            label_outcomes(now)
        if number in ASKED_AGAIN:
            self._ask_again(number)
        if number % LOOK_EVERY == 0:
            told = self.look(number)
            said = {name: f"{each['confidence']}; {each['standing']}" for name, each in told.items()}
            sys.stderr.write(f"session {number}: {self._replay.words}; {said}\n")
            sys.stderr.flush()

    def look(self, number: int) -> dict[str, dict[str, Any]]:
        """Return what the reports tell of each model, and note what is told for the first time."""
        from evaluation.services.calibration.reports import report_of, store
        from evaluation.services.calibration.scopes import Question, asked_scopes

        found = {}
        for scope in asked_scopes(Question()):
            report = report_of(scope)
            if report is None:
                continue
            store(report)
            verdict = report.parts["verdict"]
            name = scope.model.partition("/")[2]
            found[name] = {
                "confidence": verdict["confidence"],
                "standing": verdict["standing"],
                "sentence": verdict["sentence"],
                "figures": report.figures,
                "decisions": report.decisions,
            }
            for kind in ("confidence", "standing"):
                if "too early" not in verdict[kind] and "not told apart" not in verdict[kind]:
                    self.first_told.setdefault((name, f"{verdict[kind]}"), number)
        return found

    def _ask_again(self, number: int) -> None:
        from evaluation.services.replay.orders import Order, order_replay
        from evaluation.services.replay.running import carry_out
        from evaluation.services.replay.selecting import Selection
        from evaluation.services.replay.variation import Variation
        from trading.models import Cycle

        cycle = Cycle.objects.filter(status="completed").latest("started_at")
        order = Order(Selection(cycle=str(cycle.pk)), Variation(samples=3))
        run = carry_out(order_replay(order, author="benchmark"))
        actions: dict[tuple[str, str], set[str]] = {}
        for item in run.items.all():
            model, symbol = item.before["model"], item.symbol
            actions.setdefault((model, symbol), set()).add(str(item.after["action"]))
        for name in SKILL:
            mine = [found for (model, _), found in actions.items() if model == f"openai/{name}"]
            self.asked_again.append((number, name, sum(len(found) == 1 for found in mine), len(mine)))


def _is_right(judged: Judged, told: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether each is told for what it is: who flips is also less right than it says."""
    same = {name: [(n, of) for _, each, n, of in judged.asked_again if each == name] for name in SKILL}
    steadiness = {
        name: sum(n for n, _ in found) / (sum(of for _, of in found) or 1) for name, found in same.items()
    }
    return bool(
        told["bold"]["confidence"] == "overconfident"
        and told["steady"]["confidence"] != "overconfident"
        and steadiness["flips"] < 0.6 < 0.99 < steadiness["steady"]
    )


def table(judged: Judged, told: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what was told of each, as text in Markdown."""
    lines = [
        "| model | decisions | stated less observed | told of its confidence | of its worth |",
        "|---|---:|---|---|---|",
    ]
    for name, each in sorted(told.items()):
        over = each["figures"]["overconfidence"]
        interval = over.get("reason") or f"{over['value']}, no interval"
        if over["low"] is not None and over["high"] is not None:
            interval = f"{over['value']:+.3f} [{over['low']:+.3f}, {over['high']:+.3f}]"
        lines.append(
            f"| {name} | {each['decisions']} | {interval} | {each['confidence']} | {each['sentence']} |"
        )
    lines += ["", "| told first after sessions | |", "|---|---:|"]
    lines += [f"| {name}: {what} | {number} |" for (name, what), number in sorted(judged.first_told.items())]
    lines += ["", "| asked three times, after session | model | all three the same |", "|---:|---|---:|"]
    lines += [f"| {number} | {name} | {same} of {of} |" for number, name, same, of in judged.asked_again]
    return "\n".join([*lines, ""])


def keep_pages(folder: Path) -> None:
    """Keep screenshots of the pages that tell which model is which, at both widths."""
    from django.contrib.auth.models import User
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.test import Client
    from django.test.testcases import LiveServerThread
    from django.urls import reverse
    from playwright.sync_api import sync_playwright

    from evaluation.domain.outcomes import LabelSpec
    from evaluation.models import CalibrationReport
    from tests.trading.admin.browser.conftest import chromium

    folder.mkdir(parents=True, exist_ok=True)
    client = Client()
    client.force_login(User.objects.filter(is_superuser=True).first())  # type: ignore[arg-type]  # the first start made one
    session = client.cookies["sessionid"].value
    server = LiveServerThread("localhost", StaticFilesHandler)
    server.start()
    server.is_ready.wait()
    newest = CalibrationReport.objects.filter(label_spec=LabelSpec.FIVE_SESSIONS).order_by("-created_at")[
        : len(SKILL)
    ]
    paths = {
        "models": reverse("admin:evaluation_run_models"),
        "calibration": reverse("admin:evaluation_calibrationreport_changelist"),
        "dashboard": reverse("admin:index"),
        "performance": reverse("admin:trading_equitysnapshot_performance"),
    } | {
        f"report-{report.model.partition('/')[2]}": reverse(
            "admin:evaluation_calibrationreport_change", args=[report.pk]
        )
        for report in newest
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for width in (1440, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            origin = f"http://localhost:{server.port}"
            page.context.add_cookies([{"name": "sessionid", "value": session, "url": origin}])
            for name, path in paths.items():
                page.goto(origin + path)
                page.wait_for_timeout(800)
                page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        browser.close()
    server.terminate()


if __name__ == "__main__":
    sys.exit(main())
