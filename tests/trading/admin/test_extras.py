"""Rooms above trading fill places of its pages; one that fails takes nothing of the page with it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from tests import factories
from trading.admin.extras import (
    DASHBOARD_TILES,
    DECISION_DEEDS,
    DECISION_SECTIONS,
    SYMBOL_DEEDS,
    Piece,
    Place,
)
from trading.models import AIDecision

PLACES = (DECISION_DEEDS, DECISION_SECTIONS)


@pytest.fixture
def put() -> Iterator[Callable[..., None]]:
    """Return a function that puts a piece in a place, for this test."""
    done: list[tuple[Place[Any], Piece[Any]]] = []

    def _put(place: Place[Any], template: str, context: Callable[..., Mapping[str, Any] | None]) -> None:
        piece: Piece[Any] = Piece(template, context)
        place.put(piece)
        done.append((place, piece))

    yield _put
    for place, piece in done:
        place.remove(piece)


def page_of(client: Client, decision: AIDecision) -> str:
    return client.get(reverse("admin:trading_aidecision_change", args=[decision.pk])).content.decode()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_decisions_page_shows_what_another_room_says_of_it(
    place: Place[AIDecision], put: Callable[..., None], login: Callable[..., Client]
) -> None:
    decision = factories.make_decision(symbol="TSLA")
    put(
        place,
        "unfold/helpers/label.html",
        lambda request, seen: {"text": f"a word on {seen.symbol} for {request.user}", "type": "info"},
    )

    assert "a word on TSLA for" in page_of(login("viewer"), decision)


def test_piece_with_nothing_to_say_is_not_there(
    put: Callable[..., None], login: Callable[..., Client]
) -> None:
    put(DECISION_SECTIONS, "no/such.html", lambda request, seen: None)

    assert "no/such.html" not in page_of(login("viewer"), factories.make_decision())


def test_dashboard_has_room_for_another_tile(put: Callable[..., None], login: Callable[..., Client]) -> None:
    put(DASHBOARD_TILES, "unfold/helpers/label.html", lambda request, _: {"text": "one more", "type": "info"})

    page = login("viewer").get(reverse("admin:index")).content.decode()

    assert "one more" in page[page.index("tc-tiles") :]


def test_failing_piece_says_so_and_the_page_opens(
    put: Callable[..., None], login: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: HttpRequest, subject: object) -> Mapping[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM strategies")
        return {}

    put(DASHBOARD_TILES, "evaluation/broken.html", broken)
    put(DECISION_DEEDS, "evaluation/broken.html", broken)
    decision = factories.make_decision(symbol="TSLA")
    client = login("superuser")

    home, page = client.get(reverse("admin:index")).content.decode(), page_of(client, decision)

    assert "evaluation/broken.html could not be shown" in home
    assert "No cycle has run yet" in home or "tc-tiles" in home
    assert "evaluation/broken.html could not be shown" in page
    assert "TSLA" in page
    assert "no_such_column" in caplog.text


def test_piece_put_twice_stands_once(put: Callable[..., None], login: Callable[..., Client]) -> None:
    for word in ("first", "second"):
        put(
            DECISION_SECTIONS,
            "unfold/helpers/label.html",
            lambda request, _, word=word: {"text": f"the {word} word", "type": "info"},
        )

    page = page_of(login("viewer"), factories.make_decision())

    assert ("the first word" in page, page.count("the second word")) == (False, 1)


def test_symbol_and_its_position_show_what_may_be_done_with_it(
    put: Callable[..., None], login: Callable[..., Client]
) -> None:
    factories.make_asset("BTC/USD")
    factories.make_position("BTC/USD")
    put(
        SYMBOL_DEEDS,
        "console/text_block.html",
        lambda request, standing: {"name": standing.symbol, "text": "deed"},
    )
    client = login("viewer")

    pages = [
        client.get(reverse("admin:trading_symbol", args=["BTC/USD"])),
        client.get(reverse("admin:trading_position_change", args=["BTC_2FUSD"])),
    ]

    assert ["BTC/USD (4 characters)" in page.content.decode() for page in pages] == [True, True]
