"""The page of a symbol: everything about it in one place, in few queries however much there is."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories as make

Login = Callable[..., Client]


def url_of(symbol: str) -> str:
    return reverse("admin:trading_symbol", args=[symbol])


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
def test_symbol_has_a_page_as_the_broker_writes_it(login: Login, symbol: str) -> None:
    make.make_asset(symbol)

    assert login("viewer").get(url_of(symbol)).status_code == 200


@pytest.mark.parametrize("written", ["btc", "btc-usd", "BTCUSD"])
def test_symbol_written_otherwise_leads_to_the_one_that_is_meant(login: Login, written: str) -> None:
    make.make_asset("BTC/USD")

    answer = login("viewer").get(url_of(written))

    assert answer.headers["Location"] == url_of("BTC/USD")


def test_symbol_that_nobody_knows_is_not_found(login: Login) -> None:
    assert login("viewer").get(url_of("NOPE")).status_code == 404
