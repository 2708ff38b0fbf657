"""An HTTP client for model calls whose replies end: by size, and by the calling thread's deadline.

httpx has a timeout per read only, so a server that sends a byte now and then keeps a call alive for ever.
The caller of ``gateway.complete`` does not wait for that; this ends the thread that does.
Imported lazily, with litellm, because httpx is heavy.
"""

import threading
import time
from collections.abc import Iterator

import httpx

MAX_REPLY_BYTES = 4 * 1024 * 1024

_thread = threading.local()


def set_deadline(deadline: float) -> None:
    """Let no reply read in this thread go on past ``deadline`` (of ``time.monotonic``)."""
    _thread.deadline = deadline


def make_client() -> httpx.Client:
    """Return a client to be shared by all threads; replies come uncompressed, so size is size."""
    return httpx.Client(
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_refuse_redirect, _bound]},
        follow_redirects=False,
    )


def _refuse_redirect(response: httpx.Response) -> None:
    """End the call: its prompt goes to the address that was configured, and nowhere else.

    Raises:
        httpx.UnsupportedProtocol: the reply sends us on. Of the transport's errors the one that is no bad luck.
    """
    if response.is_redirect:
        there = response.headers.get("Location", "")[:200]
        raise httpx.UnsupportedProtocol(
            f"the model's address answered {response.status_code}, a redirect to {there}, which is not followed:"
            " set AI_API_BASE to the address itself",
            request=response.request,
        )


def _bound(response: httpx.Response) -> None:
    stream = response.stream
    if isinstance(stream, httpx.SyncByteStream):
        deadline: float | None = getattr(_thread, "deadline", None)
        response.stream = _BoundedStream(stream, response.request, deadline)


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, request: httpx.Request, deadline: float | None) -> None:
        self._stream = stream
        self._request = request
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > MAX_REPLY_BYTES:
                raise httpx.ReadError(f"the reply exceeds {MAX_REPLY_BYTES} bytes", request=self._request)
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the reply goes on past the deadline", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()
