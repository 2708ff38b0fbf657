"""A RabbitMQ node of the test's own: free loopback ports, its own folder, cookie, name and port mapper."""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from connectors.errors import UnavailableError
from connectors.events import EventBus
from tests.ports import free_port
from tests.waiting import wait_until

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the wrapper in /usr/sbin wants to be another user


def missing() -> str:
    """Return why no node can be started here; "" where one can."""
    if not SERVER.exists():
        return f"{SERVER} is not installed (apt-get install rabbitmq-server)"
    return "" if shutil.which("epmd") and shutil.which("erl") else "Erlang is not installed"


class Rabbit:
    """A node, running until ``stop``; ``url`` is what EVENTS_URL takes."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="rabbit-", dir="/tmp"))
        self._port, self._mapper_port, distribution = free_port(), free_port(), free_port()
        (self._home / ".erlang.cookie").write_text(secrets.token_hex(20))
        (self._home / ".erlang.cookie").chmod(0o400)
        (self._home / "rabbitmq.conf").write_text("vm_memory_high_watermark.absolute = 512MB\n")
        (self._home / "plugins").write_text("[].\n")
        self._log = (self._home / "log.txt").open("wb")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"events{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self._home / "data"),
            "RABBITMQ_LOG_BASE": str(self._home / "logs"),
            "RABBITMQ_PID_FILE": str(self._home / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self._home / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._home / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        self._processes = [
            self._start(["epmd", "-address", "127.0.0.1", "-port", str(self._mapper_port)], environment),
            self._start([str(SERVER)], environment),
        ]
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"
        wait_until(self._answers, seconds=180, what=f"RabbitMQ answers: {self.log()}")

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, env=environment, cwd=self._home, stdout=self._log, stderr=self._log)

    def _answers(self) -> bool:
        try:
            EventBus(self.url, queues={}).close()
        except UnavailableError:
            return False
        return True

    def log(self) -> str:
        """Return what the node has written."""
        return (self._home / "log.txt").read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """End the node and its port mapper, by their ids, and remove the folder."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(60)
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)
