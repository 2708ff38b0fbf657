"""A decision is asked again of another model in a browser, wide and narrow: estimated, confirmed, compared."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from ai.models import ModelPrice
from evaluation.models import Run
from evaluation.services.replay.job import SINGLE
from tests.ai.chat_server import ChatServer
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_agent, make_asset, make_limits, make_strategy
from tests.trading.outside import STOCK, Outside
from trading.models import AIDecision, Strategy

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
Enter = Callable[[str], Page]
OTHER = "openai/other"


@pytest.fixture
def decision(outside: Outside, seeded: None, chat_server: ChatServer, settings: Settings) -> AIDecision:
    settings.ENVIRONMENT = settings.ENVIRONMENT
    make_agent(mode="autonomous")
    make_limits()
    Strategy.objects.update(is_active=False)
    make_strategy(name="Momentum", instructions="Follow what rises.")
    for symbol in ALL:
        make_asset(symbol)
    chat_server.handlers["live"] = deciding({STOCK: ("buy", 0.9)})
    chat_server.handlers["other"] = deciding({})
    use_models(chat_server, LIVE, budget="5")
    ModelPrice.objects.create(model=OTHER, input_usd_per_million=1, output_usd_per_million=2)
    cycle = analysed()
    return AIDecision.objects.get(symbol=STOCK, cycle=cycle)


def fits(page: Page) -> bool:
    """Whether nothing stands beyond the right edge of the window."""
    widths: Any = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    return bool(widths[0] <= widths[1])


@pytest.mark.parametrize("width", [1440, 390])
def test_decision_is_asked_again_of_another_model(
    width: int, decision: AIDecision, chat_server: ChatServer, enter: Enter
) -> None:
    page = enter("operator")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(page.url.split("/admin")[0] + f"/admin/trading/aidecision/{decision.pk}/change/")
    before = len(chat_server.requests)

    assert fits(page)
    page.get_by_role("link", name="Ask again …").click()
    page.fill("[name=models]", OTHER)
    assert fits(page)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#estimate")).to_contain_text("0 of 1 requests are known")
    assert fits(page)
    assert not Run.objects.exists()
    page.check("[name=confirmed]")
    page.get_by_role("button", name="Ask again").click()

    expect(page.locator("#run-standing")).to_contain_text("Waits for the evaluator.")
    assert len(chat_server.requests) == before
    [key] = SINGLE.due()
    SINGLE.run(key)

    expect(page.locator("#run-figures")).to_be_visible()  # without a person's doing
    expect(page.locator(".ev-item")).to_contain_text("buy → hold")
    expect(page.locator(".ev-sides")).to_contain_text("The gate was not asked.")
    expect(page.locator(".ev-matrix .ev-flip")).to_have_text("1")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert fits(page)
    assert len(chat_server.requests) == before + 1


def test_one_that_is_stopped_is_taken_up(decision: AIDecision, enter: Enter) -> None:
    page = enter("operator")
    page.goto(page.url.split("/admin")[0] + f"/admin/evaluation/run/ask/{decision.pk}/")

    page.fill("[name=limits]", "max_positions=20")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#run-standing")).to_contain_text("stopped")
    assert SINGLE.due() == []
    page.get_by_role("button", name="Take up again").click()
    expect(page.get_by_text("It goes on; what was answered is not asked again.")).to_be_visible()
    for key in SINGLE.due():
        SINGLE.run(key)

    expect(page.locator("#run-standing")).to_contain_text("completed")
    expect(page.locator("#run-items")).to_contain_text("Nothing differs.")
