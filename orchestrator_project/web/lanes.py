"""The thread pools that serve requests, with a few threads reserved for requests that stop trading.

Sixteen slow views must not take the kill switch away with them: its own addresses, the login and the files its pages
need have threads beside the common ones. Whoever waits for the switch is the first to get any thread that comes free.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import count
from types import MappingProxyType

from orchestrator_project.web.bodies import RefusedError

THREADS = 16
MOST_WAITING = 200  # in each lane; a browser gives up before so many were served


class Lane(StrEnum):
    """What a request is for."""

    SWITCH = "switch"
    LOGIN = "login"
    FILES = "files"
    COMMON = "common"


KEPT: Mapping[Lane, int] = MappingProxyType({Lane.SWITCH: 2, Lane.LOGIN: 1, Lane.FILES: 1})
SWITCH_REST = frozenset({"/kill-switch", "/api/kill-switch"})
SWITCH_PAGES = "/admin/risk/killswitch/"
LOGIN_PAGE = "/admin/login/"
FILES = ("/static/", "/admin/jsi18n/")


def lane_of(path: str) -> Lane:
    """Return whose threads serve an address beside the common ones."""
    if path in SWITCH_REST or path.startswith(SWITCH_PAGES):
        return Lane.SWITCH
    if path == LOGIN_PAGE:
        return Lane.LOGIN
    return Lane.FILES if path.startswith(FILES) else Lane.COMMON


class Thread(ThreadPoolExecutor):
    """One thread, and the lane it is kept for."""

    def __init__(self, lane: Lane, number: int) -> None:
        super().__init__(1, thread_name_prefix=f"request-{lane}-{number}")
        self.lane = lane


class Lanes:
    """All threads of the process; to be used by its event loop alone."""

    def __init__(self, *, threads: int = THREADS, kept: Mapping[Lane, int] = KEPT) -> None:
        # Last in, first out: the thread whose connection was used last is used again.
        self._free: dict[Lane, list[Thread]] = {
            lane: [Thread(lane, number) for number in range(amount)]
            for lane, amount in {Lane.COMMON: threads, **kept}.items()
        }
        self._waiting: dict[Lane, deque[tuple[int, asyncio.Future[Thread]]]] = {
            lane: deque() for lane in Lane
        }
        self._turns = count()

    async def lend(self, lane: Lane) -> Thread:
        """Return a thread, one of the common ones where there is one.

        Raises:
            RefusedError: 503, too many wait already.
        """
        for home in (Lane.COMMON, lane):
            if self._free.get(home):
                return self._free[home].pop()
        queue = self._waiting[lane]
        if len(queue) >= MOST_WAITING:
            raise RefusedError(503, "Too many requests wait already.", retry_after=2)
        future: asyncio.Future[Thread] = asyncio.get_running_loop().create_future()
        entry = (next(self._turns), future)
        queue.append(entry)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give_back(future.result())
            elif entry in queue:
                queue.remove(entry)
            raise

    def give_back(self, thread: Thread) -> None:
        """Hand a thread to whoever waits for it, or keep it for the next."""
        while (queue := self._next(thread.lane)) is not None:
            _, future = queue.popleft()
            if not future.done():
                future.set_result(thread)
                return
        self._free[thread.lane].append(thread)

    def _next(self, lane: Lane) -> "deque[tuple[int, asyncio.Future[Thread]]] | None":
        """Return the queue whose first is served by a thread of the lane: the switch's, then who came first."""
        served = (Lane.LOGIN, Lane.FILES, Lane.COMMON) if lane is Lane.COMMON else (lane,)
        if self._waiting[Lane.SWITCH] and lane in (Lane.COMMON, Lane.SWITCH):
            return self._waiting[Lane.SWITCH]
        queues = [self._waiting[each] for each in served if self._waiting[each]]
        return min(queues, key=lambda queue: queue[0][0], default=None)
