"""Who runs a command, on machines that know no name for him."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from contextlib import suppress
from io import StringIO

import pytest
from django.core.management import call_command

from orchestrator_project.environment import BadEnvironmentError, load_environment
from risk.services import switch
from tests.paths import ROOT
from trading.access.people import operator_name
from trading.models import AgentStatus

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")
UNSHARED = ("unshare", "-U", "--map-user=12345", "--map-group=12345")


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> str:
    """A user id without an entry in the passwd file, without HOME; the name it goes by."""

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in (*NAMES, "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    return "uid 12345"


def test_known_user_goes_by_his_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")

    assert operator_name() == "ada"


@pytest.mark.parametrize(("name", "shown"), [("a\nb", "a b"), ("x" * 500, "x" * 120), ("\udcff", "\ufffd")])
def test_name_of_the_environment_is_one_that_can_be_stored(
    monkeypatch: pytest.MonkeyPatch, name: str, shown: str
) -> None:
    monkeypatch.setenv("LOGNAME", name)

    assert operator_name() == shown


def test_user_without_a_name_goes_by_his_number(nameless: str) -> None:
    assert operator_name() == nameless


@pytest.mark.django_db(transaction=True)
def test_commands_work_for_a_user_without_a_name(nameless: str) -> None:
    AgentStatus.objects.get_or_create(pk=1)

    call_command("mode", "semi_auto", stdout=StringIO())
    with suppress(SystemExit):  # no broker answers here: nothing could be cancelled, but the flag is set
        call_command("kill_switch", "engage", "--reason", "a test", stdout=StringIO())
    engaged = switch.current_engagement()
    call_command("kill_switch", "release", "--reason", "a test", stdout=StringIO())

    assert engaged is not None
    assert engaged.engaged_by == f"{nameless} (command line)"
    assert switch.current_engagement() is None


@pytest.mark.parametrize("name", ["ORCHESTRATOR_HOME", "VENUE_DATA"])
def test_home_of_a_user_without_one_is_named(nameless: str, name: str) -> None:
    with pytest.raises(BadEnvironmentError, match="cannot be used") as caught:
        load_environment({name: "~/data"})

    (problem,) = caught.value.problems
    assert problem.startswith(f"{name}: was '~/data', expected the whole path")


@pytest.mark.system
def test_processes_of_a_user_without_a_name_know_what_to_call_him() -> None:
    code = "import json; from trading.access.people import operator_name; print(json.dumps(operator_name()))"
    if shutil.which("unshare") is None or subprocess.run([*UNSHARED, "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    environment = {name: value for name, value in os.environ.items() if name not in (*NAMES, "HOME")}

    ran = subprocess.run(
        [*UNSHARED, sys.executable, "-c", code],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert json.loads(ran.stdout) == "uid 12345"
