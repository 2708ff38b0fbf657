"""Threads that requests borrow: whose they are, when they come back, and what is not lent at all."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from orchestrator_project.web import lanes
from orchestrator_project.web.bodies import MOST_HELD, Bodies, RefusedError
from orchestrator_project.web.lanes import KEPT, THREADS, Lane, Lanes, lane_of
from orchestrator_project.web.threads import LentThreads

GONE = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("path", "lane"),
    [
        ("/kill-switch", Lane.SWITCH),
        ("/api/kill-switch", Lane.SWITCH),
        ("/admin/risk/killswitch/", Lane.SWITCH),
        ("/admin/risk/killswitch/engage/", Lane.SWITCH),
        ("/admin/risk/killswitch/flatten/", Lane.SWITCH),
        ("/admin/login/", Lane.LOGIN),
        ("/static/console/console.css", Lane.FILES),
        ("/kill-switches", Lane.COMMON),
        ("/admin/", Lane.COMMON),
        ("/orders", Lane.COMMON),
    ],
)
def test_each_address_has_its_lane(path: str, lane: Lane) -> None:
    assert lane_of(path) == lane


def test_switch_has_threads_when_all_others_are_lent() -> None:
    async def lent() -> list[Lane]:
        every = Lanes()
        for _ in range(THREADS):
            await every.lend(Lane.COMMON)
        return [(await every.lend(lane)).lane for lane in KEPT for _ in range(KEPT[lane])]

    assert asyncio.run(lent()) == [Lane.SWITCH, Lane.SWITCH, Lane.LOGIN, Lane.FILES]


def test_thread_that_comes_free_goes_to_the_switch_first_and_then_to_who_came_first() -> None:
    async def order() -> list[str]:
        every = Lanes(threads=1, kept={})
        thread = await every.lend(Lane.COMMON)
        got: list[str] = []

        async def wait(lane: Lane, name: str) -> None:
            lent = await every.lend(lane)
            got.append(name)
            every.give_back(lent)

        waiting = [
            asyncio.create_task(wait(lane, name))
            for lane, name in (
                (Lane.COMMON, "a page"),
                (Lane.FILES, "a file"),
                (Lane.COMMON, "another page"),
                (Lane.SWITCH, "the switch"),
            )
        ]
        await asyncio.sleep(0)
        every.give_back(thread)
        await asyncio.gather(*waiting)
        return got

    assert asyncio.run(order()) == ["the switch", "a page", "a file", "another page"]


def test_who_stops_waiting_takes_no_thread_with_him(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "MOST_WAITING", 1)

    async def lent_again() -> bool:
        every = Lanes(threads=1, kept={})
        thread = await every.lend(Lane.COMMON)
        waiting = asyncio.create_task(every.lend(Lane.COMMON))
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="wait already"):
            await every.lend(Lane.COMMON)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        every.give_back(thread)
        return await every.lend(Lane.COMMON) is thread

    assert asyncio.run(lent_again())


Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def test_thread_of_a_client_that_left_is_lent_again_when_it_has_ended() -> None:
    """Django gives a request up whose client left; what its thread does goes on."""
    release, is_at_work, ran_on = threading.Event(), threading.Event(), []

    def view() -> None:
        ran_on.append(threading.current_thread().name)
        is_at_work.set()
        release.wait(120)

    async def slow(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        work = asyncio.create_task(sync_to_async(view)())
        assert await receive() == GONE
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def left() -> bool:
        door = LentThreads(slow, refusal=lambda path, status, detail: ("text/plain", b""))
        said: list[Mapping[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Mapping[str, Any]:
            if said:
                return said.pop()
            await asyncio.to_thread(is_at_work.wait, 30)
            return GONE

        async def send(message: Mapping[str, Any]) -> None:
            raise AssertionError("nobody is there")

        scope = {"type": "http", "path": "/orders", "method": "GET", "headers": []}
        await door(scope, receive, send)
        free = door._lanes._free[Lane.COMMON]
        is_held_back = len(free) == THREADS - 1
        release.set()
        while len(free) < THREADS:
            await asyncio.sleep(0.01)
        return is_held_back

    assert asyncio.run(asyncio.wait_for(left(), 60))
    assert len(ran_on) == 1


def test_large_bodies_at_one_time_are_bounded_and_forgotten() -> None:
    async def piece() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": False}

    async def read() -> bool:
        bodies = Bodies()
        held = [await bodies.read({"headers": []}, piece) for _ in range(MOST_HELD // 1_000_000)]
        with pytest.raises(RefusedError, match="Too many large requests"):
            await bodies.read({"headers": []}, piece)
        for body in held:
            bodies.let_go(body)
        return len(await bodies.read({"headers": []}, piece)) == 1_000_000

    assert asyncio.run(read())
