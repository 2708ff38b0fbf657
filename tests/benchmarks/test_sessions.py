"""A few sessions of the replay, over a split and a dividend of what is held: books and venue agree to the cent."""

import pytest

from benchmarks.sessions import Replay, differences
from tests.trading.test_two_runs import fresh_world
from trading.models import AccountActivity, Event, Position
from trading.protection.coverage import unprotected_positions

# Whole cycles, each order followed to its end.
pytestmark = [pytest.mark.system, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]


def test_sessions_over_a_split_and_a_dividend_leave_no_difference() -> None:
    with fresh_world(7) as venue:
        replay = Replay(venue, protects=True, symbols=8)
        replay.prepare()
        replay.session()
        held = list(Position.objects.order_by("symbol").values_list("symbol", flat=True))
        assert held, "the analyst has bought"
        for kind, value in (("split", "3"), ("dividend", "0.37")):
            action = {"symbol": held[0], "kind": kind, "value": value}
            venue.request("POST", "/venue/corporate_actions", action)

        replay.session()
        replay.session()

        assert differences(venue) == []
        assert not Event.objects.filter(type="books.differ").exists()
        assert set(AccountActivity.objects.values_list("kind", flat=True)) == {"split", "dividend"}
        assert [
            symbol for symbol in unprotected_positions() if Position.objects.get(pk=symbol).quantity >= 1
        ] == []
