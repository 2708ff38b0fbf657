"""The product set up as a user with real keys sets it up, by addresses, with the stub behind them."""

import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from ai.domain.prompt import read_facts
from orchestrator_project.environment import load_environment
from tests.conftest import forget_throttles
from tests.factories import make_agent, make_limits
from tests.providers.stub import ProviderStub


def hold_all(body: dict[str, Any]) -> str:
    """Decide to hold every symbol that is asked about."""
    decided = {"action": "hold", "confidence": 0.9, "reasoning": "Nothing has changed."}
    facts = read_facts(body["messages"])["symbols"]
    return json.dumps({"decisions": [{"symbol": fact["symbol"], **decided} for fact in facts]})


@pytest.fixture(scope="session", autouse=True)
def loaded_libraries() -> None:
    """Load the model library before an analysis has to: a busy machine takes half a minute for it."""
    importlib.import_module("tests.libraries")


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    """The providers; nothing may be asked of them that they do not know."""
    with ProviderStub(decide=hold_all) as stub:
        yield stub
    assert stub.broken == []


@pytest.fixture
def outside(stub: ProviderStub, settings: Settings) -> ProviderStub:
    """The stub as the configured outside world, with the keys that must be there and no others."""
    return configured(stub, settings, with_keys=False)


@pytest.fixture
def account(outside: ProviderStub, db: None) -> ProviderStub:
    """The same, with an autonomous agent, the default limits, and the account and its assets read once."""
    from trading.execution.portfolio import sync_portfolio
    from trading.market.assets import refresh_assets

    make_agent(mode="autonomous")
    make_limits()
    sync_portfolio(None)
    refresh_assets()
    outside.noted.clear()
    return outside


def configured(stub: ProviderStub, settings: Settings, *, with_keys: bool) -> ProviderStub:
    """Set the environment as a user does; return the stub."""
    home = {"ORCHESTRATOR_HOME": str(settings.ENVIRONMENT.orchestrator_home)}
    settings.ENVIRONMENT = load_environment({**stub.environment(with_keys=with_keys), **home})
    forget_throttles()
    return stub
