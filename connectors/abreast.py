"""Ask several things of the outside world side by side: at most so many at a time, with answers in the order asked."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from time import monotonic
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class NotAskedError(Exception):
    """Its turn had not come when the time was up, or an answer before it said that it is enough."""


def ask_abreast(
    ask: Callable[[K], V],
    keys: Sequence[K],
    *,
    at_once: int,
    begins_within: float | None = None,
    is_enough: Callable[[Exception], bool] = lambda _: False,
) -> list[V | Exception]:
    """Return for each key, in their order, what ``ask`` returned or raised; one that fails takes no other with it.

    Each is asked in the caller's context (time limits, settings read once, log fields) but in another thread, so
    ``ask`` must not use the database. All threads have ended when this returns.

    Args:
        at_once: so many at the same time at most, from 1 up; 1: one after the other, in the caller's thread.
        begins_within: seconds after which none but the first begins; None: no such bound.
        is_enough: whether after this failure no other begins.
    """
    ends_at = None if begins_within is None else monotonic() + begins_within
    over = threading.Event()

    def answer(place: int) -> V | Exception:
        is_late = ends_at is not None and place > 0 and monotonic() >= ends_at
        if is_late or over.is_set():
            return NotAskedError()
        try:
            return ask(keys[place])
        except Exception as error:  # noqa: BLE001 - handed to the caller, whatever it is
            if is_enough(error):
                over.set()
            return error

    if at_once == 1 or len(keys) < 2:
        return [answer(place) for place in range(len(keys))]
    threads = min(at_once, len(keys))
    with ThreadPoolExecutor(threads, thread_name_prefix="abreast") as pool:
        try:
            asked = [pool.submit(copy_context().run, answer, place) for place in range(len(keys))]
            return [each.result() for each in asked]
        except BaseException:  # a soft time limit: what has not begun never does
            over.set()
            raise
