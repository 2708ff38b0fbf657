"""Reports by REST: filtered, in pages, each figure with its doubt."""

import pytest

from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.services.calibration.job import CalibrationJob
from tests.evaluation.services.agents import STRATEGY, live
from tests.evaluation.services.years import BUILTIN
from tests.factories import make_strategy
from tests.trading.api.conftest import Api, api
from tests.trading.api.test_skeleton import problem

__all__ = ["api"]
PATH = "/evaluation/calibration"


@pytest.fixture
def reports(prepared: None) -> None:
    make_strategy(name="Momentum", pk=STRATEGY)
    live(25, right=lambda _: 0.5)
    live(25, right=lambda _: 0.9, model="openai/a", answered_model="a-1", window="inside")
    other = make_strategy(name="Dips")
    live(25, right=lambda _: 0.9, model="openai/a", answered_model="a-1", window="inside", strategy=other.pk)
    CalibrationJob().run("today")


def test_each_report_is_whole(api: Api, reports: None) -> None:
    body = api("viewer").get(PATH, {"model": BUILTIN, "label": LabelSpec.FIVE_SESSIONS}).json()

    (report,) = body["results"]
    assert (report["decisions"], report["sessions"], report["strategyId"]) == (250, 25, None)
    assert report["verdict"]["sentence"].startswith("Too early to say")
    for figure in report["figures"].values():
        assert {"value", "low", "high", "n", "nEffective", "window"} <= set(figure)
        assert (figure["value"] is None) == bool(figure.get("reason"))


def test_filters_narrow_and_pages_lead_on(api: Api, reports: None) -> None:
    client = api("viewer")

    def found(**filters: str) -> set[tuple[str, str, str]]:
        rows = client.get(PATH, filters).json()["results"]
        return {(row["model"], row["strategy"], row["label"]) for row in rows}

    five = LabelSpec.FIVE_SESSIONS.value
    assert found(model="a-1", label=five) == {
        ("openai/a", "", five),
        ("openai/a", "Momentum", five),
        ("openai/a", "Dips", five),
    }
    assert found(strategy="Dips", label=five) == {("openai/a", "Dips", five)}
    assert found(window=Window.CLEAN.value) == set()
    first = client.get(PATH, {"limit": "2"}).json()
    second = client.get(PATH, {"limit": "2", "cursor": first["next"]}).json()
    assert len({row["id"] for row in first["results"] + second["results"]}) == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("label", "excess"), ("window", "dirty"), ("strategy", "Nobody"), ("limit", "0"), ("horizon", "5")],
)
def test_parameters_it_cannot_take_are_named(api: Api, prepared: None, name: str, value: str) -> None:
    answered = api("viewer").get(PATH, {name: value})

    assert [each["field"] for each in problem(answered, 400)["errors"]] == [name]


def test_a_page_takes_few_statements(api: Api, reports: None, django_assert_max_num_queries: object) -> None:
    client = api("viewer")
    client.get(PATH)

    with django_assert_max_num_queries(10):  # type: ignore[operator]  # pytest-django's own
        assert len(client.get(PATH).json()["results"]) > 5
