"""The machine: Python, installed packages, the state folder's disk."""

import importlib.metadata
import os
import re
import shutil
import sys
from pathlib import Path

from django.conf import settings
from packaging.markers import Marker

from connectors import proxies
from connectors.redaction import redact
from orchestrator_project.runtime.doctor.finding import Answer, Check, failed, ok, warning
from orchestrator_project.runtime.engines.disk import NEEDED_BYTES
from trading.work import disk_space

OLDEST_PYTHON = (3, 11)
COMFORT_BYTES = disk_space.LOW_BYTES
MEGABYTE = 1024**2
NAMED_AT_MOST = 5
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$", re.MULTILINE)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Answer:
    """Look at the Python that runs us."""
    words = "Python " + ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return failed(words, "install Python 3.11 or newer, remove .venv and run `make install`")
    return ok(f"{words} ({sys.executable})")


def packages(lock: Path | None = None) -> Answer:
    """Compare the installed packages with the lock."""
    lock = lock or settings.BASE_DIR / "requirements" / "runtime.txt"
    if not lock.exists():
        return warning(f"{lock} is missing: versions cannot be compared", "restore it from the repository")
    pins = [(name, pinned) for name, pinned, marker in PIN.findall(lock.read_text()) if _applies(marker)]
    installed = {name: _installed(name) for name, _ in pins}
    missing = [name for name, _ in pins if installed[name] is None]
    other = [
        f"{name} {installed[name]} instead of {pinned}"
        for name, pinned in pins
        if _differs(installed[name], pinned)
    ]
    if missing:
        return failed(f"not installed: {_some(missing)}", "run `make install`")
    if other:
        return warning(f"not as locked: {_some(other)}", "run `make install`")
    return ok(f"{len(pins)} packages as locked")


def disk(
    home: Path | None = None, *, comfort_bytes: int = COMFORT_BYTES, needed_bytes: int = NEEDED_BYTES
) -> Answer:
    """Look at the folder that holds the state."""
    home = home or Path(settings.ENVIRONMENT.orchestrator_home)
    if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
        return failed(
            f"{home} is not a folder we may write to", "set ORCHESTRATOR_HOME to a folder of your own"
        )
    free = shutil.disk_usage(home).free
    words = f"{free // MEGABYTE} MB free at {home}"
    remedy = "free some space, or set ORCHESTRATOR_HOME to a folder on another disk"
    if free < needed_bytes:
        return failed(words, remedy)
    return ok(words) if free >= comfort_bytes else warning(words, remedy)


def _applies(marker: str) -> bool:
    return not marker or Marker(marker).evaluate()


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _differs(installed: str | None, pinned: str) -> bool:
    return installed is not None and installed != pinned


def _some(names: list[str]) -> str:
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def proxy() -> Answer:
    """Look at the proxy variables: models and notices obey them; broker, prices and this machine do not."""
    found = proxies.current()
    environment = settings.ENVIRONMENT
    if lines := found.lines():
        asked = environment.ai_api_base or "https://"
        needed = bool(environment.ai_models) and found.problem(asked) != ""
        remedy = "set it right, or name the hosts to be asked directly in NO_PROXY, and start again"
        return (failed if needed else warning)("; ".join(lines), remedy)
    used = sorted({address for name, address in found.environment.items() if name != "no_proxy"})
    if not used:
        return ok("none is set, everything is asked directly")
    return ok(f"models and notices go by {redact(', '.join(used))}; broker and prices are asked directly")


CHECKS = (
    Check("python", python),
    Check("packages", packages),
    Check("disk", disk),
    Check("proxy", proxy),
)
