"""``python -m benchmarks.churn``: a model that buys and sells the same five symbols in turn, with and without guards.

A session of one-minute cycles by the in-process driver (``trading.flow.drive``) against the local venue, whose clock is
stepped; the model is a script behind HTTP. It counts, it does not time: a busy machine changes nothing.
"""

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.venue_process import VenueProcess

SESSION_MINUTES = 390
SYMBOLS = 5
SLIPPAGE_BPS = 5
SHARE_PERCENT = "3"
ARMS = {"off": "without guards", "on": "with the defaults"}
EAGER = {"cycle_interval": "900", "cycle_deadline": "900", "price_max_age": "900", "analysis_timeout": "600"}


async def flip(request: Any, body: dict[str, Any]) -> Any:
    """Answer as a handler of ``tests.ai.chat_server``: buy what is not held, sell what is, always surely."""
    from aiohttp import web

    from ai.domain.prompt import read_facts
    from tests.ai.chat_server import envelope

    decisions = [
        {
            "symbol": fact["symbol"],
            "action": "sell" if fact["position"] else "buy",
            "confidence": 0.9,
            "reasoning": "It is its turn.",
        }
        for fact in read_facts(body["messages"])["symbols"]
    ]
    return web.json_response(envelope(json.dumps({"decisions": decisions}), model=body["model"]))


def main() -> int:
    """Run both arms, each in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.churn", description=__doc__)
    parser.add_argument("--cycles", type=int, default=SESSION_MINUTES, help="minutes (default %(default)s)")
    parser.add_argument("--arm", choices=list(ARMS), help="one of the two, as JSON")
    options = parser.parse_args()
    if options.arm:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # engines and venue are ended on the way
        sys.stdout.write(json.dumps(run(options.arm, options.cycles)))
        return 0
    found = {arm: _apart(arm, options.cycles) for arm in ARMS}
    sys.stdout.write(table(found, options.cycles))
    return 0


def _apart(arm: str, cycles: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.churn", "--arm", arm, "--cycles", str(cycles)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter and module
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    brought: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return brought


def run(arm: str, cycles: int) -> dict[str, Any]:
    """Run so many minutes; return what was ordered, what it cost, and why the rest was not."""
    from tests.ai.chat_server import ChatServer

    with ChatServer() as server:
        server.handlers["flipper"] = flip
        model = {"AI_MODELS": "openai/flipper", "AI_API_BASE": server.api_base, "AI_API_KEY": "none"}
        os.environ |= model | {"ORCHESTRATOR_MODE": "autonomous"}
        from benchmarks.world import measured_world

        with measured_world({"fill_latency": 0, "slippage_bps": SLIPPAGE_BPS}) as venue:
            logging.disable(logging.WARNING)
            venue.clock(paused=True)
            venue.clock(to="open")
            symbols = prepared(arm)
            for _ in range(cycles):
                venue.clock(advance=60)
                run_cycle(symbols)
            return _brought(venue)


def prepared(arm: str) -> list[str]:
    """Set the guards, read the account and return the symbols: the most traded stocks."""
    from trading.core.settings import set_runtime_setting
    from trading.domain.guards.rules import ALL_OFF
    from trading.domain.runtime_settings import NUMBERS
    from trading.execution.portfolio import sync_portfolio
    from trading.models import AgentStatus, Asset, Strategy

    guards = ALL_OFF if arm == "off" else {name: str(NUMBERS[name].default) for name in ALL_OFF}
    for name, value in {**EAGER, **guards}.items():
        set_runtime_setting(name=name, value=value, actor="benchmark")
    AgentStatus.objects.update(mode="autonomous")
    Strategy.objects.update(size_percent=Decimal(SHARE_PERCENT))
    sync_portfolio(None)
    stocks = Asset.objects.filter(asset_class="stock", fractionable=True).order_by("-dollar_volume", "symbol")
    return [asset.symbol for asset in stocks[:SYMBOLS]]


def run_cycle(symbols: list[str]) -> None:
    """Take one cycle and its orders to their end."""
    from trading import flow
    from trading.cycle.cycles import start_cycle
    from trading.execution.portfolio import sync_portfolio
    from trading.flow import Step, drive
    from trading.models import Cycle, Saga
    from trading.work.sweeping import find_work

    sync_portfolio(None)  # market time is read before anything is asked
    cycle = start_cycle(trigger="benchmark", symbols=symbols, slotted=False)
    drive(flow.begin(cycle))
    while Cycle.objects.open().exists() or Saga.objects.open().exists():
        for work in find_work():
            drive(Step(work.kind.value, (str(work.id),)))


def _brought(venue: "VenueProcess") -> dict[str, Any]:
    from trading.models import AIDecision, Order

    filled = list(Order.objects.filter(filled_quantity__gt=0))
    turnover = sum(((o.average_price or 0) * o.filled_quantity for o in filled), Decimal(0))
    away = [
        (o.average_price - o.reference_price) * o.filled_quantity * (1 if o.side == "buy" else -1)
        for o in filled
        if o.average_price is not None and o.reference_price is not None
    ]
    reasons = Counter(
        AIDecision.objects.filter(action__in=["buy", "sell"])
        .exclude(reason="")
        .values_list("reason", flat=True)
    )
    return {
        "orders": Order.objects.count(),
        "buys": sum(order.side == "buy" for order in filled),
        "sells": sum(order.side == "sell" for order in filled),
        "turnover": f"{turnover:.2f}",
        "cost": f"{sum(away, Decimal(0)):.2f}",
        "equity": str(venue.get("/v2/account")["equity"]),
        "not_traded": dict(reasons.most_common()),
    }


def table(found: dict[str, dict[str, Any]], cycles: int) -> str:
    """Return both arms side by side, as text in Markdown."""
    rows = {
        "orders": "orders",
        "of them buys": "buys",
        "of them sells": "sells",
        "turnover, USD": "turnover",
        f"cost of {SLIPPAGE_BPS} bps slippage and the spread, USD": "cost",
        "equity at the end, USD": "equity",
    }
    lines = [
        f"{cycles} cycles of a minute, {SYMBOLS} symbols, {SHARE_PERCENT} % of equity each\n",
        "| | " + " | ".join(ARMS.values()) + " |",
        "|---|" + "---:|" * len(ARMS),
    ]
    lines += [
        f"| {words} | " + " | ".join(str(found[arm][key]) for arm in ARMS) + " |"
        for words, key in rows.items()
    ]
    reasons = dict.fromkeys(reason for arm in ARMS for reason in found[arm]["not_traded"])
    lines += [
        f"| not traded: `{reason}` | "
        + " | ".join(str(found[arm]["not_traded"].get(reason, 0)) for arm in ARMS)
        + " |"
        for reason in reasons
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
