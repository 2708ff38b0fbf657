"""Headlines: sources are asked at the same time, and none makes a cycle wait for a turn of ours."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from connectors.base import Headline
from connectors.errors import HeldBackError
from connectors.rows import Rows
from tests.factories import make_agent, make_cycle
from trading.market import headlines
from trading.market.headlines import fetch_headlines
from trading.models import Cycle, Event

pytestmark = pytest.mark.django_db
GENEROUS_SECONDS = 9


@dataclass
class Source:
    """Answers once its fellows are asked, with one headline, or with what it raises."""

    name: str
    fellows: threading.Barrier
    failure: Exception | None = None
    asked: int = 0

    def headlines(
        self, symbols: Sequence[str], *, since: datetime, until: datetime, keywords: Sequence[str] = ()
    ) -> Rows[Headline]:
        self.asked += 1
        self.fellows.wait(GENEROUS_SECONDS)
        if self.failure is not None:
            raise self.failure
        at = until - timedelta(minutes=1)
        return Rows([Headline(self.name, self.name, ("AAPL",), f"By {self.name}", "", "", at, ())], ())


@pytest.fixture
def cycle() -> Cycle:
    make_agent()
    return make_cycle(status="running", stage="fetching", symbols=["AAPL"], stage_at=timezone.now())


def news_of(monkeypatch: pytest.MonkeyPatch, *sources: Any) -> None:
    monkeypatch.setattr(headlines, "current_providers", lambda: SimpleNamespace(news=sources))


def test_sources_are_asked_at_the_same_time(monkeypatch: pytest.MonkeyPatch, cycle: Cycle) -> None:
    both = threading.Barrier(2)
    news_of(monkeypatch, Source("alpaca", both), Source("finnhub", both))

    assert fetch_headlines(cycle.pk, ["AAPL"]) == 2

    cycle.refresh_from_db()
    assert {row["title"] for row in cycle.headlines} == {"By alpaca", "By finnhub"}


def test_source_whose_limit_of_ours_is_used_up_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, cycle: Cycle
) -> None:
    both = threading.Barrier(2)
    used_up = HeldBackError("finnhub", "company_news", "its rate limit is used up", 5.0)
    held_back = Source("finnhub", both, failure=used_up)
    news_of(monkeypatch, Source("alpaca", both), held_back)

    assert fetch_headlines(cycle.pk, ["AAPL"]) == 1

    assert held_back.asked == 1
    errors = Event.objects.filter(type="cycle.error").values_list("payload__operation", "payload__type")
    assert list(errors) == [("fetch_news finnhub", "HeldBackError")]
