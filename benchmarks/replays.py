"""``python -m benchmarks.replays``: recorded decisions asked again, unchanged and under other limits.

A thousand decisions of three models behind a chat server are made by the in-process driver, and asked again unchanged:
each by itself, and all together; the server counts requests. Then a month of cycles (``--cycles``, 21 sessions of 390)
with two decisions each that want to trade, copied from the real ones, is judged under other limits.
"""

import argparse
import json
import logging
import os
import statistics
import sys
import time
from decimal import Decimal
from typing import Any

MONTH = 21 * 390
SYMBOLS, CYCLES = 56, 6
SINGLE = 100
ONE_LIMIT_MS, MONTH_LIMIT_SECONDS = 50.0, 5.0
MODELS = ("openai/one", "openai/two", "openai/three")


async def decide(request: Any, body: dict[str, Any]) -> Any:
    """Answer as a handler of ``tests.ai.chat_server``: buy a twentieth surely, and hold the rest."""
    from aiohttp import web

    from ai.domain.prompt import read_facts
    from tests.ai.chat_server import envelope

    decisions = [
        {
            "symbol": fact["symbol"],
            "action": "buy" if place % 20 == 0 else "hold",
            "confidence": 0.8,
            "reasoning": "It is its turn.",
        }
        for place, fact in enumerate(read_facts(body["messages"])["symbols"])
    ]
    return web.json_response(envelope(json.dumps({"decisions": decisions}), model=body["model"]))


def main() -> int:
    """Measure and print; return 1 where a limit was passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replays", description=__doc__)
    parser.add_argument("--cycles", type=int, default=MONTH, help="of the month (default %(default)s)")
    options = parser.parse_args()
    from tests.ai.chat_server import ChatServer

    with ChatServer() as server:
        server.handlers |= {name.partition("/")[2]: decide for name in MODELS}
        model = {"AI_MODELS": MODELS[0], "AI_API_BASE": server.api_base, "AI_API_KEY": "none"}
        os.environ |= model | {"ORCHESTRATOR_MODE": "autonomous"}
        from benchmarks.world import measured_world

        with measured_world() as venue:
            logging.disable(logging.WARNING)
            venue.clock(paused=True)
            venue.clock(to="open")
            _record()
            asked = len(server.requests)
            one, together, decisions = _unchanged()
            is_silent = len(server.requests) == asked
            month, judged, flips = _month(options.cycles)
    lines = [
        f"| {decisions} decisions unchanged, together | {together:.2f} s | {together / decisions * 1e3:.1f} ms each |",
        f"| {SINGLE} of them by themselves, p50 | {one[0]:.1f} ms | |",
        f"| p95 | {one[1]:.1f} ms | limit {ONE_LIMIT_MS:.0f} ms |",
        f"| requests at the endpoint | {len(server.requests) - asked} | limit 0 |",
        f"| {judged} decisions of {options.cycles} cycles under other limits | {month:.2f} s"
        f" | limit {MONTH_LIMIT_SECONDS:.0f} s; {flips} answers change |",
    ]
    sys.stdout.write("\n".join(["| what | measured | |", "|---|---:|---|", *lines]) + "\n")
    return 0 if is_silent and one[1] <= ONE_LIMIT_MS and month <= MONTH_LIMIT_SECONDS else 1


def _record() -> None:
    """Have three strategies, a model each, decide in some cycles."""
    from benchmarks.churn import EAGER, run_cycle
    from trading.core.settings import set_runtime_setting
    from trading.models import AgentStatus, Asset, Strategy

    for name, value in EAGER.items():
        set_runtime_setting(name=name, value=value, actor="benchmark")
    AgentStatus.objects.update(mode="autonomous")
    Strategy.objects.update(is_active=False)
    for name in MODELS:
        Strategy.objects.create(
            name=name, instructions="Hold.", is_active=True, model_names=[name], size_percent=Decimal("0.5")
        )
    symbols = list(Asset.objects.filter(asset_class="stock").values_list("pk", flat=True)[:SYMBOLS])
    for _ in range(CYCLES):
        run_cycle(symbols)


def _unchanged() -> tuple[tuple[float, float], float, int]:
    """Return p50 and p95 in milliseconds of single replays, the seconds of all together, and how many they are."""
    from evaluation.services.replay.orders import Order, order_replay
    from evaluation.services.replay.running import carry_out
    from evaluation.services.replay.selecting import Selection
    from evaluation.services.replay.variation import Variation
    from trading.models import AIDecision

    asked = AIDecision.objects.filter(model_call__isnull=False)
    took = []
    for pk in asked.order_by("?").values_list("pk", flat=True)[:SINGLE]:
        began = time.perf_counter()
        carry_out(order_replay(Order(Selection(decision=str(pk)), Variation()), author="benchmark"))
        took.append((time.perf_counter() - began) * 1e3)
    days = sorted(asked.values_list("as_of__date", flat=True).distinct())
    span = Selection(first=str(days[0]), last=str(days[-1]))
    began = time.perf_counter()
    run = carry_out(order_replay(Order(span, Variation()), author="benchmark"))
    together = time.perf_counter() - began
    if run.figures["same"] != run.figures["decisions"]:
        raise RuntimeError(f"an unchanged replay differs: {run.figures}")
    took.sort()
    return (statistics.median(took), took[int(len(took) * 0.95)]), together, run.figures["decisions"]


def _month(cycles: int) -> tuple[float, int, int]:
    """Return the seconds of a month under other limits, how many decisions it judged, and how many answers changed."""
    from uuid6 import uuid7

    from evaluation.services.replay.orders import Order, order_replay
    from evaluation.services.replay.running import carry_out
    from evaluation.services.replay.selecting import Selection
    from evaluation.services.replay.variation import Variation
    from risk.models import RiskCheck
    from trading.models import AIDecision, Cycle

    kept = list(AIDecision.objects.filter(risk_check__isnull=False).select_related("risk_check")[:2])
    model = Cycle.objects.get(pk=kept[0].cycle_id)
    rows: dict[type[Any], list[Any]] = {Cycle: [], RiskCheck: [], AIDecision: []}
    fields = {each: [f.attname for f in each._meta.concrete_fields if f.name != "number"] for each in rows}

    def copied(row: Any, **changes: Any) -> Any:
        values = {name: getattr(row, name) for name in fields[type(row)]} | {"id": uuid7()} | changes
        made = type(row)(**values)
        rows[type(row)].append(made)
        return made

    for _ in range(cycles):
        cycle = copied(model, slot=None, status="completed", stage="done")
        for decision in kept:
            check = copied(decision.risk_check, cycle_id=cycle.pk)
            moment = decision.as_of.replace(year=decision.as_of.year - 1)
            copied(decision, cycle_id=cycle.pk, risk_check_id=check.pk, as_of=moment, model_call_id=None)
    for kind, made in rows.items():
        kind.objects.bulk_create(made, batch_size=1000)
    day = str(moment.date())
    order = Order(Selection(first=day, last=day), Variation(limits={"max_position_percent": "0.3"}))
    began = time.perf_counter()
    run = carry_out(order_replay(order, author="benchmark"))
    took = time.perf_counter() - began
    return took, run.figures["decisions"], sum(run.figures["verdictFlips"].values())


if __name__ == "__main__":
    sys.exit(main())
