"""Every table has a list and a page for each row, quick however many rows there are."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import PeriodicTask
from uuid6 import uuid7

from ai.models import ModelAnswer, ModelCall
from evaluation.models import (
    DailyBar,
    Dataset,
    DatasetItem,
    EvaluationRecord,
    Experiment,
    JobMark,
    PurseReservation,
    ReplayItem,
    Run,
    ShadowPoint,
)
from risk.models import KillSwitch, RiskCheck, RiskLimits, RiskReservation, TrustCurve
from tests import factories
from trading import models
from trading.access.api_tokens import issue_token
from trading.models import Cycle

RECORDS: dict[type[Model], Callable[[int], Any]] = {
    models.Cycle: lambda n: factories.make_cycle(errors=[{"operation": "x", "message": "y", "at": ""}]),
    models.AIDecision: lambda n: factories.make_decision(),
    models.Order: lambda n: factories.make_order(),
    models.Fill: lambda n: factories.make_fill(),
    models.Trade: lambda n: factories.make_trade(order=factories.make_order(status="filled")),
    models.RoundTrip: lambda n: factories.make_round_trip(),
    models.Lot: lambda n: factories.make_lot(),
    models.AccountActivity: lambda n: factories.make_activity(),
    models.Position: lambda n: factories.make_position(f"AA{n}"),
    models.Saga: lambda n: factories.make_saga(),
    models.Event: lambda n: factories.make_event(cycle_id=uuid7()),
    ModelCall: lambda n: factories.make_model_call(),
    models.MarketSnapshot: lambda n: factories.make_snapshot(),
    models.EquitySnapshot: lambda n: factories.make_equity(),
    models.Approval: lambda n: factories.make_approval(),
    models.Asset: lambda n: factories.make_asset(f"BB{n}"),
    RiskReservation: lambda n: factories.make_reservation(symbol=f"CC{n}"),
    RiskCheck: lambda n: factories.make_risk_check(),
    TrustCurve: lambda n: factories.make_trust_curve(model=f"model {n}"),
    KillSwitch: lambda n: factories.make_engagement(
        released_at=factories.timezone.now(), released_by="a", release_reason="b"
    ),
    models.ParkedEvent: lambda n: factories.make_parked_event(),
    models.TradeProposal: lambda n: factories.make_proposal(),
    models.HandledEvent: lambda n: models.HandledEvent.objects.create(
        consumer="x", source="urn:x", event_id=f"event {n}"
    ),
    models.NoticeMessage: lambda n: factories.make_notice(),
    models.NoticeTopic: lambda n: models.NoticeTopic.objects.create(topic=f"topic {n}", title="a title"),
    models.Heartbeat: lambda n: factories.make_heartbeat(f"process {n}"),
    models.AgentStatus: lambda n: factories.make_agent(),
    Run: lambda n: factories.make_replay_item().run,
}
EDITABLE: dict[type[Model], Callable[[int], Any]] = {
    models.Strategy: lambda n: factories.make_strategy(),
    models.UniverseCandidate: lambda n: factories.make_candidate(),
    models.SymbolLock: lambda n: factories.make_symbol_lock(f"AA{n}"),
    models.RuntimeSetting: lambda n: models.RuntimeSetting.objects.order_by("name").first(),
    RiskLimits: lambda n: factories.make_limits(),
}
TABLES = RECORDS | EDITABLE
UNCOUNTED = [  # round trips grow with what is closed, not with cycles, and their page sums them up
    models.AIDecision,
    models.Event,
    models.MarketSnapshot,
    models.EquitySnapshot,
    models.Lot,
    ModelCall,
    RiskCheck,
    Run,
]


def url_of(model: type[Model], page: str, *args: object) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


def by_name(model: type[Model]) -> str:
    return model.__name__


def test_every_table_of_our_rooms_has_a_page() -> None:
    admin.autodiscover()  # as the URLs do at the first request
    rooms = ("evaluation", "trading", "risk", "ai")
    ours = {m for m in admin.site._registry if m._meta.app_label in rooms}
    tables = {m for m in apps.get_models() if m._meta.app_label in rooms}

    # Shown with their saga, cycle and engagement, and above the lists they are left out of; the keys of requests are
    # the API's own, what metrics have counted is at /metrics, and notes of changed stages live for a second.
    elsewhere = {
        models.SagaStep,
        models.SymbolLook,
        models.SwitchFollowUp,
        models.StageChange,
        models.SetAsideRow,
        models.SymbolBook,  # running totals of the lots
        models.CashLine,  # to whom an activity's cash belongs: the reports show it
        models.BookCheck,  # what it finds is told as an event
        models.ConsoleVisit,  # when each person last looked
        models.UsedLink,  # links that answered, for a day
        models.ConsolePreference,  # in which zone they read times
        ModelAnswer,  # shown with its call
        Experiment,  # shown with its run, as are the items
        ReplayItem,
        PurseReservation,  # of requests under way, for as long as they are
        DailyBar,  # what outcomes are measured by
        JobMark,  # how far the evaluator has come
        Dataset,  # made and named by the command
        DatasetItem,
        EvaluationRecord,
        ShadowPoint,  # the line and the table of its book
    }
    assert tables - ours == elsewhere | {models.RequestKey, models.MetricTotals}


@pytest.mark.parametrize("model", TABLES, ids=by_name)
def test_list_and_detail_open_for_a_viewer(model: type[Model], login: Callable[..., Client]) -> None:
    client = login("viewer")
    row = TABLES[model](1)

    listed = client.get(url_of(model, "changelist"))
    detail = client.get(url_of(model, "change", row.pk))

    assert (listed.status_code, detail.status_code) == (200, 200)
    assert b"_save" not in detail.content


def queries_of_list(client: Client, model: type[Model]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        response = client.get(url_of(model, "changelist"))
    assert response.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


@pytest.mark.parametrize("model", TABLES, ids=by_name)
def test_fifty_rows_cost_as_many_queries_as_two(model: type[Model], login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-11: no query per row."""
    client = login()
    for n in range(2):
        TABLES[model](n)
    client.get(url_of(model, "changelist"))
    few = queries_of_list(client, model)
    for n in range(2, 50):
        TABLES[model](n)

    many = queries_of_list(client, model)

    assert len(many) <= len(few), [sql for sql in many if sql not in few]


@pytest.mark.parametrize("model", UNCOUNTED, ids=by_name)
def test_growing_tables_are_never_counted(model: type[Model], login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-11: pages of tables that grow do not read them whole."""
    client = login()
    TABLES[model](1)

    queries = queries_of_list(client, model)

    table = f'FROM "{model._meta.db_table}"'
    assert not [sql for sql in queries if "COUNT(" in sql and table in sql]
    assert [sql for sql in queries if table in sql and "LIMIT" in sql]


@pytest.mark.parametrize("model", RECORDS, ids=by_name)
def test_nobody_adds_changes_or_deletes_a_record(model: type[Model], login: Callable[..., Client]) -> None:
    client = login("superuser")
    row = RECORDS[model](1)
    before = model._default_manager.filter(pk=row.pk).values().get()

    answers = [
        client.post(url_of(model, "add"), {"status": "filled"}),
        client.post(url_of(model, "change", row.pk), {"status": "filled", "symbol": "ZZ"}),
        client.post(url_of(model, "delete", row.pk), {"post": "yes"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert model._default_manager.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("model", TABLES, ids=by_name)
def test_search_takes_words_and_ids(model: type[Model], login: Callable[..., Client]) -> None:
    client = login()
    TABLES[model](1)

    for term in ("AAPL", "no such thing", str(uuid7()), "'; --", "\u00e9"):
        assert client.get(url_of(model, "changelist"), {"q": term}).status_code == 200, term


def test_pasted_id_finds_its_rows(login: Callable[..., Client]) -> None:
    decision, other = factories.make_decision(symbol="AAPL"), factories.make_decision(symbol="MSFT")

    page = login().get(url_of(models.AIDecision, "changelist"), {"q": str(decision.cycle_id)})

    assert [row.pk for row in page.context["cl"].result_list] == [decision.pk]
    assert other.cycle_id != decision.cycle_id


@pytest.mark.parametrize("typed", ["btc", "BTC", "btc-usd", " btcusd", "BTC/USD"])
def test_symbol_is_found_however_it_is_written(login: Callable[..., Client], typed: str) -> None:
    decision, order = factories.make_decision(symbol="BTC/USD"), factories.make_order(symbol="BTC/USD")
    approval = factories.make_approval(decision=decision)
    for other in ("BTCM", "USD"):
        factories.make_decision(symbol=other)
        factories.make_order(symbol=other)
    client = login()

    for row in (decision, order, approval):
        page = client.get(url_of(type(row), "changelist"), {"q": typed})
        found = list(page.context["cl"].result_list)
        assert row in found
        assert {getattr(each, "decision", each).symbol for each in found} == {"BTC/USD"}


def test_lower_case_finds_a_stock(login: Callable[..., Client]) -> None:
    decision = factories.make_decision(symbol="PYPL")

    page = login().get(url_of(models.AIDecision, "changelist"), {"q": "pypl"})

    assert [row.pk for row in page.context["cl"].result_list] == [decision.pk]


def test_order_is_found_by_the_brokers_id(login: Callable[..., Client]) -> None:
    order = factories.make_order(broker_order_id=str(uuid7()))
    factories.make_order()

    page = login().get(url_of(models.Order, "changelist"), {"q": order.broker_order_id})

    assert [row.pk for row in page.context["cl"].result_list] == [order.pk]


def test_cycle_page_leads_to_what_belongs_to_it(login: Callable[..., Client]) -> None:
    client = login("viewer")
    order = factories.make_order()
    factories.make_order()

    page = client.get(url_of(Cycle, "change", order.cycle_id))
    links = dict(page.context["cycle_links"])

    assert [row.pk for row in client.get(links["Orders"]).context["cl"].result_list] == [order.pk]
    assert all(client.get(url).status_code == 200 for url in links.values())


def test_events_of_an_aggregate_are_found_by_its_id(login: Callable[..., Client]) -> None:
    event = factories.make_event(aggregate_type="order", aggregate_id=str(uuid7()), cycle_id=uuid7())
    factories.make_event()
    client = login("viewer")

    by_id = client.get(url_of(models.Event, "changelist"), {"q": event.aggregate_id})
    by_cycle = client.get(url_of(models.Event, "changelist"), {"q": str(event.cycle_id)})
    by_kind = client.get(url_of(models.Event, "changelist"), {"about": "order"})

    for page in (by_id, by_cycle, by_kind):
        assert [row.pk for row in page.context["cl"].result_list] == [event.pk]


@pytest.mark.parametrize(
    "query",
    [
        {"cycle_id": "no-uuid"},
        {
            "created_at_from_0": "yesterday",
            "created_at_from_1": "noon",
            "created_at_to_0": "",
            "created_at_to_1": "",
        },
        {"p": "minus one"},
        {"o": "99.x"},
        {"status": "no such status"},
        {"about": "nothing"},
    ],
)
@pytest.mark.parametrize("model", [models.AIDecision, models.Event, models.Order, RiskCheck], ids=by_name)
def test_nonsense_in_an_address_is_no_server_error(
    model: type[Model], query: dict[str, str], login: Callable[..., Client]
) -> None:
    """docs/lessons.md#lesson-5: what comes with a request is never trusted."""
    answer = login("viewer").get(url_of(model, "changelist"), query, follow=True)

    assert answer.status_code == 200


@pytest.mark.parametrize("model", [models.Cycle, models.Order, RiskLimits], ids=by_name)
def test_page_of_a_row_that_does_not_exist_leads_home(
    model: type[Model], login: Callable[..., Client]
) -> None:
    answer = login("viewer").get(url_of(model, "change", "no-such-id"), follow=True)

    assert "doesn’t exist" in answer.content.decode()


@pytest.mark.parametrize("page", ["changelist", "add"])
def test_schedule_opens_in_the_consoles_style(page: str, login: Callable[..., Client]) -> None:
    answer = login().get(reverse(f"admin:django_celery_beat_periodictask_{page}"))

    assert answer.status_code == 200
    assert 'id="standing"' in answer.content.decode()


def test_schedules_task_page_lists_the_registered_tasks(login: Callable[..., Client]) -> None:
    client = login()
    row = PeriodicTask.objects.get(name="Trading cycle")

    page = client.get(reverse("admin:django_celery_beat_periodictask_change", args=[row.pk])).content.decode()

    assert "trading.start_cycle" in page


def test_a_tokens_text_is_on_no_page(login: Callable[..., Client]) -> None:
    client = login()
    token = issue_token(user=User.objects.get(username="admin"))
    pages = [
        client.get(reverse("admin:trading_apitoken_changelist")).content.decode(),
        client.get(reverse("admin:trading_apitoken_change", args=[token.row.pk])).content.decode(),
    ]

    assert all(token.row.prefix in page for page in pages)
    assert not any(token.text in page or token.row.digest in page for page in pages)
