"""Senders and switches as one would write them first, stopped: the judges of stopped processes catch each.

Where the wrong moment has to come, the sender stops itself there.
"""

import random
import time
from pathlib import Path

import psutil
import pytest
from django.db import connection

from risk.services.locks import SWITCH_LOCK
from tests.chaos.engaging import COMMAND, Engagement
from tests.chaos.floor import late_requests
from tests.chaos.stopped_sender import NAIVE
from tests.chaos.stopping import stops, wait_stopped
from tests.chaos.test_stopped_sender import QUICK, Stage, Tally
from tests.chaos.test_stopped_switch import ENGAGE_SECONDS, LEAKED, judged, session_that_holds
from tests.trading.outside import Outside
from tests.waiting import wait_until
from trading.safety import kill_switch

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
TWICE = {"buy": "doubled", "sell": "sold twice"}  # what it comes to, by side


def test_a_sender_that_proves_nothing_before_the_request_is_caught(
    trading_account: Outside, tmp_path: Path
) -> None:
    stage, tally = Stage(trading_account, tmp_path, QUICK), Tally()
    stage.awaits_takeover = 90.0

    stage.play([(side, NAIVE) for side in TWICE], tally, random.Random(1))

    assert tally.taken_over == len(TWICE)
    for side, twice in TWICE.items():
        found = [words for words in tally.findings if words.startswith(side)]
        assert any("after it was created" in words for words in found), tally.findings
        assert any("after another worker had concluded it" in words for words in found), tally.findings
        assert any(twice in words for words in found), tally.findings


def test_a_switch_that_only_sets_its_flag_lets_a_stopped_sender_out_later(
    trading_account: Outside, tmp_path: Path
) -> None:
    stage = Stage(trading_account, tmp_path, QUICK)
    sender = stage.begin_one(NAIVE)
    wait_stopped(sender.pid)
    with stops() as standing:
        standing.stop("a sender", [psutil.Process(sender.pid)])
        kill_switch.engage(actor="test", reason="naive")
        returned = time.monotonic()
        assert late_requests(trading_account.venue, returned) == []
    sender.process.join(120)

    assert len(late_requests(trading_account.venue, returned)) == 1


def _alone() -> bool:
    """Try the lock that a switch waits for until it has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [SWITCH_LOCK])
        return bool(cursor.fetchone()[0])


def test_a_switch_that_waits_for_whoever_sends_does_not_return() -> None:
    engagement = Engagement(COMMAND, flatten=False, began=time.monotonic() - ENGAGE_SECONDS - 1)
    with session_that_holds(LEAKED, stopped=False), stops() as standing:
        with pytest.raises(AssertionError, match="did not come true"):
            wait_until(_alone, seconds=1, what="the lock alone")
        (words,) = judged(engagement, ENGAGE_SECONDS, standing)

    assert "has not returned, the bound is 12 s" in words
