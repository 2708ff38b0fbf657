"""An earlier version comes into force again as the next one; what does not decide stays."""

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_limits, make_strategy
from tests.risk.threads import at_once
from trading.analysis.strategies import content_of, save_strategy
from trading.analysis.strategy_versions import roll_back
from trading.errors import StrategyError
from trading.models import Event, Strategy, StrategyVersion


def changed() -> Strategy:
    """Return a strategy in its version 2, of another size, name and list of symbols than in its first."""
    strategy = save_strategy(make_strategy(size_percent=Decimal("2.5"), max_positions=None), author="ada")
    strategy = Strategy.objects.get(pk=strategy.pk)
    strategy.size_percent, strategy.instructions, strategy.name = Decimal(4), "Buy all of it.", "Other name"
    strategy.max_positions = 3
    return save_strategy(strategy, author="ada")


@pytest.mark.django_db
def test_content_of_an_earlier_version_is_the_next_one() -> None:
    make_limits()
    strategy = changed()
    first = StrategyVersion.objects.get(strategy=strategy, version=1)

    after = roll_back(strategy.pk, version=1, author="bob", reason="it lost")

    stored = Strategy.objects.get(pk=strategy.pk)
    assert (after.version, stored.size_percent, stored.max_positions) == (3, Decimal("2.5"), None)
    assert content_of(stored) == {**first.content, "name": "Other name"}
    kept = StrategyVersion.objects.get(strategy=strategy, version=3)
    assert (kept.author, kept.reason) == ("bob", "back to version 1: it lost")
    told = Event.objects.filter(type="strategy.changed").latest("sequence").payload
    assert told["changes"]["size_percent"] == ["4", "2.5"]


@pytest.mark.django_db
def test_whether_it_trades_is_not_rolled_back() -> None:
    make_limits()
    strategy = save_strategy(make_strategy(is_shadow=True, is_active=True), author="ada")
    strategy.is_shadow, strategy.size_percent = False, Decimal(4)
    save_strategy(strategy, author="ada")

    after = roll_back(strategy.pk, version=1, author="bob", reason="smaller")

    assert (after.is_shadow, after.is_active, after.size_percent) == (False, True, Decimal(3))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("version", "reason", "expected"),
    [(9, "why", "version: was 9, expected one of 1, 2"), (2, "why", "version: was 2"), (1, " ", "reason: ")],
)
def test_what_cannot_be_rolled_back_is_refused(version: int, reason: str, expected: str) -> None:
    make_limits()
    strategy = changed()

    with pytest.raises(StrategyError, match=f"^{expected}"):
        roll_back(strategy.pk, version=version, author="bob", reason=reason)

    assert Strategy.objects.get(pk=strategy.pk).version == 2


@pytest.mark.django_db
def test_limits_that_are_tighter_by_now_refuse_it() -> None:
    make_limits(max_positions=5)
    strategy = save_strategy(make_strategy(max_positions=5), author="ada")
    strategy.max_positions = 2
    save_strategy(strategy, author="ada")
    make_limits(max_positions=3)

    with pytest.raises(StrategyError, match="max_positions: was 5"):
        roll_back(strategy.pk, version=1, author="bob", reason="more")


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_each_writes_a_version_or_is_told() -> None:
    make_limits()
    strategy = changed()
    refused: list[str] = []

    def once() -> None:
        try:
            roll_back(strategy.pk, version=1, author="bob", reason="it lost")
        except StrategyError as error:
            refused.append(str(error))

    at_once(2, lambda _: once())

    assert refused == ["version: was 1, which is what is in force"]
    assert Strategy.objects.get(pk=strategy.pk).version == 3


@pytest.mark.django_db
def test_command_lists_versions_with_their_differences_and_rolls_back() -> None:
    make_limits()
    strategy = changed()
    listed, rolled = StringIO(), StringIO()

    call_command("strategy", "versions", strategy.name, stdout=listed)
    call_command(
        "strategy", "roll-back", strategy.name, "--version-number", "1", "--reason", "it lost", "--json",
        stdout=rolled,
    )  # fmt: skip

    assert "size percent: 2.5 -> 4" in listed.getvalue()
    assert json.loads(rolled.getvalue()) == {"strategy": strategy.name, "version": 3, "content_of": 1}
    with pytest.raises(CommandError, match="name: was 'none', expected one of: Other name"):
        call_command("strategy", "versions", "none")
    with pytest.raises(CommandError, match="--version-number: was not given"):
        call_command("strategy", "roll-back", strategy.name)
