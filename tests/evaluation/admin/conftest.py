"""Users of each group, logged in; and a cycle that can be asked again, of a model behind a chat server."""

from typing import Any

import pytest

from ai.models import ModelPrice
from tests.ai.chat_server import ChatServer
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_asset, make_strategy
from tests.trading.admin.conftest import login
from tests.trading.outside import COIN, STOCK, Outside
from trading.models import Cycle, Strategy

__all__ = ["login"]
OTHER = "openai/other"


@pytest.fixture
def cycle(account: Outside, chat_server: ChatServer, settings: Any) -> Cycle:
    settings.ENVIRONMENT = settings.ENVIRONMENT
    Strategy.objects.update(is_active=False)
    make_strategy(name="Momentum", instructions="Follow what rises.")
    for symbol in ALL:
        make_asset(symbol)
    chat_server.handlers["live"] = deciding({STOCK: ("buy", 0.9)})
    chat_server.handlers["other"] = deciding({COIN: ("buy", 0.8)})
    use_models(chat_server, LIVE, budget="5")
    ModelPrice.objects.create(model=OTHER, input_usd_per_million=1, output_usd_per_million=2)
    return analysed()
