"""Which symbols a cycle looks at, and which a person may ask for."""

from decimal import Decimal

import pytest

from tests.factories import make_asset, make_position
from trading.core.settings import set_runtime_setting
from trading.errors import SymbolsError
from trading.market.universe import checked_symbols, choose_universe

pytestmark = pytest.mark.django_db


def test_most_traded_assets_come_first_and_unknown_volumes_last() -> None:
    make_asset("NONE")
    make_asset("LESS", dollar_volume=Decimal(1))
    make_asset("MORE", dollar_volume=Decimal(2))
    make_asset("BTC/USD")

    assert choose_universe().symbols == ["MORE", "LESS", "NONE", "BTC/USD"]


def test_untradable_assets_are_left_out_unless_held() -> None:
    make_asset("GONE", tradable=False)
    make_asset("HELD", tradable=False)
    make_position("HELD")

    assert choose_universe().symbols == ["HELD"]


def test_positions_come_first_and_are_never_cut_off() -> None:
    set_runtime_setting(name="max_stocks", value="2", actor="test")
    set_runtime_setting(name="max_coins", value="0", actor="test")
    for number in range(3):
        make_position(f"H{number}")
        make_asset(f"A{number}", dollar_volume=Decimal(9))
    make_position("BTC/USD")
    make_asset("ETH/USD", dollar_volume=Decimal(9))

    assert choose_universe().symbols == ["H0", "H1", "H2", "BTC/USD"]


def test_caps_hold_per_class() -> None:
    set_runtime_setting(name="max_stocks", value="2", actor="test")
    make_position("H")
    for number in range(3):
        make_asset(f"A{number}")

    assert choose_universe().symbols == ["H", "A0"]


def test_known_symbols_are_returned_once_in_order() -> None:
    make_asset("AAPL")
    make_asset("BTC/USD")

    assert checked_symbols(["BTC/USD", "AAPL", "BTC/USD"]) == ["BTC/USD", "AAPL"]


def test_every_problem_is_named() -> None:
    """docs/lessons.md#lesson-12."""
    make_asset("OLD", tradable=False)
    set_runtime_setting(name="max_stocks", value="2", actor="test")

    with pytest.raises(SymbolsError) as raised:
        checked_symbols(["aapl", "OLD", "NEW"])

    problems = raised.value.problems
    assert set(problems) == {"aapl", "OLD", "NEW", "stocks"}
    assert problems["aapl"].startswith("malformed, expected a stock like AAPL")
    assert problems["OLD"] == problems["NEW"] == "unknown, the broker lists no tradable asset of this name"
    assert problems["stocks"] == "3 asked for, at most 2 in a cycle"
    assert "aapl: malformed" in str(raised.value)


def test_more_coins_than_the_cap_are_refused() -> None:
    set_runtime_setting(name="max_coins", value="1", actor="test")
    make_asset("BTC/USD")
    make_asset("ETH/USD")

    with pytest.raises(SymbolsError, match="coins: 2 asked for, at most 1"):
        checked_symbols(["BTC/USD", "ETH/USD"])
