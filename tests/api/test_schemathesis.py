"""schemathesis over the OpenAPI document against the running server, as each group and as nobody.

Deterministic: the seed is fixed, the examples are few. It asks for what the document allows and for what it
forbids; what comes back must be documented, must look as documented, and is never a 5xx.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from orchestrator_project.openapi import FILE
from orchestrator_project.prepare import seed
from tests.api.server import Server
from tests.api.test_resources import LISTS
from tests.factories import make_approval, make_asset, make_decision, make_saga, make_user
from tests.trading.outside import STOCK
from tests.venue_process import VenueProcess
from trading.services.settings import set_runtime_setting

OFFICER = "risk officer"
USERS = ("", "viewer", "operator", OFFICER)
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)
EXAMPLES = 4
SEED = 20261126


@pytest.fixture
def world(transactional_db: None, venue: VenueProcess) -> dict[str, str]:
    """Something of everything, and which ids the document's paths may be asked with."""
    seed()
    set_runtime_setting(name="limit_api", value="1000000", actor="test")
    for make in LISTS.values():
        make()
    make_asset(STOCK)
    saga = make_saga()
    waiting = make_approval(decision=make_decision(symbol=STOCK, status="awaiting_approval"))
    return {
        "/sagas/{id}": str(saga.pk),
        "/decisions/{id}": str(saga.decision_id),
        "/approvals/{id}/reject": str(waiting.pk),
        "/approvals/{id}/approve": str(waiting.pk),
    }


def configuration(ids: dict[str, str]) -> str:
    """Return what schemathesis cannot know: ids that exist, and that a stream has to end."""
    lines = ['[[operations]]\ninclude-path = "/events/stream"\nparameters = { "query.seconds" = 1 }\n']
    for path, pk in ids.items():
        lines.append(f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ "path.id" = "{pk}" }}\n')
    return "\n".join(lines)


@pytest.mark.parametrize("group", USERS, ids=lambda group: group or "nobody")
def test_server_does_what_its_document_says(
    group: str, world: dict[str, str], server: Server, tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(configuration(world if group == OFFICER else {}))
    report = tmp_path / "report.json"
    headers = []
    if group:
        token = Token.objects.create(user=make_user(group=group))
        headers = ["--header", f"Authorization: Token {token.key}"]

    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(FILE)),
            *("--url", f"{server.url}/api", "--checks", ",".join(CHECKS), *headers),
            *("--phases", "coverage,fuzzing" if group == OFFICER else "fuzzing"),
            *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-deterministic"),
            *("--no-color", "--continue-on-failure"),
            *("--report", "json", "--report-json-path", str(report)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    print(done.stdout[-1500:])  # noqa: T201
    facts: dict[str, Any] = json.loads(report.read_text())
    assert facts
