"""Every page, action, inline and form of the console, tried as each group: what is not in the table does nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, reverse

from orchestrator_project import queues
from tests.trading.admin.conftest import GROUPS
from tests.trading.admin.doors import address, label_of, own_pages, pages, url_of
from tests.trading.admin.rows import ROWS
from trading.admin.frame import refused

Login = Callable[..., Client]
EVERYBODY = ("nobody", *GROUPS)
SITE_PAGES = {
    "search", "index", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n",
    "view_on_site", "app_list", None,
}  # fmt: skip
# Of what a person of the group may do: the model's page and the deed. Nothing else is theirs.
OPERATOR = {
    ("evaluation.calibrationreport", "publish"),
    ("evaluation.run", "ask"),
    ("evaluation.run", "try"),
    ("evaluation.run", "stop"),
    ("evaluation.run", "take_up"),
    ("risk.killswitch", "engage"),
    ("risk.killswitch", "flatten"),
    ("trading.agentstatus", "mode"),
    ("trading.agentstatus", "active"),
    ("trading.agentstatus", "entries"),
    ("trading.symbollock", "add"),
    ("trading.symbollock", "unlock_selected"),
    ("trading.aidecision", "send"),
    ("trading.approval", "answer"),
    ("trading.approval", "answers"),
    ("trading.parkedevent", "replay_selected"),
    ("trading.position", "reconcile"),
    ("trading.position", "close"),
    ("trading.position", "stop"),
    ("trading.symbollock", "unlock"),
    ("trading.cycle", "ask"),
    ("trading.tradeproposal", "propose"),
    ("trading.aidecision", "withdraw"),
}
OFFICER = OPERATOR | {
    ("risk.killswitch", "release"),
    ("risk.risklimits", "add"),
    ("risk.risklimits", "restore"),
    ("ai.modelcutoff", "add"),
    ("ai.modelcutoff", "change"),
    ("ai.modelprice", "add"),
    ("ai.modelprice", "change"),
    ("trading.runtimesetting", "change"),
    ("trading.runtimesetting", "undo"),
    ("trading.strategy", "add"),
    ("trading.strategy", "change"),
    ("trading.strategyversion", "roll_back"),
    ("trading.universecandidate", "add"),
    ("trading.universecandidate", "change"),
    ("trading.universecandidate", "approve"),
    ("trading.universecandidate", "reject"),
    ("trading.universecandidate", "approve_chosen"),
    ("trading.universecandidate", "reject_chosen"),
    ("trading.universecandidate", "watch_chosen"),
    ("trading.universecandidate", "unwatch_chosen"),
    ("trading.apitoken", "revoke_selected"),
}
MAY: dict[str, set[tuple[str, str]]] = {
    "nobody": set(),
    "viewer": set(),
    "operator": OPERATOR,
    "risk officer": OFFICER,
}
# What the pages beside the usual ones are: a deed, or something to look at.
OWN_PAGES = {
    "evaluation_calibrationreport_publish": "publish",
    "evaluation_run_ask": "ask",
    "evaluation_run_try": "try",
    "evaluation_run_models": "look",
    "evaluation_run_stop": "stop",
    "evaluation_run_take_up": "take_up",
    "risk_killswitch_engage": "engage",
    "risk_killswitch_release": "release",
    "risk_killswitch_flatten": "flatten",
    "trading_agentstatus_mode": "mode",
    "trading_agentstatus_active": "active",
    "trading_agentstatus_entries": "entries",
    "trading_aidecision_send": "send",
    "trading_approval_queue": "look",
    "trading_approval_sum": "look",
    "trading_approval_answer": "answer",
    "trading_approval_answers": "answers",
    "trading_equitysnapshot_performance": "look",
    "trading_position_reconcile": "reconcile",
    "trading_position_close": "close",
    "trading_position_stop": "stop",
    "trading_symbollock_unlock": "unlock",
    "trading_cycle_ask": "ask",
    "trading_tradeproposal_propose": "propose",
    "trading_aidecision_withdraw": "withdraw",
    "trading_strategyversion_roll_back": "roll_back",
    "trading_symbol": "look",
    "risk_risklimits_restore": "restore",
    "trading_runtimesetting_undo": "undo",
    "trading_universecandidate_approve": "approve",
    "trading_universecandidate_reject": "reject",
    "auth_user_password_change": "password",
}
FORM = {
    "reason": "because", "confirmed": "on", "mode": "semi_auto", "answer": "approve", "post": "yes",
    "password1": "correct horse 2", "password2": "correct horse 2", "usable_password": "true",
}  # fmt: skip
UNWATCHED = ("django_session", "console_visits")  # of whoever looks
# What the transaction under way, a test's own, has written, what was undone again included.
WRITES = """
SELECT pg_current_xact_id()::text, relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND relname <> ALL (%s) ORDER BY relname
"""


_known: dict[str, Any] = {"writes": None}
queue = cache(redis.Redis.from_url)  # one connection for the hundreds of looks


def state() -> dict[str, str]:
    """Return a checksum of every table, and how many messages wait for the workers.

    The checksums are those of before where this test's transaction has written nothing since.
    """
    with connection.cursor() as cursor:
        cursor.execute(WRITES, [list(UNWATCHED)])
        writes = (connection.connection, cursor.fetchall())
        if _known["writes"] != writes:
            _known.update(writes=writes, sums=checksums())
    with queue(settings.REDIS_URL).pipeline() as client:
        for name in queues.ALL:
            client.llen(name)
        return _known["sums"] | {
            f"queue {name}": str(n) for name, n in zip(queues.ALL, client.execute(), strict=True)
        }


def checksums() -> dict[str, str]:
    with connection.cursor() as cursor:
        tables = sorted(set(connection.introspection.table_names(cursor)) - set(UNWATCHED))
        sums = " UNION ALL ".join(
            f"SELECT '{name}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{name}\" t"  # noqa: S608
            for name in tables
        )
        cursor.execute(sums)
        return dict(cursor.fetchall())


@contextmanager
def nothing_changes(what: str) -> Iterator[None]:
    """Whatever the request does, the database is after it as it was."""
    before = state()
    yield
    after = state()
    assert {name for name in after if before.get(name) != after[name]} == set(), what


@pytest.fixture
def rows(prepared: None) -> dict[str, Model]:
    """A row of every registered model; the decisions and orders that some need are beside them."""
    return {label: make() for label, make in ROWS.items()}


@pytest.fixture(autouse=True)
def one_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """What surrounds a page once for each person, without its menu: half the CPU of the thousands tried here.

    Its own tests are test_menu.py, test_permissions.py and browser/test_walk.py. The page that refuses is written
    once for each person, too: what it says is for frame/test_refused.py.
    """
    reckoned, known = admin.site.each_context, {}

    def each_context(request: HttpRequest) -> dict[str, Any]:
        if request.user.pk not in known:
            known[request.user.pk] = reckoned(request) | {"sidebar_navigation": [], "available_apps": []}
        return dict(known[request.user.pk])

    monkeypatch.setattr(admin.site, "each_context", each_context)
    refuse, told = refused._refused, set()

    def refused_before(request: HttpRequest, status: int, title: str, words: str) -> HttpResponse:
        if (who := (request.user.pk, status)) in told:
            return HttpResponse(words, status=status)
        told.add(who)
        return refuse(request, status, title, words)

    monkeypatch.setattr(refused, "_refused", refused_before)


def all_actions(page: admin.ModelAdmin[Any]) -> set[str]:
    """Every action the page knows, whoever may use it, those that every page has included."""
    return {name for _, name, _ in page._get_base_actions()} | {"delete_selected"}


def request_of(client: Client) -> Any:
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    return request


def test_every_page_has_a_row_to_be_tried_with() -> None:
    assert {label_of(page) for page in pages()} == set(ROWS)


def test_every_page_beside_the_usual_ones_is_known() -> None:
    assert {one.name for page in pages() for one in own_pages(page)} == set(OWN_PAGES)
    assert {
        getattr(one, "name", None) for one in admin.site.get_urls() if isinstance(one, URLPattern)
    } == SITE_PAGES


def test_there_are_no_actions_of_the_theme_that_go_past_the_permissions() -> None:
    """Those with addresses of their own would be among the pages; these are part of a form."""
    assert [label_of(page) for page in pages() if page.actions_submit_line] == []


@pytest.mark.parametrize("group", EVERYBODY)
def test_group_is_offered_the_actions_of_the_table_alone(group: str, login: Login) -> None:
    request = request_of(login(group))

    offered = {(label_of(page), name) for page in pages() for name in page.get_actions(request)}

    assert offered == {deed for deed in MAY[group] if deed[1].endswith(("_chosen", "_selected"))}


@pytest.mark.parametrize("group", EVERYBODY)
def test_action_that_is_not_in_the_table_does_nothing(
    group: str, login: Login, rows: dict[str, Model]
) -> None:
    client = login(group)

    for page in pages():
        label = label_of(page)
        row = rows[label]
        for name in sorted(all_actions(page)):
            if (label, name) in MAY[group]:
                continue
            chosen = {"action": name, "_selected_action": [str(row.pk)], "index": "0", "select_across": "0"}
            for more in ({}, {"post": "yes"}):
                with nothing_changes(f"{group}: {name} of {label}"):
                    client.post(url_of(page, "changelist"), chosen | more)


@pytest.mark.parametrize("group", EVERYBODY)
def test_form_that_is_not_in_the_table_is_refused(group: str, login: Login, rows: dict[str, Model]) -> None:
    client = login(group)

    for page in pages():
        label, pk = label_of(page), rows[label_of(page)].pk
        forms = {"add": url_of(page, "add")} | {name: url_of(page, name, pk) for name in ("change", "delete")}
        for name, url in forms.items():
            if (label, name) in MAY[group]:
                assert client.get(url).status_code == 200, (group, label, name)
                continue
            with nothing_changes(f"{group}: {name} of {label}"):
                answered = client.post(url, form_of(rows[label]) | FORM)
                client.get(url)
            assert answered.status_code == 403, (group, label, name)


def form_of(row: Model) -> dict[str, str]:
    """Return a form as a page would send it: the row's own columns."""
    columns = [field.attname for field in row._meta.concrete_fields]
    return {name.removesuffix("_id"): str(getattr(row, name)) for name in columns}


@pytest.mark.parametrize("group", EVERYBODY)
def test_list_cannot_be_edited_and_looking_changes_nothing(
    group: str, login: Login, rows: dict[str, Model]
) -> None:
    client = login(group)

    for page in pages():
        label, row = label_of(page), rows[label_of(page)]
        edited = {
            "_save": "Save",
            "form-TOTAL_FORMS": "1",
            "form-INITIAL_FORMS": "1",
            "form-0-id": str(row.pk),
        }
        edited |= {f"form-0-{name}": value for name, value in form_of(row).items()}
        with nothing_changes(f"{group}: {label}"):
            client.post(url_of(page, "changelist"), edited)
            looked = client.get(url_of(page, "changelist"))
            client.get(url_of(page, "history", row.pk))
            file = client.get(reverse("list_csv", args=label.split(".")))
            assert file.status_code == looked.status_code, label
        assert page.list_editable == (), f"{label}: {group} may change it in the list?"


@pytest.mark.parametrize("group", EVERYBODY)
def test_inline_rows_are_for_looking(group: str, login: Login, rows: dict[str, Model]) -> None:
    request = request_of(login(group))
    permissions = ("add", "change", "delete")

    offered = {
        (label_of(page), type(inline).__name__, name)
        for page in pages()
        for inline in (kind(page.model, admin.site) for kind in page.inlines)
        for name in permissions
        if getattr(inline, f"has_{name}_permission")(request, rows[label_of(page)])
    }

    assert offered == set()


@pytest.mark.parametrize("group", EVERYBODY)
def test_page_of_its_own_does_what_the_table_says(group: str, login: Login, rows: dict[str, Model]) -> None:
    client = login(group)

    for page in pages():
        label, row = label_of(page), rows[label_of(page)]
        for one in own_pages(page):
            deed = OWN_PAGES[one.name or ""]
            url = address(one.name or "", row)
            if (label, deed) in MAY[group]:
                assert client.get(url).status_code in (200, 302, 405), (group, one.name)
                continue
            with nothing_changes(f"{group}: {one.name}"):
                client.get(url)
                answered = client.post(url, FORM | {"approval": [str(row.pk)]})
            allowed = deed == "look" and group != "nobody"
            assert answered.status_code == (200 if allowed else 403), (group, one.name)


def test_each_of_these_tries_would_be_seen(login: Login, rows: dict[str, Model]) -> None:
    """The same requests by somebody who may do everything do change something."""
    client = login("superuser")
    row = rows["trading.universecandidate"]
    tries = {
        reverse("admin:trading_universecandidate_changelist"): {
            "action": "watch_chosen", "_selected_action": [str(row.pk)], "index": "0",
        },
        reverse("admin:django_celery_beat_periodictask_changelist"): {
            "action": "disable_chosen", "confirmed": "on",
            "_selected_action": [str(rows["django_celery_beat.periodictask"].pk)], "index": "0",
        },
        reverse("admin:auth_group_delete", args=[rows["auth.group"].pk]): FORM,
        reverse("admin:trading_agentstatus_mode"): FORM,
    }  # fmt: skip

    for url, posted in tries.items():
        with transaction.atomic():
            before = state()
            assert client.post(url, posted).status_code == 302
            assert state() != before, url
            transaction.set_rollback(True)
