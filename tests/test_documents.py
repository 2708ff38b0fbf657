"""The documents name tests and files that exist."""

import re
from pathlib import Path

import pytest

from tests.paths import ROOT

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
FILE = re.compile(
    r"`((?:trading|risk|ai|connectors|orchestrator_project|benchmarks|docs)/[\w/.-]+\.(?:py|md))`"
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
