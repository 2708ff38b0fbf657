"""Look again and again, whatever a look meets."""

import threading
from collections.abc import Callable

INTERVAL_SECONDS = 1.0


def keep_watching(
    look: Callable[[], None],
    say: Callable[[str], None],
    stop: threading.Event,
    interval_seconds: float = INTERVAL_SECONDS,
) -> None:
    """Look until ``stop`` is set; a look that fails is said once, and the next is taken all the same."""
    last_error = ""
    while not stop.is_set():
        try:
            look()
            last_error = ""
        except Exception as error:  # noqa: BLE001 - a loop's boundary: one failing look must not end the watching
            if (text := f"{type(error).__name__}: {error}") != last_error:
                say(f"Watching failed, it goes on: {text}")
            last_error = text
        stop.wait(interval_seconds)
