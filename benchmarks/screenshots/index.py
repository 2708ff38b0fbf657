"""The table of docs/console/README.md: every page with its four pictures, grouped as the menu is."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from benchmarks.screenshots.pages import Shot, of_the_menu
from benchmarks.screenshots.taking import THEMES, WIDTHS

BEGIN, END = "<!-- pictures: made by `python -m benchmarks.screenshots` -->", "<!-- pictures: end -->"


def write(folder: Path, shots: Iterable[Shot]) -> None:
    """Write the table into the folder's README.md, where it has one, and take away pictures of pages that are gone."""
    readme = folder / "README.md"
    taken = [shot for shot in shots if (folder / shot.file(1440, "light")).exists()]
    if readme.exists():
        before, _, rest = readme.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        readme.write_text(f"{before}{BEGIN}\n\n{table(taken)}\n{END}{after}")
    kept = {shot.file(width, theme) for shot in taken for width in WIDTHS for theme in THEMES}
    for path in folder.glob("*.webp"):
        if path.name not in kept:
            path.unlink()


def table(shots: list[Shot]) -> str:
    """Return the groups, each with its table; the main pages are shown, the others are links."""
    order = {group: place for place, group in enumerate(dict.fromkeys(shot.group for shot in of_the_menu()))}
    grouped = sorted(shots, key=lambda shot: order.get(shot.group, len(order)))
    return "\n".join(
        line for group, rows in groupby(grouped, lambda shot: shot.group) for line in _group(group, [*rows])
    )


def _group(group: str, shots: list[Shot]) -> Iterator[str]:
    kinds = [(width, theme) for width in WIDTHS for theme in THEMES]
    yield f"### {group}\n"
    yield "| page | " + " | ".join(f"{width} px, {theme}" for width, theme in kinds) + " |"
    yield "|---|" + "---|" * len(kinds)
    for shot in shots:
        cells = (f"[{theme}]({shot.file(width, theme)})" for width, theme in kinds)
        yield f"| {shot.title} | " + " | ".join(cells) + " |"
    yield ""
    for shot in (one for one in shots if one.is_main):
        yield f"![{shot.title}]({shot.file(1440, 'light')})\n"
