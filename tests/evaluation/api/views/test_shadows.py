"""GET /evaluation/shadows: the command's figures, for who may look."""

import pytest

from evaluation.services.shadow.reading import standing_of
from evaluation.services.shadow.rendering import standing_json
from tests.evaluation.services.shadow.scenes import traded_shadow
from tests.factories import make_strategy
from tests.trading.api.conftest import Api, api
from tests.trading.api.test_skeleton import problem

__all__ = ["api"]


def test_list_is_the_commands(api: Api) -> None:
    traded_shadow()
    make_strategy(name="Not yet", is_shadow=True)
    make_strategy(name="Live")

    shown = api("viewer").get("/evaluation/shadows").json()

    assert [row["strategy"] for row in shown["results"]] == ["Bold one", "Not yet"]
    assert shown["results"][0] == standing_json(standing_of("Bold one"))
    assert (shown["results"][0]["returnPercent"], shown["results"][0]["cyclesMissed"]) == ("1", 5)
    assert shown["results"][1]["equity"] is None


def test_one_has_its_book_curve_decisions_and_fills(api: Api) -> None:
    traded_shadow()

    shown = api("viewer").get("/evaluation/shadows/Bold%20one").json()

    assert [point["equity"] for point in shown["curve"]] == ["10000", "10050", "10100"]
    assert shown["held"][0]["profit"] == "100"
    assert (shown["decisions"][0]["status"], shown["fills"][0]["snapshotPrice"]) == ("filled", "99.98")


@pytest.mark.parametrize("name", ["Nobody", "Live"])
def test_what_is_no_shadow_is_not_there(api: Api, name: str) -> None:
    make_strategy(name="Live")

    said = problem(api("viewer").get(f"/evaluation/shadows/{name}"), 404)

    assert "expected a shadow strategy" in said["detail"]
