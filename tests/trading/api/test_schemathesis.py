"""schemathesis over the OpenAPI document against the running server, as each group and as nobody.

Deterministic, with few examples. It asks for what the document allows and for what it
forbids; what comes back must be documented, must look as documented, and is never a 5xx.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator_project.web.openapi import FILE
from tests.factories import make_approval, make_asset, make_decision, make_saga, make_user
from tests.seeding import seed_again
from tests.trading.api.server import Server
from tests.trading.api.test_resources import LISTS
from tests.trading.outside import STOCK
from tests.venue_process import VenueProcess
from trading.access.api_tokens import issue_token
from trading.core.settings import set_runtime_setting

pytestmark = pytest.mark.system

OFFICER = "risk officer"
USERS = ("", "viewer", "operator", OFFICER)
# All checks but these: text that fits a schema need not name anything (a cursor, a symbol), and nothing is made
# or deleted here that could be looked for.
NOT_CHECKED = (
    "positive_data_acceptance",
    "use_after_free",
    "ensure_resource_availability",
    "object_level_authorization",
)
EXAMPLES = 4
READY = "/health/ready"


@pytest.fixture
def world(transactional_db: None, venue: VenueProcess) -> dict[str, str]:
    """Something of everything, and which ids the document's paths may be asked with."""
    seed_again()
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
    """Return what schemathesis cannot know: ids that exist, and that a stream ends when told to."""
    lines = [
        *(f"checks.{name}.enabled = false" for name in NOT_CHECKED),
        '[[operations]]\ninclude-path = "/events/stream"\nparameters = { "query.seconds" = 0 }\n',
    ]
    for path, pk in ids.items():
        lines.append(f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ "path.id" = "{pk}" }}\n')
    return "\n".join(lines)


def run(server: Server, folder: Path, *options: str, ids: dict[str, str] | None = None) -> None:
    """Run schemathesis; its report is the message of the failure."""
    config = folder / "schemathesis.toml"
    config.write_text(configuration(ids or {}))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(FILE)),
            *("--url", f"{server.url}/api", "--max-examples", str(EXAMPLES), "--generation-deterministic"),
            *("--no-color", "--continue-on-failure", "--suppress-health-check=too_slow", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    print(done.stdout[-1500:])  # noqa: T201


@pytest.mark.parametrize("group", USERS, ids=lambda group: group or "nobody")
def test_server_does_what_its_document_says(
    group: str, world: dict[str, str], server: Server, tmp_path: Path
) -> None:
    options = ["--exclude-path", READY]
    if group:
        token = issue_token(user=make_user(group=group))
        options += ["--header", f"Authorization: Token {token.text}"]

    if group == OFFICER:
        run(server, tmp_path, *options, "--phases", "coverage,fuzzing", ids=world)
    else:
        run(server, tmp_path, *options, "--phases", "fuzzing")


def test_ready_does_what_its_document_says(world: dict[str, str], server: Server, tmp_path: Path) -> None:
    """Beside this server runs no worker, and 503 is how ready says so: the one 5xx that is an answer."""
    run(server, tmp_path, "--include-path", READY, "--exclude-checks", "not_a_server_error")
