"""Candidates are answered in the console, each with its author, and a cycle's page tells its universe."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.factories import make_asset, make_candidate, make_cycle
from tests.trading.admin.test_forms import messages_after
from trading.domain.universe import Candidate, Reason, select_universe
from trading.domain.universe_record import record_of
from trading.market.universe import LONG_AGO
from trading.models import Event, UniverseCandidate

LIST = "/admin/trading/universecandidate/"
Login = Callable[..., Client]


def act(client: Client, action: str, *rows: UniverseCandidate) -> Any:
    """Tick rows of the list and choose an action, as the page's form does."""
    return client.post(LIST, {"action": action, "_selected_action": [str(row.pk) for row in rows]})


def statuses() -> dict[str, tuple[str, bool]]:
    return {row.symbol: (row.status, row.on_watchlist) for row in UniverseCandidate.objects.all()}


@pytest.fixture
def three(prepared: None) -> list[UniverseCandidate]:
    return [make_candidate(symbol=make_asset(symbol).symbol) for symbol in ("AAPL", "MSFT", "NVDA")]


def test_several_are_approved_and_what_cannot_be_is_named(
    login: Login, three: list[UniverseCandidate]
) -> None:
    client = login("risk officer")
    make_asset("NVDA", tradable=False)

    act(client, "approve_chosen", *three)

    said = messages_after(client, LIST)
    assert said[0].startswith(
        "NVDA: nothing was done, symbol: was 'NVDA', unknown, the broker lists no tradable"
    )
    assert said[1] == "AAPL, MSFT: approved."
    assert statuses() == {
        "AAPL": ("approved", False),
        "MSFT": ("approved", False),
        "NVDA": ("proposed", False),
    }
    author = User.objects.get(pk=client.session["_auth_user_id"]).username
    assert UniverseCandidate.objects.get(symbol="AAPL").answered_by == author
    assert Event.objects.filter(type="candidate.approve", payload__actor=author).count() == 2


def test_several_are_rejected_with_one_reason(login: Login, three: list[UniverseCandidate]) -> None:
    client = login("risk officer")

    form = act(client, "reject_chosen", *three[:2])
    empty = client.post(form["Location"], {"reason": ""})
    before = statuses()
    client.post(form["Location"], {"reason": "too thin"})

    assert "reason: was empty, expected why" in empty.content.decode()
    assert before["AAPL"] == ("proposed", False)
    assert messages_after(client, LIST) == ["AAPL, MSFT: rejected."]
    assert set(
        UniverseCandidate.objects.filter(status="rejected").values_list("answer_reason", flat=True)
    ) == {"too thin"}
    assert statuses()["NVDA"] == ("proposed", False)


def test_watchlist_is_toggled_in_the_list_and_on_the_page(
    login: Login, three: list[UniverseCandidate]
) -> None:
    client = login("risk officer")
    page = reverse("admin:trading_universecandidate_change", args=[three[2].pk])

    act(client, "watch_chosen", *three[:2])
    act(client, "unwatch_chosen", three[0])
    client.post(page, {"on_watchlist": "on"})

    assert [watched for _, watched in statuses().values()] == [False, True, True]
    assert Event.objects.filter(type="candidate.watch").count() == 3


def test_viewers_have_no_actions(login: Login, three: list[UniverseCandidate]) -> None:
    client = login("viewer")

    act(client, "approve_chosen", *three)

    assert set(statuses().values()) == {("proposed", False)}
    assert b"approve_chosen" not in client.get(LIST).content


def test_candidate_on_the_list_cannot_be_added_again(login: Login, three: list[UniverseCandidate]) -> None:
    page = login("risk officer").post(reverse("admin:trading_universecandidate_add"), {"symbol": "AAPL"})

    (said,) = page.context["adminform"].form.errors["symbol"]
    assert said == "symbol: is a candidate already, expected another one (search the list for it)"


def test_rejected_candidate_offers_no_watchlist_and_says_why_it_is_out(
    login: Login, three: list[UniverseCandidate]
) -> None:
    client = login("risk officer")
    row = make_candidate(symbol="GONE", status="rejected", answer_reason="delisted soon")
    page = reverse("admin:trading_universecandidate_change", args=[row.pk])

    client.post(page, {"on_watchlist": "on"})
    act(client, "watch_chosen", row)

    shown = client.get(page).content.decode()
    assert "delisted soon" in shown
    assert 'name="on_watchlist"' not in shown
    assert statuses()["GONE"] == ("rejected", False)


def test_nobody_is_rejected_without_being_chosen(login: Login, three: list[UniverseCandidate]) -> None:
    client = login("risk officer")

    client.post(reverse("admin:trading_universecandidate_reject") + "?id=nonsense", {"reason": "x"})

    assert messages_after(client, LIST) == ["Nothing was done: no candidate was chosen."]
    assert set(statuses().values()) == {("proposed", False)}


def test_cycle_page_shows_its_universe_and_the_list_how_each_fared(
    login: Login, three: list[UniverseCandidate]
) -> None:
    approved = [Candidate(row.symbol, frozenset({Reason.APPROVED}), LONG_AGO) for row in three]
    chosen = select_universe(held=["AAPL"], candidates=approved, by_volume=(), cap=2, seed=0)
    waiting = chosen.waiting[0].symbol
    cycle = make_cycle(universe=record_of({"stock": chosen}, {"OFF": "the broker lists no tradable asset"}))
    client = login("viewer")

    page = client.get(reverse("admin:trading_cycle_change", args=[cycle.pk]))
    listed = client.get(LIST).content.decode()

    stocks, left_out = page.context["universe"]
    assert [(line["symbol"], line["score"], line["seat"][0]) for line in stocks["taken"]] == [
        ("AAPL", 20, "open position"),
        (chosen.taken[1].symbol, 20, "its turn"),
    ]
    assert [(line["symbol"], line["turn"]) for line in stocks["waiting"]] == [(waiting, 1)]
    assert left_out["left_out"] == [{"symbol": "OFF", "why": "the broker lists no tradable asset"}]
    text = page.content.decode()
    assert "2 candidates for 1 free slots: 0 by score, 1 in turn; each is looked at within 2 cycles" in text
    assert "number 1 in line" in text
    assert "waits, number 1 in line" in listed
    assert "in: open position" in listed


def test_pages_of_cycles_without_a_universe_open(login: Login) -> None:
    page = login("viewer").get(reverse("admin:trading_cycle_change", args=[make_cycle().pk]))

    assert page.status_code == 200
    assert page.context["universe"] == []
