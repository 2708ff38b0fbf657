"""*Models*: figures of each, side by side, each with the number it rests on."""

from collections.abc import Callable
from decimal import Decimal

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.factories import make_decision, make_model_call, make_outcome, make_replay_item, make_run

URL = "admin:evaluation_run_models"


def test_without_models_it_says_so(login: Callable[..., Client]) -> None:
    assert "No model has been asked yet." in login("viewer").get(reverse(URL)).content.decode()


def test_models_stand_side_by_side(login: Callable[..., Client]) -> None:
    client = login("viewer")
    make_decision(model="openai/live", action="buy", status="executed", confidence="0.8")
    make_model_call(model="openai/live", charged_usd="0.5", latency_ms=2000)
    make_model_call(
        model="openai/other", status="failed", error_type="X", purpose="replay", charged_usd="0.25"
    )
    run = make_run()
    make_replay_item(run=run)
    same = {"action": "buy", "confidence": "0.8", "reasoning": "", "model": "openai/other", "problem": ""}
    made = make_replay_item(run=run, after=same)
    make_replay_item(run=run, decision_id=made.decision_id, sample=1, after={**same, "action": "hold"})

    with CaptureQueriesContext(connection) as asked:
        page = client.get(reverse(URL))

    records = page.context["records"]
    rows = {name: dict(zip(records.heads, cells, strict=True)) for name, cells in records.rows}
    live, other = rows["openai/live"], rows["openai/other"]
    assert (live["Decisions"].text, live["Wanted to trade"].note) == ("1", "1 traded")
    assert (live["Latency"].text, live["Cost, USD"].text) == ("2.0 s", "0.5000")
    assert live["Agrees with who decided"].text == "-"
    assert (other["Failed"].text, other["Cost, USD"].note) == ("100.0 %", "0.2500 to evaluate")
    assert (other["Agrees with who decided"].text, other["Agrees with who decided"].note) == (
        "33.3 %",
        "of 3",
    )
    assert (other["Says the same again"].text, other["Says the same again"].note) == ("0.0 %", "of 1")
    assert len(asked) <= 15


def test_outcomes_count_where_a_model_cannot_know_them(login: Callable[..., Client]) -> None:
    for window, earned in (("clean", "0.02"), ("clean", "-0.01"), ("inside", "0.9"), ("grey", "0.9")):
        make_outcome(excess_return=Decimal(earned), right=Decimal(earned) > 0, window=window)
    make_outcome(resolved_at=None, excess_return=None, members=None)

    records = login("viewer").get(reverse(URL)).context["records"]

    [(_, cells)] = records.rows
    row = dict(zip(records.heads, cells, strict=True))
    assert (row["Right after 5 sessions"].text, row["Right after 5 sessions"].note) == ("50.0 %", "of 2")
    assert row["Mean excess"].text == "+50 bps"
