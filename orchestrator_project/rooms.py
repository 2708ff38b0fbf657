"""The picture of the rooms and the imports between them, made from the code for docs/architecture.md.

A room is a package with a subject (``trading.execution``, ``risk``); modules beside the packages are counted to one.
The picture leaves out an arrow where a longer way implies it; the table below it lists every direct one.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: made by `manage.py architecture --write` -->", "<!-- rooms: end -->"
PACKAGES = ("orchestrator_project", "evaluation", "trading", "risk", "ai", "connectors")
WHOLE = ("evaluation", "risk", "ai")
ENTRY, PROCESS = "orchestrator_project.entry", "orchestrator_project.process"
ENTRY_MODULES = ("urls", "api_urls", "asgi", "console_health", "health", "settings", "apps", "rooms")
PACKAGES_OF_PROJECT = ("management", "observability", "runtime", "web")
# Modules that belong to a room beside which they stand.
BELONGS_TO = {
    "trading.task_base": "trading.tasks",
    "trading.labels": "trading.admin",
    "trading.templatetags": "trading.admin",
}
WORDS_OF = {
    ENTRY: "Settings, URLs, the ASGI entry point, health probes.",
    PROCESS: "What every process starts with: environment, Celery, database backend, beat, standby.",
    "trading.flow": "The order in which a cycle works: each step calls a service and returns what follows as a value.",
    "trading.tasks": "Celery tasks: each does one step of the flow and publishes what follows.",
}
Arrows = Mapping[str, frozenset[str]]


def room_of(module: str) -> str | None:
    """Return the room a module stands in; None for migrations and for the roots, which import nothing."""
    parts = module.split(".")
    if "migrations" in parts or module in ("trading", "trading.apps", "orchestrator_project"):
        return None
    if parts[0] in WHOLE:
        return parts[0]
    if parts[0] == "connectors":
        return "connectors.venue" if parts[1:2] == ["venue"] else "connectors"
    room = ".".join(parts[:2])
    if parts[0] == "orchestrator_project" and parts[1] not in PACKAGES_OF_PROJECT:
        return ENTRY if parts[1] in ENTRY_MODULES else PROCESS
    return BELONGS_TO.get(room, room)


def read_arrows() -> Arrows:
    """Return, for each room, the rooms that its modules import directly; what only types need does not count.

    Raises:
        ModuleNotFoundError: grimp, which import-linter brings, is not installed.
    """
    import grimp

    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        room = room_of(module)
        if room is None:
            continue
        imported = {room_of(other) for other in graph.find_modules_directly_imported_by(module)}
        found.setdefault(room, set()).update(other for other in imported if other not in (None, room))
    return {room: frozenset(others) for room, others in found.items()}


def without_implied(arrows: Arrows) -> Arrows:
    """Return the arrows that no longer way implies (the transitive reduction).

    Raises:
        ValueError: rooms import each other in a circle.
    """
    below = {room: _reachable(room, arrows) for room in arrows}
    circle = sorted(room for room in arrows if room in below[room])
    if circle:
        raise ValueError(f"rooms import each other in a circle: {', '.join(circle)}")
    return {
        room: frozenset(o for o in others if not any(o in below[between] for between in others))
        for room, others in arrows.items()
    }


def rendered(arrows: Arrows) -> str:
    """Return picture and table as Markdown, in an order that depends on nothing but the names."""
    shown = without_implied(arrows)
    lines = ["```mermaid", "flowchart TD"]
    for package in PACKAGES:
        rooms = sorted(room for room in arrows if room.split(".")[0] == package)
        lines += [f"  subgraph {package}", *(f"    {_id(room)}[{_short(room)}]" for room in rooms), "  end"]
    for room in sorted(shown):
        lines += [f"  {_id(room)} --> {_id(other)}" for other in sorted(shown[room])]
    lines += ["```", "", "| room | what stands there | imports |", "|---|---|---|"]
    for room in sorted(arrows):
        imports = ", ".join(f"`{other}`" for other in sorted(arrows[room])) or "no other room"
        lines.append(f"| `{room}` | {_words(room)} | {imports} |")
    return "\n".join(lines)


def updated(document: str, made: str) -> str:
    """Return the document with what was made between its marks.

    Raises:
        ValueError: the marks are not there.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{FILE.name}: the marks {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def _reachable(room: str, arrows: Arrows) -> frozenset[str]:
    seen: set[str] = set()
    waiting = [room]
    while waiting:
        for other in arrows.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return frozenset(seen)


def _id(room: str) -> str:
    return room.replace(".", "_")


def _short(room: str) -> str:
    return room.rpartition(".")[2]


def _words(room: str) -> str:
    """Return the first line of the room's own docstring."""
    if room in WORDS_OF:
        return WORDS_OF[room]
    path = ROOT / room.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(source.read_text())) or "").partition("\n")[0]
