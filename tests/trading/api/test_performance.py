"""GET /performance: the command's report, for who may look."""

from decimal import Decimal

import pytest

from tests.factories import make_decision
from tests.trading.api.conftest import Api
from tests.trading.api.test_skeleton import problem
from tests.trading.performance.booked import traded
from trading.performance.rendering import as_json
from trading.performance.report import performance


def test_report_is_the_commands(api: Api) -> None:
    decision = make_decision()
    traded("buy", "10", "100", decision=decision)
    traded("sell", "10", "101.5", decision=make_decision(action="sell", strategy=decision.strategy))

    shown = api("viewer").get("/performance", {"by": "exit"}).json()

    assert shown == as_json(performance(by="exit"))
    assert [(row["key"], Decimal(row["realised"])) for row in shown["rows"]] == [("signal", 15)]
    assert shown["equity"]["change"]["usd"] is None
    assert shown["equity"]["change"]["reason"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"by": "colour"}, "by"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-03", "to": "2026-11-02"}, "to"),
    ],
)
def test_what_cannot_be_asked_is_named(api: Api, query: dict[str, str], name: str) -> None:
    said = problem(api("viewer").get("/performance", query), 400)

    assert name in str(said["errors"])
