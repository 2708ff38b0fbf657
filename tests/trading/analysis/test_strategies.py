"""Strategies: tighter limits alone, a version for every change, and several at once."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from ai import builtin
from ai.models import ModelPrice
from risk.models import RiskCheck
from tests.factories import make_agent, make_asset, make_limits, make_position, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import wish
from trading.analysis.strategies import check_strategy, save_strategy, shares_of, symbols_of
from trading.domain.protection.plans import ExitRules
from trading.errors import StrategyError
from trading.execution import decision_execution
from trading.models import Event, Strategy, StrategyVersion, Trade
from trading.protection.wanted import rules_of

ALL = [STOCK, OTHER_STOCK, COIN]

LAST_DIGIT = Decimal("0.0001")  # a stored value is rounded to it


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"max_position_percent": Decimal(11)},
            "max_position_percent: was 11, expected at most the account's 10",
        ),
        ({"max_positions": 16}, "max_positions: was 16, expected at most the account's 15"),
        ({"max_daily_loss_percent": Decimal(0)}, "max_daily_loss_percent: was 0, expected a number above 0"),
        ({"size_percent": Decimal(101)}, "size percent: was 101, expected a number above 0"),
        ({"symbols": ["aapl"]}, "symbols: was 'aapl', malformed, expected a stock like AAPL"),
        ({"model_names": ["gpt 4"]}, "model_names: was 'gpt 4', expected a litellm name"),
        ({"symbols": ["AAPL", "XYZ"]}, "symbols: was 'XYZ', unknown, the broker lists no tradable asset"),
        ({"symbols": ["OFF"]}, "symbols: was 'OFF', unknown, the broker lists no tradable asset"),
        (
            {"symbols": ["ETH"]},
            "symbols: was 'ETH', unknown, the broker lists no tradable asset of this name; ETH/USD?",
        ),
        (
            {"symbols": ["ETH/USD"], "universe": "stocks"},
            "symbols: was 'ETH/USD', expected stocks alone, as the universe says",
        ),
        (
            {"model_names": ["gpt-nonsense"]},
            "model_names: was 'gpt-nonsense', expected builtin/technical-v1,",
        ),
        ({"model_names": ["openai/nonsense"]}, "model_names: was 'openai/nonsense', expected builtin/"),
        ({"model_names": ["builtin/other"]}, "model_names: was 'builtin/other', expected builtin/"),
        ({"keywords": [" "]}, "keywords: was ' ', expected a word or a phrase"),
        ({"stop_percent": None}, "stop_percent: was not given, expected a number above 0 and at most 99"),
        ({"stop_percent": Decimal(20)}, "stop_percent: was 20, expected 0.5 to 15, as tightest and widest"),
        ({"reward_to_risk": Decimal(0)}, "reward_to_risk: was 0, expected a number above 0"),
        ({"time_stop_sessions": 0}, "time_stop_sessions: was 0, expected a number above 0"),
    ],
)
def test_values_that_cannot_be_taken_are_named(values: dict[str, Any], expected: str) -> None:
    """docs/lessons.md#lesson-26: a limit that is looser than the account's would be none."""
    make_limits()
    make_asset("AAPL")
    make_asset("ETH/USD")
    make_asset("OFF", tradable=False)
    strategy = Strategy(name="Bold", instructions="Buy.", **values)

    with pytest.raises(StrategyError) as refused:
        save_strategy(strategy, author="ada")

    assert str(refused.value).startswith(expected)
    assert not Strategy.objects.exists()


@pytest.mark.django_db
def test_a_new_strategy_protects_what_it_buys() -> None:
    stored = save_strategy(Strategy(name="Calm", instructions="Hold."), author="ada")

    rules = rules_of(Strategy.objects.get(pk=stored.pk))
    assert rules == ExitRules(
        stop_percent=Decimal(5),
        reward_to_risk=Decimal(2),
        tightest_stop_percent=Decimal("0.5"),
        widest_stop_percent=Decimal(15),
    )
    assert not stored.allows_fractions
    content = stored.versions.get().content
    assert (content["stop_percent"], content["widest_stop_percent"]) == ("5", "15")
    assert (content["time_stop_sessions"], content["allows_fractions"]) == (None, False)


@pytest.mark.django_db
def test_a_change_of_the_exits_is_the_next_version() -> None:
    strategy = save_strategy(Strategy(name="Calm", instructions="Hold."), author="ada")
    strategy.stop_percent, strategy.time_stop_sessions = Decimal(3), 20

    save_strategy(strategy, author="ada", reason="tighter")

    changed = Event.objects.get(type="strategy.changed").payload
    assert changed["changes"] == {"stop_percent": ["5", "3"], "time_stop_sessions": [None, "20"]}
    assert strategy.version == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "column",
    [{"stop_percent": 0}, {"stop_percent": 16}, {"widest_stop_percent": 100}, {"trailing_percent": -1}],
    ids=str,
)
def test_the_database_holds_the_bounds_of_the_exits(column: dict[str, int]) -> None:
    make_strategy()

    with pytest.raises(IntegrityError, match="strategy_"):
        Strategy.objects.update(**column)


@pytest.mark.django_db
def test_models_that_can_be_asked_are_taken(settings: Any) -> None:
    ModelPrice.objects.create(model="openai/own", input_usd_per_million=0, output_usd_per_million=0)
    names = ["openai/gpt-4o-mini", "gpt-4o-mini", "openai/own", builtin.MODEL]

    stored = save_strategy(Strategy(name="Calm", instructions="Hold.", model_names=names), author="ada")

    assert stored.model_names == names
    assert not stored.is_active  # a new one trades nothing until a person wants it
    assert check_strategy({"model_names": ["openai/llama3.2"]}).keys() == {"model_names"}
    address = {"ai_api_base": "http://127.0.0.1:11434/v1"}
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=address)
    assert check_strategy({"model_names": ["openai/llama3.2"]}) == {}
    assert check_strategy({"model_names": ["llama3.2"]}).keys() == {"model_names"}  # litellm needs a provider


@pytest.mark.django_db
def test_what_was_delisted_since_keeps_nothing_else_from_changing_but_a_start() -> None:
    strategy = make_strategy(symbols=["GONE"], model_names=["openai/gone"])
    strategy.instructions, strategy.is_active = "Sell.", False

    save_strategy(strategy, author="ada")

    strategy.is_active = True
    with pytest.raises(StrategyError, match=r"was 'GONE', unknown.*was 'openai/gone', expected"):
        save_strategy(strategy, author="ada")
    assert not Strategy.objects.get(pk=strategy.pk).is_active


@pytest.mark.django_db
def test_every_change_is_a_new_version_and_the_old_ones_stay() -> None:
    make_limits()
    strategy = save_strategy(Strategy(name="Calm", instructions="Hold."), author="ada")
    strategy = Strategy.objects.get(pk=strategy.pk)
    strategy.instructions = "Hold longer."

    save_strategy(strategy, author="bob")

    rows = StrategyVersion.objects.filter(strategy=strategy).order_by("version")
    assert [(row.version, row.author, row.content["instructions"]) for row in rows] == [
        (1, "ada", "Hold."),
        (2, "bob", "Hold longer."),
    ]
    with pytest.raises(IntegrityError, match="never changes"):
        rows.update(author="eve")


@pytest.mark.django_db
def test_every_change_is_an_event_that_says_what_was_and_is_who_and_why() -> None:
    strategy = save_strategy(Strategy(name="Calm", instructions="Hold."), author="ada", reason="new")
    strategy = Strategy.objects.get(pk=strategy.pk)
    strategy.keywords, strategy.is_active = ["fed"], True

    save_strategy(strategy, author="bob", reason="it is time")
    save_strategy(Strategy.objects.get(pk=strategy.pk), author="eve", reason="nothing new")

    created, changed = Event.objects.filter(aggregate_type="strategy").order_by("sequence")
    assert (created.type, created.payload["actor"], created.payload["reason"]) == (
        "strategy.created",
        "ada",
        "new",
    )
    assert changed.payload["changes"] == {"keywords": [[], ["fed"]], "is_active": [False, True]}
    assert (changed.payload["actor"], changed.payload["reason"], changed.payload["version"]) == (
        "bob",
        "it is time",
        2,
    )
    assert StrategyVersion.objects.get(version=2).reason == "it is time"


@pytest.mark.django_db
def test_switching_a_strategy_off_is_no_new_version() -> None:
    strategy = save_strategy(Strategy(name="Calm", instructions="Hold."), author="ada")
    strategy.is_active = False

    save_strategy(Strategy.objects.get(pk=strategy.pk), author="ada")

    assert StrategyVersion.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({}, ALL),
        ({"universe": "stocks"}, [STOCK, OTHER_STOCK]),
        ({"universe": "coins"}, [COIN]),
        ({"symbols": [COIN, STOCK]}, [STOCK, COIN]),
        ({"symbols": [COIN, STOCK], "universe": "stocks"}, [STOCK]),
        ({"symbols": ["NONE"]}, []),
    ],
)
def test_a_strategy_looks_at_its_universe(values: dict[str, Any], seen: list[str]) -> None:
    assert symbols_of(Strategy(name="s", **values), ALL) == seen


@pytest.mark.django_db
def test_what_is_held_outside_every_universe_is_put_before_all() -> None:
    stocks, coins = make_strategy(universe="stocks", symbols=[STOCK]), make_strategy(universe="coins")

    shares = shares_of([stocks, coins], ALL, frozenset({OTHER_STOCK, COIN}))

    assert shares == {stocks: [STOCK, OTHER_STOCK], coins: [OTHER_STOCK, COIN]}


def test_the_gate_takes_the_tighter_of_both_and_names_both(account: Outside) -> None:
    strategy = make_strategy(size_percent=Decimal(5), max_position_percent=Decimal(1), version=4)

    decision_execution.execute_decision(wish(strategy=strategy).pk)

    check = RiskCheck.objects.get()
    assert (check.limits_version, check.strategy_version) == (1, 4)
    assert check.figures["max_position_percent"] == "1"
    assert check.allowed
    equity = Decimal(check.figures["equity"])
    assert check.notional - LAST_DIGIT <= equity / 100


def test_limits_of_the_account_that_became_tighter_later_count(account: Outside) -> None:
    strategy = make_strategy(size_percent=Decimal(5), max_position_percent=Decimal(8))
    make_limits(max_position_percent=Decimal("0.5"))

    decision_execution.execute_decision(wish(strategy=strategy).pk)

    check = RiskCheck.objects.get()
    assert (check.limits_version, check.figures["max_position_percent"]) == (2, "0.5")
    assert check.notional - LAST_DIGIT <= Decimal(check.figures["equity"]) / 200


def test_a_denial_names_both_versions_too(account: Outside) -> None:
    strategy = make_strategy(max_positions=1, version=2)
    decision = wish(strategy=strategy)
    make_position(OTHER_STOCK)

    decision_execution.execute_decision(decision.pk)

    check = RiskCheck.objects.get()
    assert (check.reason, check.limits_version, check.strategy_version) == ("max_positions_reached", 1, 2)
    assert not Trade.objects.exists()


@pytest.mark.django_db
def test_the_database_refuses_a_limit_out_of_bounds() -> None:
    make_agent()

    with pytest.raises(IntegrityError, match="strategy_max_position_percent_in_bounds"):
        make_strategy(max_position_percent=Decimal(101))
