"""Each group against each address that changes something; CSRF; the first password; sessions."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from orchestrator_project.runtime.prepare import prepare
from orchestrator_project.secret_key import stored_secret_key
from risk.models import KillSwitch, RiskLimits
from tests.factories import (
    make_approval,
    make_asset,
    make_candidate,
    make_decision,
    make_engagement,
    make_strategy,
)
from tests.trading.outside import STOCK
from tests.venue_process import VenueProcess
from trading.core.modes import current_mode
from trading.guards.pause import entries_pause
from trading.models import Approval, Mode, RuntimeSetting, Strategy, SymbolLock, UniverseCandidate

LIMITS = {
    "max_position_percent": "8",
    "max_exposure_percent": "40",
    "max_positions": "10",
    "max_daily_loss_percent": "4",
    "max_position_risk_percent": "1",
    "max_open_risk_percent": "5",
    "note": "calmer",
    "based_on": "1",
}


class Act:
    """One thing that changes something: where it is posted, and whether it was done."""

    def __init__(self, url: str, posted: dict[str, Any], done: Callable[[], bool], *, get: int = 200) -> None:
        self.url, self.posted, self.done, self.get = url, posted, done, get


def engage() -> Act:
    url = reverse("admin:risk_killswitch_engage")
    return Act(url, {"reason": "stop"}, lambda: KillSwitch.objects.exists())


def release() -> Act:
    make_engagement()
    url = reverse("admin:risk_killswitch_release")
    return Act(url, {"reason": "go"}, lambda: KillSwitch.objects.filter(released_at__isnull=False).exists())


def set_mode() -> Act:
    url = reverse("admin:trading_agentstatus_mode")
    return Act(url, {"mode": "semi_auto"}, lambda: current_mode() == Mode.SEMI_AUTO)


def pause_entries() -> Act:
    url = reverse("admin:trading_agentstatus_entries")
    return Act(url, {"reason": "earnings"}, lambda: entries_pause().is_paused)


def lock() -> Act:
    url = reverse("admin:trading_symbollock_add")
    posted = {"symbol": STOCK, "until": "", "reason": "earnings"}
    return Act(url, posted, lambda: SymbolLock.objects.filter(symbol=STOCK).exists())


def answer(word: str) -> Act:
    approval = make_approval(decision=make_decision(symbol=STOCK, status="awaiting_approval"))
    url = reverse("admin:trading_approval_answer", args=[approval.pk])
    return Act(
        url,
        {"answer": word, "reason": "because"},
        lambda: Approval.objects.filter(pk=approval.pk).exclude(status="requested").exists(),
        get=302,
    )


def answer_several(word: str) -> Act:
    approval = make_approval(decision=make_decision(symbol=STOCK, status="awaiting_approval"))
    return Act(
        reverse("admin:trading_approval_answers"),
        {"answer": word, "reason": "because", "approval": [str(approval.pk)]},
        lambda: Approval.objects.filter(pk=approval.pk).exclude(status="requested").exists(),
        get=302,
    )


def send() -> Act:
    decision = make_decision(symbol=STOCK, status="stored")
    url = reverse("admin:trading_aidecision_send", args=[decision.pk])
    return Act(url, {"confirmed": "on"}, lambda: Approval.objects.filter(decision=decision).exists(), get=302)


def change_setting() -> Act:
    url = reverse("admin:trading_runtimesetting_change", args=["price_max_age"])
    return Act(
        url,
        {"value": "45", "reason": "x"},
        lambda: RuntimeSetting.objects.get(pk="price_max_age").value == "45",
    )


def change_strategy() -> Act:
    strategy = make_strategy()
    url = reverse("admin:trading_strategy_change", args=[strategy.pk])
    posted = {
        "name": strategy.name,
        "instructions": "Sell.",
        "universe": "all",
        "size_percent": "2",
        "sizing": strategy.sizing,
        "reason": "smaller",
    }
    return Act(url, posted, lambda: Strategy.objects.get(pk=strategy.pk).size_percent == Decimal(2))


def add_candidate() -> Act:
    make_asset("AAPL")
    url = reverse("admin:trading_universecandidate_add")
    posted = {"symbol": "AAPL", "reason": "liquid"}
    return Act(url, posted, lambda: UniverseCandidate.objects.filter(symbol="AAPL").exists())


def change_candidate() -> Act:
    candidate = make_candidate(symbol=make_asset("GOOG").symbol)
    url = reverse("admin:trading_universecandidate_change", args=[candidate.pk])
    return Act(
        url, {"on_watchlist": "on"}, lambda: UniverseCandidate.objects.get(pk=candidate.pk).on_watchlist
    )


def approve_candidate() -> Act:
    candidate = make_candidate(symbol=make_asset("MSFT").symbol)
    url = reverse("admin:trading_universecandidate_approve", args=[candidate.pk])
    return Act(url, {}, lambda: UniverseCandidate.objects.get(pk=candidate.pk).status == "approved", get=302)


def reject_candidate() -> Act:
    candidate = make_candidate(symbol="NVDA")
    url = f"{reverse('admin:trading_universecandidate_reject')}?id={candidate.pk}"
    return Act(
        url, {"reason": "no"}, lambda: UniverseCandidate.objects.get(pk=candidate.pk).status == "rejected"
    )


def add_limits() -> Act:
    return Act(reverse("admin:risk_risklimits_add"), LIMITS, lambda: RiskLimits.objects.count() == 2)


ACTS: dict[str, Callable[[], Act]] = {
    "engage": engage,
    "release": release,
    "set mode": set_mode,
    "pause entries": pause_entries,
    "lock": lock,
    "approve": lambda: answer("approve"),
    "reject": lambda: answer("reject"),
    "approve several": lambda: answer_several("approve"),
    "reject several": lambda: answer_several("reject"),
    "send": send,
    "change setting": change_setting,
    "change strategy": change_strategy,
    "add candidate": add_candidate,
    "change candidate": change_candidate,
    "approve candidate": approve_candidate,
    "reject candidate": reject_candidate,
    "add limits": add_limits,
}
OPERATOR = {
    "engage",
    "set mode",
    "pause entries",
    "lock",
    "approve",
    "reject",
    "approve several",
    "reject several",
    "send",
}
MAY: dict[str, set[str]] = {
    "viewer": set(),
    "operator": OPERATOR,
    "risk officer": set(ACTS),
    "superuser": set(ACTS),
}
READABLE_BY_ALL = {"change setting", "change strategy", "change candidate"}


@pytest.mark.parametrize("group", MAY)
@pytest.mark.parametrize("name", ACTS)
def test_group_may_do_what_its_role_says_and_nothing_else(
    name: str, group: str, login: Callable[..., Client], venue: VenueProcess
) -> None:
    client = login(group)
    act = ACTS[name]()

    shown = client.get(act.url)
    answered = client.post(act.url, act.posted)

    allowed = name in MAY[group]
    assert act.done() is allowed
    assert answered.status_code == (302 if allowed else 403)
    expected_get = act.get if allowed else (200 if name in READABLE_BY_ALL else 403)
    assert shown.status_code == expected_get


@pytest.mark.parametrize("name", ACTS)
def test_post_without_a_csrf_token_changes_nothing(name: str, login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-6: every state-changing request is protected against cross-site requests."""
    client = login("superuser", enforce_csrf_checks=True)
    act = ACTS[name]()

    answered = client.post(act.url, act.posted)

    assert answered.status_code == 403
    assert not act.done()


def test_post_with_its_csrf_token_is_taken(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-6: the same request from our own page passes."""
    client = login("operator", enforce_csrf_checks=True)
    act = set_mode()
    client.get(act.url)
    token = client.cookies["csrftoken"].value

    answered = client.post(act.url, act.posted | {"csrfmiddlewaretoken": token})

    assert answered.status_code == 302
    assert act.done()


@pytest.mark.parametrize("name", ACTS)
def test_strangers_are_sent_to_the_login(name: str, prepared: None) -> None:
    act = ACTS[name]()

    answered = Client().post(act.url, act.posted)

    assert answered.status_code == 302
    assert answered["Location"].startswith(reverse("admin:login"))
    assert not act.done()


def test_get_never_changes_anything(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-6: a link that somebody is made to follow does nothing."""
    client = login("superuser")

    acts = [make() for name, make in ACTS.items() if name != "engage"]
    for act in acts:
        client.get(act.url, act.posted)

    assert not any(act.done() for act in acts)


def test_sessions_live_in_the_database_and_survive_a_restart(
    login: Callable[..., Client], tmp_path: Any
) -> None:
    """docs/lessons.md#lesson-6: a restart logs nobody out: sessions are rows, and the key that signs is kept."""
    client = login("viewer")

    assert settings.SESSION_ENGINE == "django.contrib.sessions.backends.db"
    assert Session.objects.filter(pk=client.cookies["sessionid"].value).exists()
    assert stored_secret_key(tmp_path) == stored_secret_key(tmp_path)


@pytest.mark.django_db
def test_first_password_is_random_and_given_once() -> None:
    """docs/lessons.md#lesson-1: there is no fixed password, and a later start does not set one."""
    first = prepare()
    admin = User.objects.get(username="admin")

    assert first is not None
    assert len(first) >= 20
    assert admin.check_password(first)
    assert prepare() is None
    assert User.objects.get(username="admin").password == admin.password


@pytest.mark.django_db
@pytest.mark.parametrize("guess", ["admin", "password", "changeme", "", "orchestrator"])
def test_usual_passwords_do_not_open_the_console(guess: str) -> None:
    """docs/lessons.md#lesson-1: nobody gets in with a password that could be guessed from the source."""
    prepare()

    assert not Client().login(username="admin", password=guess)


@pytest.mark.django_db
def test_second_installation_gets_another_password() -> None:
    """docs/lessons.md#lesson-1: two installations never share a password."""
    first = prepare()
    User.objects.all().delete()

    assert prepare() != first


def test_permission_alone_is_enough_for_its_act(login: Callable[..., Client]) -> None:
    client = login("viewer")
    user = User.objects.get(pk=client.session["_auth_user_id"])
    user.user_permissions.add(Permission.objects.get(codename="set_mode"))
    act = set_mode()

    client.post(act.url, act.posted)

    assert act.done()


def test_staff_without_a_group_sees_no_figure(login: Callable[..., Client]) -> None:
    client = login("nobody")
    make_engagement(reason="a secret reason")

    page = client.get(reverse("admin:index")).content.decode()

    assert "in no group that may look at the agent" in page
    assert "Equity" not in page
    assert "a secret reason" not in page
    assert client.get(reverse("admin:trading_order_changelist")).status_code == 403
    assert client.get(reverse("admin:trading_approval_queue")).status_code == 403
