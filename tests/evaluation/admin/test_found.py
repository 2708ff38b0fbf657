"""The console's search finds the evaluation's rows and pages, too: the room registers them itself."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests.trading.admin.rows import ROWS

URL = reverse("console_find")
Login = Callable[..., Client]


def page_of(label: str, pk: object) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_change", args=[pk])


@pytest.mark.parametrize("label", ["evaluation.run", "evaluation.calibrationreport", "evaluation.shadowbook"])
@pytest.mark.parametrize("shown", ["…{end}", "{whole}"])
def test_row_is_found_by_its_id_as_pages_show_it(label: str, shown: str, login: Login) -> None:
    row = ROWS[label]()

    answer = login().get(URL, {"q": shown.format(end=str(row.pk)[-8:], whole=row.pk)})

    assert answer.headers["Location"] == page_of(label, row.pk)


@pytest.mark.parametrize(
    "label", ["evaluation.outcome", "evaluation.shadowdecision", "evaluation.shadowfill"]
)
def test_row_of_a_large_table_is_found_by_its_whole_id(label: str, login: Login) -> None:
    row = ROWS[label]()

    assert login().get(URL, {"q": str(row.pk)}).headers["Location"] == page_of(label, row.pk)


@pytest.mark.parametrize(
    ("asked", "page"), [("calibration", "Calibration reports"), ("models", "Models"), ("compare", "Replays")]
)
def test_page_is_found_by_its_name(asked: str, page: str, login: Login) -> None:
    answer = login().get(URL, {"q": asked}, headers={"HX-Request": "true"})

    pages = dict(answer.context["groups"])["Pages"]
    assert page in [hit.words for hit in pages]


def test_who_may_not_look_at_replays_finds_none(login: Login) -> None:
    row = ROWS["evaluation.run"]()

    answer = login("nobody").get(URL, {"q": str(row.pk)}, headers={"HX-Request": "true"})

    assert answer.context["groups"] == []


def test_nothing_found_names_the_evaluations_tables(login: Login) -> None:
    said = login().get(URL, {"q": "no such thing"}).content.decode()

    assert "replays" in said
    assert "shadow strategies" in said
