"""The documents name tests and files that exist."""

import re
from pathlib import Path

import pytest

from tests.paths import ROOT

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
FILE = re.compile(
    r"`((?:evaluation|trading|risk|ai|connectors|orchestrator_project|benchmarks|docs)/[\w/.-]+\.(?:py|md))`"
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_and_file_a_document_names_exists(document: Path) -> None:
    text = document.read_text()

    missing = [name for name in FILE.findall(text) if not (ROOT / name).exists()]
    for file, function in TEST.findall(text):
        source = ROOT / file
        if not source.exists() or (function and f"def {function}(" not in source.read_text()):
            missing.append(f"{file}::{function}")

    assert missing == []


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
PLACE = re.compile(r"`((?:[\w-]+/)+(?:[\w.-]+\.\w+)?|[\w.-]+\.(?:md|toml|yml)|Makefile)(?:::(\w+))?`")


def rows_to_change() -> list[str]:
    table = ARCHITECTURE.partition("| to change | open | with |")[2].partition("\n\n")[0]
    return table.splitlines()[2:]


def test_places_the_architecture_names_exist_and_so_do_the_names_in_them() -> None:
    places = PLACE.findall(ARCHITECTURE)

    missing = [path for path, _ in places if not (ROOT / path).exists()]
    unknown = [
        f"{path}::{name}"
        for path, name in places
        if name and not re.search(rf"^\s*(?:def|class) {name}\b", (ROOT / path).read_text(), re.MULTILINE)
    ]

    assert len(places) > 100
    assert (missing, unknown) == ([], [])


def test_to_change_something_there_is_a_place_to_open() -> None:
    rows = rows_to_change()

    assert len(rows) >= 30
    assert [row for row in rows if not PLACE.search(row.split("|")[2])] == []


def test_glossary_is_in_alphabetical_order_and_has_each_term_once() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()

    terms = [line.split(" | ")[0].removeprefix("| ").casefold() for line in lines if line.startswith("| ")][
        1:
    ]

    assert len(terms) > 100
    assert terms == sorted(set(terms))


def test_terms_the_glossary_points_to_are_in_it() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()

    missing = [term for term in re.findall(r"see \*([\w ]+)\*", text) if f"| {term} |" not in text]

    assert missing == []
