"""Every process killed at once, again and again after an entry's request: what is held ends up protected, no more."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import ROUND_DOWN, Decimal
from http.client import HTTPException

import pytest

from tests.chaos.arena import Arena, opened_arena
from tests.chaos.conftest import Length, Say
from tests.waiting import wait_until
from trading.domain.order_ids import Purpose

pytestmark = [pytest.mark.system, pytest.mark.timeout(4_500)]
SAMPLE_SECONDS = 0.25
NEXT_ENTRY_SECONDS = 25.0  # as long as the next entry is waited for before everything is killed anyway
CROWDED = 9  # positions, of 15: with more of them entries become rare
STOPS = frozenset({"stop", "stop_limit"})
SETTLES_SECONDS = 180.0


class Sampler:
    """Looks at the venue, which alone knows: what is held, what rests, and for how long it did not fit.

    ``longest``: seconds, by symbol, for which less rested than whole shares were held, since the system was whole.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._over = threading.Event()
        self._naked: dict[str, float] = {}
        self.longest: dict[str, float] = {}
        self.samples = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Sample beside what goes on."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        yield
        self._over.set()
        thread.join(60)

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            try:
                misfits = misfits_of(self._arena)
            except (OSError, HTTPException, ValueError):
                continue
            self.samples += 1
            now = time.monotonic()
            naked = {symbol for symbol, (held, stopped) in misfits.items() if stopped < held}
            for symbol in naked:
                began = self._naked.setdefault(symbol, now)
                self.longest[symbol] = max(self.longest.get(symbol, 0.0), now - began)
            for symbol in self._naked.keys() - naked:
                del self._naked[symbol]


def misfits_of(arena: Arena) -> dict[str, tuple[Decimal, Decimal]]:
    """Return, by stock, the whole shares held and what stops can sell, where they differ."""
    held = {
        row["symbol"]: Decimal(row["qty"]).to_integral_value(ROUND_DOWN)
        for row in arena.venue.get("/v2/positions")
        if row["asset_class"] == "us_equity"
    }
    stopped: dict[str, Decimal] = {}
    for order in open_orders(arena):
        if order["side"] == "sell" and order["type"] in STOPS and order["asset_class"] == "us_equity":
            left = Decimal(order["qty"]) - Decimal(order["filled_qty"])
            stopped[order["symbol"]] = stopped.get(order["symbol"], Decimal(0)) + left
    either = held.keys() | stopped.keys()
    both = {symbol: (held.get(symbol, Decimal(0)), stopped.get(symbol, Decimal(0))) for symbol in either}
    return {symbol: pair for symbol, pair in both.items() if pair[0] != pair[1]}


def open_orders(arena: Arena) -> list[dict[str, str]]:
    """Return what rests at the venue, legs as rows."""
    return list(arena.venue.get("/v2/orders?status=open&limit=500&nested=false"))


class Entries:
    """Counts the entries that were requested; the venue's own log forgets the oldest."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._known: set[str] = set()

    def so_far(self) -> int:
        """Return how many there were until now."""
        asked = self._arena.venue.requests(method="POST", path="/v2/orders")
        named = (request["client_order_id"] or "" for request in asked)
        self._known.update(each for each in named if f"-{Purpose.ENTRY}-" in each)
        return len(self._known)


def test_whatever_dies_what_is_held_is_protected_and_no_more(length: Length, say: Say) -> None:
    kills = length.kills if length.is_long else 4
    chance = random.Random(length.seed)
    with opened_arena(workers=2, is_stepped=False, partial_rate=0.5) as arena:
        # What is unknown for longer than a saga counts as critical, and sagas are short here: the switch would end it.
        arena.execute("UPDATE runtime_settings SET value = '100' WHERE name = 'critical_errors'")
        sampler, entries, idle = Sampler(arena), Entries(arena), 0
        with sampler.at_work():
            for number in range(kills):
                if len(arena.venue.get("/v2/positions")) > CROWDED:
                    make_room(arena, chance)
                seen = entries.so_far()
                give_up_at = time.monotonic() + NEXT_ENTRY_SECONDS
                while entries.so_far() == seen and time.monotonic() < give_up_at:
                    time.sleep(0.05)
                if entries.so_far() == seen:
                    idle += 1
                    make_room(arena, chance)
                time.sleep(chance.uniform(0, 1.5))
                arena.hold_all(arena.names)
                time.sleep(chance.uniform(0, 3.0))
                arena.go_on(arena.names)
                if number % 10 == 9:
                    longest = max(sampler.longest.values(), default=0.0)
                    say(f"naked: {number + 1} times, {entries.so_far()} entries, longest {longest:.1f} s")
        arena.hold_all(("beat",))
        wait_until(
            lambda: not misfits_of(arena) and not unsettled(arena),
            seconds=SETTLES_SECONDS,
            what=f"protection equals what is held: {misfits_of(arena)}",
        )
        engaged = arena.rows("SELECT reason FROM kill_switch WHERE released_at IS NULL")
        held = {row["symbol"] for row in arena.venue.get("/v2/positions")}  # coins without their slash
        resting = [order["symbol"] for order in open_orders(arena)]
        left_over = [symbol for symbol in resting if symbol.replace("/", "") not in held]
        longest = max(sampler.longest.values(), default=0.0)
        say(
            f"naked: {kills} times everything killed, {entries.so_far()} entries, {sampler.samples} samples,"
            f" {len(held)} held, {idle} without an entry, longest unprotected {longest:.1f} s"
        )

    assert left_over == []
    assert engaged == [], "nothing was entered any more"
    assert idle <= kills / 2, "too many kills met no entry"
    assert sampler.samples > 0


def make_room(arena: Arena, chance: random.Random) -> None:
    """Sell a third of what is held as a stranger would, so that there is room for entries; what is refused stays."""
    held = arena.venue.get("/v2/positions")
    going = {row["symbol"] for row in chance.sample(held, len(held) // 3)}
    for order in open_orders(arena):
        if order["symbol"].replace("/", "") in going:
            with suppress(RuntimeError):  # it has ended with another of its group
                arena.venue.request("DELETE", f"/v2/orders/{order['id']}")
    for row in held:
        if row["symbol"] in going:
            body = {"symbol": row["symbol"], "qty": row["qty"], "side": "sell", "type": "market"}
            body["time_in_force"] = "day" if row["asset_class"] == "us_equity" else "gtc"
            with suppress(RuntimeError):  # it is protected anew already
                arena.venue.request("POST", "/v2/orders", body)


def unsettled(arena: Arena) -> int:
    """Return how much is under way."""
    query = "SELECT count(*) FROM sagas WHERE status IN ('running', 'compensating')"
    return int(arena.rows(query)[0][0])
