"""A version's page shows what it has otherwise than in force, and leads back to it."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_strategy
from trading.analysis.strategies import save_strategy
from trading.models import Strategy, StrategyVersion


@pytest.fixture
def first(prepared: None) -> StrategyVersion:
    """The first version of a strategy that has a second one, of another size."""
    strategy = save_strategy(make_strategy(size_percent=Decimal("2.5")), author="ada")
    strategy.size_percent = Decimal(4)
    save_strategy(strategy, author="ada")
    return StrategyVersion.objects.get(strategy=strategy, version=1)


def url_of(kept: StrategyVersion) -> str:
    return reverse("admin:trading_strategyversion_roll_back", args=[kept.pk])


def test_officer_sees_the_difference_and_rolls_back(
    login: Callable[..., Client], first: StrategyVersion
) -> None:
    client = login("risk officer")
    assert (
        url_of(first)
        in client.get(reverse("admin:trading_strategyversion_change", args=[first.pk])).content.decode()
    )
    asked = client.get(url_of(first)).content.decode()
    assert "<th>version 2, in force</th><th>version 1</th>" in asked
    assert "<td>size percent</td><td>4</td><td><b>2.5</b></td>" in asked

    answered = client.post(url_of(first), {"reason": "it lost"}, follow=True)

    assert "version 3 is in force, with the content of version 1" in answered.content.decode()
    assert Strategy.objects.get(pk=first.strategy_id).size_percent == Decimal("2.5")


def test_what_is_in_force_already_is_said_and_the_reason_kept(
    login: Callable[..., Client], first: StrategyVersion
) -> None:
    second = StrategyVersion.objects.get(strategy=first.strategy, version=2)

    page = login("risk officer").post(url_of(second), {"reason": "it lost"}).content.decode()

    assert "Nothing was changed: version: was 2, which is what is in force" in page
    assert "it lost" in page


def test_operator_may_look_and_not_roll_back(login: Callable[..., Client], first: StrategyVersion) -> None:
    client = login("operator")

    page = client.get(reverse("admin:trading_strategyversion_change", args=[first.pk])).content.decode()

    assert url_of(first) not in page
    assert client.post(url_of(first), {"reason": "why"}).status_code == 403
