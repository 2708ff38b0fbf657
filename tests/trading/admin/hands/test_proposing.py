"""A trade is proposed from a page: it waits as any proposal does; what cannot be traded is said at its field."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_agent, make_asset, make_cycle, make_engagement, make_strategy
from trading.models import TradeProposal

PROPOSE = reverse("admin:trading_tradeproposal_propose")
FORM = {"symbol": "nvda", "action": "buy", "confidence": "0.8", "reasoning": "Cheap.", "strategy": "Mine"}


@pytest.fixture
def client(login: Callable[..., Client]) -> Client:
    make_agent(mode="semi_auto")
    make_asset("NVDA")
    make_strategy(name="Mine")
    make_cycle(status="running")  # the proposal waits for its end
    return login("operator")


def test_proposal_is_stored_in_the_users_name_and_its_page_is_shown(client: Client) -> None:
    shown = client.get(f"{PROPOSE}?symbol=NVDA").content.decode()
    assert 'value="NVDA"' in shown
    assert "In semi-automatic mode a person is asked before it is ordered." in shown
    assert "below 0.7 the gate denies it" in shown

    answered = client.post(PROPOSE, FORM, follow=True)

    row = TradeProposal.objects.get()
    assert (row.symbol, row.action, row.status, row.reasoning) == ("NVDA", "buy", "waiting", "Cheap.")
    assert row.source == f"person {answered.context['user'].username}"
    assert "buy NVDA is proposed; the next cycle takes it up, or it expires at" in answered.content.decode()


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"symbol": "nope"}, "symbol: was &#x27;NOPE&#x27;, unknown"),
        ({"symbol": ""}, "symbol: was empty, expected one like AAPL or BTC/USD"),
        ({"confidence": ""}, "confidence: was empty, expected 0 to 1"),
        ({"reasoning": ""}, "reasoning: was empty, expected why"),
    ],
)
def test_what_cannot_be_traded_is_said_and_what_was_typed_is_kept(
    client: Client, changed: dict[str, str], problem: str
) -> None:
    page = client.post(PROPOSE, FORM | {"reasoning": "Cheap as never."} | changed).content.decode()

    assert problem in page
    assert "reasoning" in changed or "Cheap as never." in page
    assert not TradeProposal.objects.exists()


def test_under_the_kill_switch_nothing_is_proposed(client: Client) -> None:
    make_engagement()

    page = client.post(PROPOSE, FORM).content.decode()

    assert "kill switch: is engaged, nothing is traded until it is released" in page
    assert not TradeProposal.objects.exists()
