"""A proxy that speaks TLS, as Caddy or nginx would, from an address of its own."""

import http.client
import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

OWN_ADDRESS = "127.0.0.2"  # what the web process sees it come from: this machine, but not its usual address


class Forward(http.server.BaseHTTPRequestHandler):
    """Passes a request on, with who asked and how."""

    target: ClassVar[tuple[str, int]]
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        inner = http.client.HTTPConnection(*self.target, timeout=120, source_address=(OWN_ADDRESS, 0))
        headers = {**dict(self.headers), "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.55"}
        inner.request(self.command, self.path, body, headers)
        answer = inner.getresponse()
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        inner.close()

    do_GET = do_POST = _forward

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - their name
        """Say nothing."""


def _certificate(folder: Path) -> Path:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl, which makes the proxy's certificate")
    file = folder / "localhost.pem"
    words = (
        "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        [
            program,
            *words.split(),
            "-keyout",
            str(folder / "key.pem"),
            "-out",
            str(folder / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    file.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return file


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[type[Forward], int, Path]]:
    """Listen while the block runs; give the handler, whose ``target`` is to be set, the port and the certificate."""
    handler = type("ForwardTo", (Forward,), {})
    certificate = _certificate(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler, server.server_address[1], certificate
    finally:
        server.shutdown()
        server.server_close()
        thread.join(120)
