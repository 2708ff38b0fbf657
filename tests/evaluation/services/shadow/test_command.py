"""``manage.py shadow``: every shadow in a line, one in full, a book of a stated sum."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from evaluation.models import ShadowBook
from tests.evaluation.services.shadow.scenes import traded_shadow
from tests.factories import make_strategy

pytestmark = pytest.mark.django_db


def said(*args: str) -> str:
    out = io.StringIO()
    call_command("shadow", *args, stdout=out)
    return out.getvalue()


def test_list_says_each_in_a_line() -> None:
    assert "there is no shadow strategy" in said("list")
    traded_shadow()
    make_strategy(name="Not yet", is_shadow=True)

    lines = said("list").splitlines()

    assert lines[0].startswith("Bold one: 10,100.00 USD (+1.00 %), the account -0.15 % over the same time")
    assert "2 cycles decided, 0 unanswered, 5 missed; 0.25 USD" in lines[0]
    assert lines[1] == "Not yet: it has seen no cycle yet"
    assert [each["strategy"] for each in json.loads(said("list", "--json"))] == ["Bold one", "Not yet"]


def test_show_has_the_book() -> None:
    traded_shadow()

    shown = said("show", "Bold one")

    assert "holds 10 AAPL: 100.00 USD; stop none, target none" in shown
    assert "filled buy 10 AAPL at 100 (decision)" in shown
    assert json.loads(said("show", "Bold one", "--json"))["held"][0]["symbol"] == "AAPL"


def test_open_begins_with_a_stated_sum() -> None:
    make_strategy(name="New", is_shadow=True)

    assert said("open", "New", "--equity", "5000") == "New begins with 5,000.00 USD at the next cycle\n"
    assert ShadowBook.objects.get().start_equity == 5000


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["show"], "name: was '', expected a shadow strategy's name"),
        (["list", "Bold"], "name: was 'Bold', expected none"),
        (["show", "Nobody"], "strategy: was 'Nobody', expected a shadow strategy: there is none"),
        (["open", "Nobody", "--equity", "5"], "strategy: was 'Nobody', expected one that there is"),
        (["open", "Live", "--equity", "much"], "--equity: was 'much', expected a sum in USD"),
        (["open", "Live", "--equity", "5"], "expected a shadow: this one is to trade"),
        (["open", "Live"], "--equity: expected USD"),
    ],
)
def test_what_cannot_be_done_is_said(args: list[str], words: str) -> None:
    make_strategy(name="Live")

    with pytest.raises(CommandError, match=words.replace("(", r"\(")) as refused:
        said(*args)

    assert refused.value.returncode == 2
