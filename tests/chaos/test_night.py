"""A night of cycles while accounts, feeds, models and lines misbehave in turn: every cycle ends, the book is right.

``pytest tests/chaos/test_night.py --long -s``: 500 cycles, about an hour.
"""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.ai.chat_server import ChatServer
from tests.chaos.arena import Arena, opened_arena
from tests.chaos.conftest import Length, Say
from tests.chaos.monitors import Monitors
from tests.chaos.night import Night
from tests.chaos.night_cases import CASES
from tests.chaos.resting import come_to_rest, judged_at_rest

pytestmark = [pytest.mark.system, pytest.mark.timeout(9_000)]
CYCLES = {True: 500, False: 6}


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """A language model whose manners change."""
    with ChatServer() as server:
        yield server


@pytest.fixture
def arena(chat: ChatServer) -> Iterator[Arena]:
    """The system, started; no cycle but those that the night asks for."""
    with opened_arena(workers=2, is_stepped=False, chat=chat.api_base) as arena:
        arena.hold_all(("beat",))
        yield arena


def test_every_cycle_of_a_night_ends_and_the_book_is_the_venues(
    arena: Arena, chat: ChatServer, length: Length, say: Say
) -> None:
    many = length.is_long
    night = Night(arena, chat, length.seed, say, few=4 if many else 1, engage_every=20 if many else 5)

    night.pass_by(CYCLES[many])
    arena.go_on(("beat",))
    come_to_rest(arena, patient=True)
    night.maintain()
    arena.go_on(("beat",))
    come_to_rest(arena, patient=True)  # the maintenance was a cycle, of which the world is told too

    findings = judged_at_rest(arena, Monitors(arena.database_url, arena.venue)).all()
    slowest = max(night.engaged_after, default=0.0)
    say(f"night: cycles {dict(night.cycles)}, {len(night.cases)} cases of {len(CASES)}, {dict(night.cases)}")
    say(
        f"night: {len(night.engaged_after)} engagements, the slowest {slowest:.1f} s; {len(findings)} findings"
    )
    for words in (findings + night.wrong + night.rest.server_errors)[:40]:
        say(f"night: {words}")
    assert findings == []
    assert night.wrong == []
    assert night.rest.server_errors == []
    assert night.engaged_after
    if many:
        assert night.cases.keys() == {case.name for case in CASES}
    assert _cash(arena) == round(Decimal(arena.venue.get("/v2/account")["cash"]), 4)


def _cash(arena: Arena) -> Decimal:
    ((cash,),) = arena.rows("SELECT cash FROM equity_snapshots ORDER BY created_at DESC LIMIT 1")
    return Decimal(cash)
