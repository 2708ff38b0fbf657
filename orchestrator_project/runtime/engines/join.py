"""Joining the embedded engines: the first user starts them, the last one stops them.

Users hold a shared lock, so a user that is killed counts as gone. The change between "running" and
"stopped" happens under a second, exclusive lock, so commands started together start one pair.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator_project.runtime.engines import disk, postgres, roles, valkey
from orchestrator_project.runtime.engines.errors import EngineError
from orchestrator_project.runtime.engines.home import prepare_home
from orchestrator_project.runtime.engines.locks import Usership, starting_or_stopping
from orchestrator_project.runtime.engines.state import STOPPED, read_state, write_state


@dataclass(frozen=True, slots=True)
class EngineUrls:
    """Where the engines are; None for one that was not asked for."""

    database_url: str | None
    redis_url: str | None
    reserve_user: str | None = None  # of the database, for when no other connection is left


@contextmanager
def joined_engines(
    home: Path, *, need_database: bool = True, need_redis: bool = True
) -> Iterator[EngineUrls]:
    """Join the running engines of ``home``, or start them; the last user to leave stops them.

    Args:
        home: the state folder; made when it is missing.
        need_database: False when DATABASE_URL names a server.
        need_redis: False when REDIS_URL names a server.

    Raises:
        EngineError: an engine cannot run here; one sentence says why and what to do.
    """
    home = prepare_home(home)
    with _in_plain_words(home), starting_or_stopping(home):
        usership = Usership(home)
        try:
            urls = _start_missing(home, need_database=need_database, need_redis=need_redis)
        except BaseException:
            _leave(home, usership)
            raise
    try:
        yield urls
    finally:
        with starting_or_stopping(home):
            _leave(home, usership)


def ensure_running(home: Path) -> list[str]:
    """Start again, at the same address, the engines that died while they were in use; return their names.

    For a user that has joined. Costs next to nothing while all is well, so it may be called each second.

    Raises:
        EngineError: an engine cannot be started again, or not at its address.
    """
    home = home.resolve()
    if not _dead_engines(home):
        return []
    with starting_or_stopping(home), _in_plain_words(home):
        dead = _dead_engines(home)
        state = read_state(home)
        if postgres.NAME in dead:
            state = replace(state, postgres=postgres.start(home, state.postgres))
            write_state(home, state)
        if valkey.NAME in dead:
            state = replace(state, valkey=valkey.start(home, state.valkey, keep_port=True))
            write_state(home, state)
    return dead


def stop_if_unused(home: Path) -> None:
    """Stop the engines of ``home`` when no live process has joined them.

    Raises:
        EngineError: an engine does not end.
    """
    if not (home / "engines.users").exists():
        return
    with starting_or_stopping(home.resolve()):
        _leave(home.resolve(), Usership(home))


@contextmanager
def _in_plain_words(home: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a sentence with the remedy."""
    try:
        yield
    except PermissionError as error:
        raise EngineError(
            f"{error.filename} belongs to another user: run as that user, or set ORCHESTRATOR_HOME to a "
            "folder of your own."
        ) from error
    except OSError as error:
        raise EngineError(disk.explain(home, "The engines could not be started", str(error))) from error


def _start_missing(home: Path, *, need_database: bool, need_redis: bool) -> EngineUrls:
    state = read_state(home)
    if need_database and not postgres.is_running(home, state.postgres):
        disk.require_space(home)
        state = replace(state, postgres=postgres.start(home, state.postgres))
        write_state(home, state)
    if need_redis and not valkey.is_running(home, state.valkey):
        disk.require_space(home)
        state = replace(state, valkey=valkey.start(home, state.valkey))
        write_state(home, state)
    return EngineUrls(
        database_url=state.postgres.url if need_database and state.postgres else None,
        redis_url=state.valkey.url if need_redis and state.valkey else None,
        reserve_user=roles.RESERVE if need_database else None,
    )


def _leave(home: Path, usership: Usership) -> None:
    """Give up our share, and stop the engines when nobody else has one."""
    try:
        if usership.is_last():
            valkey.stop(home)
            postgres.stop(home)
            state = read_state(home)
            write_state(
                home,
                replace(
                    state,
                    postgres=replace(state.postgres, pid=STOPPED) if state.postgres else None,
                    valkey=replace(state.valkey, pid=STOPPED) if state.valkey else None,
                ),
            )
    finally:
        usership.close()


def _dead_engines(home: Path) -> list[str]:
    """Return the names of engines that should run, by the record, and do not."""
    state = read_state(home)
    dead = []
    if state.postgres and state.postgres.pid != STOPPED and not postgres.is_running(home, state.postgres):
        dead.append(postgres.NAME)
    if state.valkey and state.valkey.pid != STOPPED and not valkey.is_running(home, state.valkey):
        dead.append(valkey.NAME)
    return dead
