"""A pytest plugin, loaded before Django's settings: the engines all tests of a run use.

Embedded in a temporary folder, or the servers that DATABASE_URL and REDIS_URL name. Whatever of ours the
developer has in the environment is taken out, so that a test sees the defaults. The processes of a run that is
spread over several share the engines the first has started, with a database and a queue of their own.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from orchestrator_project.environment import PREFIXES
from orchestrator_project.runtime.engines import joined_engines
from tests.paths import quick_place
from tests.spread.door import NOBODY

REDIS_DATABASES = 16
_ending = contextlib.ExitStack()


def start() -> None:
    """Start or join the engines, and name them in the environment, with what is this process's own."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="orch-", dir=quick_place()))
    _ending.callback(shutil.rmtree, home, ignore_errors=True)
    os.environ["ORCHESTRATOR_HOME"] = str(home)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")
    needs = {
        "need_database": not os.environ.get("DATABASE_URL"),
        "need_redis": not os.environ.get("REDIS_URL"),
    }
    urls = _ending.enter_context(joined_engines(home, **needs))
    if urls.database_url:
        os.environ["DATABASE_URL"] = urls.database_url
        os.environ["DATABASE_RESERVE_USER"] = urls.reserve_user or ""
    os.environ["REDIS_URL"] = _empty_database(urls.redis_url or os.environ["REDIS_URL"])


def _empty_database(url: str) -> str:
    """Return the URL of a database of that server with no keys: a test may flush it.

    Test processes that run side by side look at different ones.
    """
    import redis

    base = url.rsplit("/", 1)[0] if url.count("/") > 2 else url
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for number in range(REDIS_DATABASES - 1 - own, -1, -count):
        candidate = f"{base}/{number}"
        with redis.Redis.from_url(candidate) as client, contextlib.suppress(redis.ResponseError):
            if client.dbsize() == 0:
                return candidate
    raise pytest.UsageError(f"REDIS_URL: every database of {base} has keys, the tests need an empty one")


if os.environ.get("PYTEST_XDIST_WORKER") != NOBODY:  # its engines are those of who started it
    start()


@pytest.hookimpl(optionalhook=True)
def pytest_own_process() -> None:
    """Have this fork's own folder and queue in the place of those of the process that collected."""
    from tests import anew  # the project: not before its settings can be read

    start()
    anew.read_settings(at_once=True)


def pytest_unconfigure() -> None:
    """Stop what this run started."""
    _ending.close()
