"""A trace as a picture: a row per span, indented below its parent, on one axis of time."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from tests.otlp import SeenSpan

WIDTH, LABELS, ROW, TOP, BOTTOM = 1320, 430, 19, 74, 62
ALIKE = 4  # so many siblings of one name are drawn as one row
COLOURS = {
    "beat": "#8a63d2",
    "worker": "#2f7ed8",
    "analyst": "#1aa179",
    "sweeper": "#c77d0a",
    "listener": "#b5477d",
    "web": "#5b6770",
}
OUTSIDE = "#d9534f"


@dataclass(slots=True)
class Row:
    """A span that is drawn (or several alike), with what is counted instead of drawn below it."""

    span: SeenSpan
    depth: int
    alike: list[SeenSpan]
    hidden: Counter[str] = field(default_factory=Counter)

    @property
    def label(self) -> str:
        """What stands to the left: name, how many, and the calls counted."""
        name = title(self.span)
        many = f" x {len(self.alike)}" if len(self.alike) > 1 else ""
        counted = ", ".join(f"{n} {word}" for word, n in sorted(self.hidden.items()))
        return f"{name}{many}" + (f"  ({counted})" if counted else "")


def title(span: SeenSpan) -> str:
    """Return a span's name in the words of the cycle."""
    address = str(span.attributes.get("http.url") or span.attributes.get("url.full") or "")
    if span.kind == "client" and address:
        return f"{span.name} {urlsplit(address).path}"
    if span.name.startswith("apply_async/"):
        return f"send {span.name.rpartition('.')[2]}"
    about = span.attributes.get("orchestrator.symbol") or span.attributes.get("gen_ai.request.model")
    name = span.name.removeprefix("run/trading.")
    return f"{name} {about}" if about else name


def draw(spans: Sequence[SeenSpan], *, heading: str) -> str:
    """Return the trace as SVG."""
    rows = list(_rows(spans))
    begin = min(row.span.start for row in rows)
    end = max(span.end for row in rows for span in row.alike)
    scale = (WIDTH - LABELS - 90) / (end - begin)
    height = TOP + ROW * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="bold" fill="#1d2530">{escape(heading)}</text>',
        *_legend(rows),
        *_axis(end - begin, scale, height),
    ]
    for number, row in enumerate(rows):
        parts += _row(row, TOP + ROW * number, begin, scale)
    processes = len({(span.process, span.pid) for span in spans})
    note = (
        f"{len(spans)} spans of {processes} processes in one trace; calls of PostgreSQL and Redis, and messages sent"
        f" on the way, are counted at their parent. {ALIKE} and more of a kind share a row."
    )
    parts.append(f'<text x="16" y="{height - 18}" fill="#5b6770">{escape(note)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _rows(spans: Sequence[SeenSpan]) -> Iterator[Row]:
    """Yield the rows depth first; what is not drawn hands its children to its parent."""
    known = {span.span_id for span in spans}
    children: dict[str, list[SeenSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda s: s.start):
        children[span.parent_id if span.parent_id in known else ""].append(span)

    def below(span_id: str, hidden: Counter[str], above: str) -> list[SeenSpan]:
        found = []
        for span in children[span_id]:
            word = _hidden_as(span, above)
            if word is None:
                found.append(span)
                continue
            if word:
                hidden[word] += 1
            found += below(span.span_id, hidden, above)
        return found

    def walk(span: SeenSpan, depth: int, alike: list[SeenSpan]) -> Iterator[Row]:
        row = Row(span, depth, alike)
        inside = below(span.span_id, row.hidden, title(span))
        yield row
        groups: dict[str, list[SeenSpan]] = defaultdict(list)
        for child in inside:
            groups[_kind_of(child)].append(child)
        for group in groups.values():
            if len(group) >= ALIKE:
                # All of them as one row of marks, then the one with most below it in full.
                yield Row(group[0], depth + 1, group)
                fullest = list(walk(max(group, key=lambda s: _size(s, children)), depth + 1, []))
                yield from fullest if len(fullest) > 1 else ()
            else:
                for child in group:
                    yield from walk(child, depth + 1, [])

    for root in children[""]:
        yield from walk(root, 0, [])


def _size(span: SeenSpan, children: dict[str, list[SeenSpan]]) -> int:
    return 1 + sum(_size(child, children) for child in children[span.span_id])


def _kind_of(span: SeenSpan) -> str:
    return title(span) if span.kind == "client" else span.name


def _hidden_as(span: SeenSpan, above: str) -> str | None:
    """Return under which word a span is only counted, "" where not even that, None where it is drawn."""
    system = span.attributes.get("db.system")
    if system:
        return "SQL" if system == "postgresql" else "Redis"
    if span.name.startswith("apply_async/") and span.parent_id:
        return "sent" if span.process != "beat" else None
    return "" if title(span) == above else None  # a task's run and its stage are one


def _legend(rows: Sequence[Row]) -> Iterator[str]:
    x = 16
    seen = [name for name in COLOURS if any(row.span.process == name for row in rows)]
    for name, colour in [*((name, COLOURS[name]) for name in seen), ("request outside", OUTSIDE)]:
        yield f'<rect x="{x}" y="38" width="11" height="11" rx="2" fill="{colour}"/>'
        yield f'<text x="{x + 16}" y="48" fill="#1d2530">{name}</text>'
        x += 34 + 7 * len(name)


def _axis(seconds: float, scale: float, height: int) -> Iterator[str]:
    step = next(step for step in (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60) if seconds / step <= 12 or step == 60)
    for number in range(int(seconds / step) + 1):
        x = LABELS + number * step * scale
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - 40}" stroke="#e4e8ec"/>'
        yield f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle" fill="#5b6770">{number * step:g} s</text>'


def _row(row: Row, y: int, begin: float, scale: float) -> Iterator[str]:
    is_outside = row.span.kind == "client"
    colour = OUTSIDE if is_outside else COLOURS.get(row.span.process, "#5b6770")
    indent = 16 + 11 * min(row.depth, 14)
    label = row.label
    room = int((LABELS - indent - 8) / 6.1)
    label = label if len(label) <= room else f"{label[: room - 1]}…"
    yield f'<text x="{indent}" y="{y + 13}" fill="#1d2530">{escape(label)}</text>'
    bars = row.alike or [row.span]
    for span in bars:
        x, width = LABELS + (span.start - begin) * scale, max((span.end - span.start) * scale, 1.5)
        opacity = 0.45 if len(bars) > 1 else 0.9
        yield (
            f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{ROW - 7}" rx="2" fill="{colour}"'
            f' fill-opacity="{opacity}"/>'
        )
    last = max(bars, key=lambda span: span.end)
    took = sum(span.end - span.start for span in bars) / len(bars)
    words = f"{took * 1000:,.0f} ms" + (" each" if len(bars) > 1 else "")
    x = LABELS + max((last.end - begin) * scale, 0) + 5
    yield f'<text x="{x:.1f}" y="{y + 13}" fill="#5b6770" font-size="10">{words}</text>'
