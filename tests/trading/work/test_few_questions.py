"""What the sweeper asks each second while there is nothing to do."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestrator_project.management.commands.sweeper import Command
from tests.factories import make_agent
from trading.exits.rounds import Rounds
from trading.work.guardian import Guardian

# The sign of life with settings and clock, and all that is looked for. What the lookout reads every 5 s is apart.
MOST_OF_A_ROUND = 2
MOST_OF_EXITS = 2  # what is held; the watch's sign of life
MOST_OF_THE_GUARDIAN = 3  # the senders' patience, the senders, the switch


@pytest.mark.django_db(transaction=True)
def test_rounds_ask_little() -> None:
    make_agent()
    main, exits, guardian = Command(), Rounds(), Guardian()
    for look in (lambda: main._round({}), exits.look, guardian.look):
        look()  # the first look reads the past, too

    counts = []
    for look in (lambda: main._round({}), exits.look, guardian.look):
        with CaptureQueriesContext(connection) as asked:
            look()
        counts.append(len(asked))

    assert counts == [MOST_OF_A_ROUND, MOST_OF_EXITS, MOST_OF_THE_GUARDIAN]
