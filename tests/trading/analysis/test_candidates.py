"""Candidates are proposed, approved, rejected and watched once, with author, reason and event, or refused."""

import pytest
from django.db import IntegrityError, transaction

from tests.factories import make_asset, make_candidate
from tests.risk.threads import at_once
from trading.analysis.candidates import (
    approve_candidate,
    propose_candidate,
    reject_candidate,
    set_watchlist,
)
from trading.errors import CandidateError
from trading.models import Event, UniverseCandidate

pytestmark = pytest.mark.django_db


def stored(symbol: str = "AAPL") -> UniverseCandidate:
    return UniverseCandidate.objects.get(symbol=symbol)


def told() -> list[tuple[str, str | None]]:
    """Return the events with who did it."""
    return [(e.type, e.payload.get("actor")) for e in Event.objects.order_by("sequence")]


def test_proposal_is_a_row_with_its_source() -> None:
    make_asset("AAPL")

    propose_candidate(symbol="AAPL", source="strategy Balanced momentum", reason="a dip in a rising trend")

    row = stored()
    assert (row.status, row.on_watchlist, row.entered_at) == ("proposed", False, None)
    assert (row.source, row.reason) == ("strategy Balanced momentum", "a dip in a rising trend")
    event = Event.objects.get()
    assert (event.type, event.payload["source"]) == ("candidate.created", "strategy Balanced momentum")


def test_second_proposal_changes_nothing_and_a_rejected_symbol_stays_rejected() -> None:
    make_asset("AAPL")
    propose_candidate(symbol="AAPL", source="ada")
    reject_candidate(symbol="AAPL", actor="ada", reason="too thin")

    row = propose_candidate(symbol="AAPL", source="model x", reason="again")

    assert (row.status, row.source) == ("rejected", "ada")
    assert Event.objects.count() == 2


def test_answers_are_recorded_with_author_reason_and_event() -> None:
    make_asset("AAPL")
    propose_candidate(symbol="AAPL", source="ada")

    approve_candidate(symbol="AAPL", actor="ben")
    entered = stored().entered_at
    set_watchlist(symbol="AAPL", on=True, actor="ada")
    kept = stored().entered_at
    reject_candidate(symbol="AAPL", actor="cleo", reason="halted")

    row = stored()
    assert entered is not None
    assert kept == entered
    assert (row.status, row.on_watchlist, row.entered_at) == ("rejected", False, None)
    assert (row.answered_by, row.answer_reason, row.answered_at is not None) == ("cleo", "halted", True)
    assert told() == [
        ("candidate.created", None),
        ("candidate.approve", "ben"),
        ("candidate.watch", "ada"),
        ("candidate.reject", "cleo"),
    ]


def test_watchlist_makes_a_candidate_of_what_is_none_and_toggles_once() -> None:
    make_asset("AAPL")

    for _ in range(2):
        set_watchlist(symbol="AAPL", on=True, actor="ada")
    on = stored()
    for _ in range(2):
        set_watchlist(symbol="AAPL", on=False, actor="ada")

    assert (on.on_watchlist, on.entered_at is not None) == (True, True)
    assert (stored().on_watchlist, stored().entered_at) == (False, None)
    assert [kind for kind, _ in told()] == ["candidate.created", "candidate.watch", "candidate.unwatch"]


@pytest.mark.parametrize(
    ("symbol", "said"),
    [
        ("ZZZZ", "symbol: was 'ZZZZ', unknown, the broker lists no tradable asset of this name"),
        ("OFF", "symbol: was 'OFF', unknown, the broker lists no tradable asset"),
        (
            "aapl",
            "symbol: was 'aapl', malformed, expected a stock like AAPL or BRK.B, or a coin like BTC/USD",
        ),
        ("\u0410APL", "malformed, expected a stock like AAPL"),  # a Cyrillic A
        ("", "symbol: was '', malformed, expected a stock"),
        ("A" * 500, "malformed, expected a stock"),
    ],
)
def test_bad_symbol_on_the_watchlist_or_proposed_is_refused_by_name_and_writes_nothing(
    symbol: str, said: str
) -> None:
    """docs/lessons.md#lesson-12."""
    make_asset("OFF", tradable=False)

    for act in (
        lambda: set_watchlist(symbol=symbol, on=True, actor="ada"),
        lambda: propose_candidate(symbol=symbol, source="ada"),
    ):
        with pytest.raises(CandidateError) as raised:
            act()
        assert said in str(raised.value)
        assert raised.value.field == "symbol"

    assert not UniverseCandidate.objects.exists()
    assert not Event.objects.exists()


def test_what_cannot_be_answered_is_refused_and_writes_nothing() -> None:
    make_asset("AAPL")
    make_candidate(symbol="GONE")
    make_candidate(symbol="AAPL", status="rejected", answer_reason="thin")
    make_candidate(symbol="MSFT", status="approved")
    refused = [
        (lambda: approve_candidate(symbol="NONE", actor="a"), "symbol: was 'NONE', expected a candidate"),
        (lambda: approve_candidate(symbol="GONE", actor="a"), "symbol: was 'GONE', unknown"),
        (lambda: approve_candidate(symbol="MSFT", actor="a"), "status: MSFT is approved already"),
        (lambda: reject_candidate(symbol="AAPL", actor="a", reason="x"), "status: AAPL is rejected already"),
        (
            lambda: reject_candidate(symbol="MSFT", actor="a", reason=" "),
            "reason: was empty, expected why MSFT",
        ),
        (lambda: reject_candidate(symbol="MSFT", actor="a", reason="x" * 501), "expected at most 500"),
        (
            lambda: set_watchlist(symbol="AAPL", on=True, actor="a"),
            r"on_watchlist: AAPL is rejected \(thin\), expected to approve it first",
        ),
        (lambda: propose_candidate(symbol="AAPL", source=" "), "source: was empty, expected who"),
    ]
    before = list(UniverseCandidate.objects.order_by("pk").values())

    for act, said in refused:
        with pytest.raises(CandidateError, match=said):
            act()

    assert list(UniverseCandidate.objects.order_by("pk").values()) == before
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"status": "rejected", "answer_reason": ""}, "rejected_candidate_says_why"),
        ({"status": "rejected", "on_watchlist": True}, "rejected_candidate_not_watched"),
    ],
)
def test_database_refuses_a_rejection_that_is_none(columns: dict[str, object], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        make_candidate(**columns)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_propose_one_row_and_answer_it_once() -> None:
    make_asset("AAPL")

    def work(number: int) -> bool:
        propose_candidate(symbol="AAPL", source=f"source {number}")
        try:
            approve_candidate(symbol="AAPL", actor=f"person {number}")
        except CandidateError:
            return False
        return True

    approved = at_once(8, work)

    assert approved.count(True) == 1
    assert [kind for kind, _ in told()] == ["candidate.created", "candidate.approve"]
