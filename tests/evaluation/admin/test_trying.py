"""*Try it …*: a strategy's last question is asked again, changed, before the strategy is saved."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.models import Run
from tests.factories import make_decision, make_strategy
from tests.trading.outside import STOCK
from trading.analysis.strategies import save_strategy
from trading.models import AIDecision, Cycle, Order, Strategy

Login = Callable[..., Client]
AS_IT_STANDS = {"samples": "1", "answers": "replay"}


@pytest.fixture
def strategy(prepared: None, cycle: Cycle) -> Strategy:
    return AIDecision.objects.get(symbol=STOCK, cycle=cycle).strategy


def page_of(strategy: Strategy) -> str:
    return reverse("admin:evaluation_run_try", args=[strategy.pk])


def test_link_stands_on_the_strategys_page_of_whoever_may(login: Login, strategy: Strategy) -> None:
    url = reverse("admin:trading_strategy_change", args=[strategy.pk])

    assert page_of(strategy) in login("operator").get(url).content.decode()
    assert page_of(strategy) not in login("viewer").get(url).content.decode()


def test_last_question_of_the_strategy_alone_is_asked_again(
    login: Login, strategy: Strategy, cycle: Cycle
) -> None:
    make_decision(cycle=cycle, symbol="OTHR", strategy=make_strategy())
    orders = Order.objects.count()
    asked = AS_IT_STANDS | {"instructions": strategy.instructions, "stops": "stop_percent=3"}

    answered = login("operator").post(page_of(strategy), asked)

    run = Run.objects.get()
    assert answered["Location"] == reverse("admin:evaluation_run_change", args=[run.pk])
    spec = run.experiment.spec
    assert spec["selection"] == {"cycle": str(cycle.pk), "strategy": str(strategy.pk)}
    assert spec["variation"]["stops"] == {"stop_percent": "3"}
    assert Order.objects.count() == orders
    assert Strategy.objects.get(pk=strategy.pk).version == strategy.version


def test_form_begins_with_the_strategy_in_force(login: Login, strategy: Strategy) -> None:
    strategy.instructions = "Follow what falls."
    save_strategy(strategy, author="ada")

    form = login("operator").get(page_of(strategy)).context["form"]

    assert form["instructions"].value() == "Follow what falls."
    assert form["strategy"].value() == f"{strategy.name}@{strategy.version}"


def test_strategy_that_was_never_asked_says_so(login: Login, prepared: None) -> None:
    fresh = make_strategy(name="Fresh")

    page = login("operator").get(page_of(fresh), follow=True)

    assert "No cycle has asked Fresh yet" in page.content.decode()
    assert page.redirect_chain[-1][0] == reverse("admin:trading_strategy_change", args=[fresh.pk])


def test_viewer_tries_nothing(login: Login, strategy: Strategy) -> None:
    assert login("viewer").post(page_of(strategy), AS_IT_STANDS).status_code == 403
    assert not Run.objects.exists()
