"""What is news: trades, acts of people and failures after a moment, denials as counts, each in few statements."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import make_cycle, make_event, make_order, make_trade
from trading.models import Trade
from trading.models.event import NEWS
from trading.queries.event_words import DECISIONS, WORDS
from trading.queries.news import LONGEST, MOST_LINES, news_since, reasons_of_late

pytestmark = pytest.mark.django_db
NOW = timezone.now()
HOUR = timedelta(hours=1)


def bought(hours_ago: float, **overrides: object) -> Trade:
    return make_trade(
        order=make_order(status="filled"),
        booked_at=NOW - hours_ago * HOUR,
        **{"realised_pnl": None, **overrides},
    )


def test_trades_after_the_moment_are_entries_and_exits_with_what_they_earned() -> None:
    bought(3)
    late = bought(1)
    sold = bought(0.5, side="sell", realised_pnl=Decimal("12.5"), exit_reason="take_profit")

    news = news_since(NOW - 2 * HOUR, NOW)

    assert ([trade.pk for trade in news.entries], news.entry_count) == ([late.pk], 1)
    assert ([trade.pk for trade in news.exits], news.exit_count, news.earned) == (
        [sold.pk],
        1,
        Decimal("12.5"),
    )
    assert not news.is_quiet


def test_sale_of_what_nobody_had_seen_held_is_an_exit_that_earned_nobody_knows_what() -> None:
    sold = bought(1, side="sell", exit_reason="take_profit")

    news = news_since(NOW - 2 * HOUR, NOW)

    assert ([trade.pk for trade in news.exits], news.exit_count, news.entry_count) == ([sold.pk], 1, 0)
    assert news.earned == 0


def test_of_many_the_newest_are_named_and_all_are_counted() -> None:
    for number in range(MOST_LINES + 3):
        bought(1 + number / 100)

    news = news_since(NOW - 2 * HOUR, NOW)

    assert (len(news.entries), news.entry_count) == (MOST_LINES, MOST_LINES + 3)


def test_denials_are_what_the_cycles_counted_and_holds_are_none() -> None:
    for skipped in ({"hold": 90, "low_confidence": 5}, {"low_confidence": 2, "stale_price": 4}):
        make_cycle(status="completed", ended_at=NOW, started_at=NOW - HOUR, metrics={"skipped": skipped})
    make_cycle(status="completed", ended_at=NOW, started_at=NOW - 3 * HOUR, metrics={"skipped": {"old": 1}})

    news = news_since(NOW - 2 * HOUR, NOW)

    assert list(news.denials.items()) == [("low_confidence", 7), ("stale_price", 4)]
    assert news.cycles == {"completed": 2}
    assert news.is_quiet
    assert reasons_of_late() == ["hold", "low_confidence", "old", "stale_price"]


def test_what_people_do_is_said_in_the_terminals_words() -> None:
    facts = {"from": "manual", "to": "autonomous", "actor": "ada"}
    make_event(type="agent.mode_set", aggregate_type="agent", payload=facts, occurred_at=NOW - HOUR)
    make_event(type="decision.deny", payload={"symbol": "AAPL", "reason": "x"}, occurred_at=NOW - HOUR)

    news = news_since(NOW - 2 * HOUR, NOW)

    assert [one.words for one in news.happenings] == ["mode manual -> autonomous by ada"]
    assert news.happening_count == 1


def test_every_kind_of_news_has_words() -> None:
    ((_, kinds),) = NEWS.children

    assert set(kinds) <= WORDS.keys() | DECISIONS.keys()


def test_long_absence_is_cut_and_costs_the_same_statements() -> None:
    bought((LONGEST + HOUR) / HOUR)
    with CaptureQueriesContext(connection) as first:
        assert news_since(NOW - 10 * LONGEST, NOW).entry_count == 0
    for number in range(30):
        bought(number + 1)
    with CaptureQueriesContext(connection) as second:
        news_since(NOW - 10 * LONGEST, NOW)

    assert len(second) == len(first)
