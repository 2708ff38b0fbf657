"""A replay's page: side by side, what changed most first; progress while it runs, and the ways to stop and go on."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from evaluation.models import ReplayItem, Run
from tests.factories import make_heartbeat, make_replay_item, make_run

Login = Callable[..., Client]
FIGURES = {
    "decisions": 5,
    "answered": 4,
    "agreement": 0.75,
    "meanConfidenceShift": -0.1,
    "actions": {"buy→buy": 3, "buy→hold": 1},
    "flips": {"buy→hold": 1},
    "verdictFlips": {"allowed→low_confidence": 1},
    "problems": {"not_cached": 1},
    "bookMoved": 0,
    "requestsAsked": 1,
    "requestsKnown": 3,
    "costUsd": "0.0004",
}


def url_of(run: Run, name: str = "change") -> str:
    return reverse(f"admin:evaluation_run_{name}", args=[run.pk])


def page_of(client: Client, run: Run, query: str = "") -> str:
    return client.get(url_of(run) + query).content.decode()


def test_page_shows_what_was_beside_what_would_be(login: Login) -> None:
    run = make_run(figures=FIGURES)
    item = make_replay_item(run=run)
    item.after["reasoning"] = "It falls."
    item.save()

    page = page_of(login("viewer"), run)

    assert "<b>Model</b> openai/other" in page
    assert "buy → hold" in page
    assert "It <del>rises.</del> <ins>falls.</ins>" in page
    assert "asked, 0.0004 USD" in page
    assert "75.0 %" in page
    assert '<td class="tc-num ev-flip">1</td>' in page
    assert "allowed→low confidence" in page
    assert "Open loop" in page
    assert "Take up again" not in page


def test_what_changed_most_stands_first_and_can_be_chosen(login: Login) -> None:
    run, change = make_run(figures=FIGURES), ReplayItem.Change
    for place, (kind, shift) in enumerate(
        [(change.NOTHING, "0"), (change.CONFIDENCE, "0.1"), (change.ACTION, "0.1"), (change.ACTION, "0.3")]
    ):
        make_replay_item(run=run, change=kind, shift=Decimal(shift), symbol=f"AA{place}")
    client = login("viewer")

    page = client.get(url_of(run))
    chosen = client.get(url_of(run), {"change": str(change.CONFIDENCE.value)})
    nonsense = client.get(url_of(run), {"change": "x", "p": "-1"})

    assert [each.item.symbol for each in page.context["compared"]] == ["AA3", "AA2", "AA1", "AA0"]
    assert [each.item.symbol for each in chosen.context["compared"]] == ["AA1"]
    assert len(nonsense.context["compared"]) == 4


def test_many_items_come_in_pages_of_as_many_queries(login: Login) -> None:
    run, client = make_run(figures=FIGURES), login("viewer")
    make_replay_item(run=run)
    client.get(url_of(run))
    with CaptureQueriesContext(connection) as few:
        client.get(url_of(run))
    ReplayItem.objects.bulk_create(
        ReplayItem(run=run, decision_id=make_replay_item().decision_id, model="m", symbol=f"S{n}", from_cache=True,
                   before={"action": "buy", "confidence": "0.5", "reasoning": "", "model": "m", "verdict": None},
                   after={"action": "buy", "confidence": "0.5", "reasoning": "", "model": "m", "verdict": None,
                          "problem": ""})
        for n in range(60)
    )  # fmt: skip

    with CaptureQueriesContext(connection) as many:
        first = client.get(url_of(run))
    second = client.get(url_of(run), {"p": "1"})

    assert len(many) <= len(few)
    assert (len(first.context["compared"]), len(second.context["compared"])) == (50, 11)
    assert "More ›" in first.content.decode()
    assert "‹ Before" in second.content.decode()


@pytest.mark.parametrize(
    ("beaten", "words"),
    [(None, "has never run"), (timedelta(hours=1), "is not alive"), (timedelta(0), "")],
)
def test_one_that_waits_renews_itself_and_says_where_nobody_works(
    login: Login, beaten: timedelta | None, words: str
) -> None:
    run = make_run(status="queued", ended_at=None, in_background=True)
    if beaten is not None:
        make_heartbeat("evaluator", beaten_at=timezone.now() - beaten)

    page = page_of(login("operator"), run)

    assert "Waits for the evaluator." in page
    assert 'hx-trigger="every 2s"' in page
    assert "Stop</button>" in page
    assert ("The process evaluator" in page) is bool(words)
    assert words in page


def test_one_under_way_says_how_far_it_is(login: Login) -> None:
    estimate = {"requestsKnown": 2, "requestsToAsk": 5, "mostUsd": "0.5", "unpricedModels": []}
    progress = {"decisions": 7, "asked": 3, "costUsd": "0.02", "estimate": estimate}
    run = make_run(status="running", ended_at=None, in_background=True, progress=progress)

    page = page_of(login("viewer"), run)

    assert "7 decisions done, 3 of 5 requests asked, 0.02 USD." in page
    assert "Stop</button>" not in page, "a viewer may not"


def test_stop_and_take_up(login: Login) -> None:
    run = make_run(status="queued", ended_at=None, in_background=True)
    client = login("operator")

    client.post(url_of(run, "stop"))
    run.refresh_from_db()
    assert (run.status, run.reason) == ("incomplete", "stopped")
    assert "Take up again" in page_of(client, run)

    client.post(url_of(run, "take_up"))
    run.refresh_from_db()
    assert (run.status, run.is_stopped, run.in_background) == ("queued", False, True)
    again = client.post(url_of(run, "take_up"), follow=True).content.decode()
    assert "Nothing was done: the replay is queued" in again


def test_command_that_was_cut_off_can_be_taken_up(login: Login) -> None:
    run = make_run(status="running", ended_at=None)
    client = login("operator")

    assert "Take up again" in page_of(client, run)
    client.post(url_of(run, "take_up"))

    run.refresh_from_db()
    assert (run.status, run.in_background) == ("queued", True)
