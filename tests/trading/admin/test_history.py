"""What was changed in the console says what it was and is, who changed it and why."""

from collections.abc import Callable
from decimal import Decimal

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from ai.models import ModelPrice
from risk.models import RiskLimits
from tests.factories import make_strategy
from tests.trading.admin.test_forms import setting_url, strategy_form
from tests.trading.admin.test_permissions import LIMITS
from trading.core.settings import set_runtime_setting
from trading.models import Event, RuntimeSetting, StrategyVersion
from trading.queries.event_words import line_of

Login = Callable[..., Client]


def text_of(client: Client, url: str) -> str:
    return " ".join(client.get(url).content.decode().split())


def test_setting_says_what_it_was_who_changed_it_and_why(login: Login) -> None:
    client = login("risk officer")
    actor = User.objects.get(pk=client.session["_auth_user_id"]).username
    url = setting_url("confidence_threshold")

    client.post(url, {"value": "0.62", "reason": "to see more trades"})
    client.post(url, {"value": "0.7", "reason": "too loose"})

    page = text_of(client, url)
    for was, now, why in (("0.7", "0.62", "to see more trades"), ("0.62", "0.7", "too loose")):
        assert f"<del>{was}</del> → <ins>{now}</ins>" in page
        assert f"by <b>{actor}</b>: {why}" in page
    history = text_of(client, reverse("admin:trading_runtimesetting_history", args=["confidence_threshold"]))
    assert "value: 0.7 -&gt; 0.62 (to see more trades)" in history
    assert "value: 0.62 -&gt; 0.7 (too loose)" in history


def test_history_has_what_was_not_changed_in_the_console_too(login: Login) -> None:
    client = login("viewer")
    set_runtime_setting(name="max_coins", value="4", actor="a script", reason="fewer")

    history = text_of(client, reverse("admin:trading_runtimesetting_history", args=["max_coins"]))

    assert "by <b>a script</b>: fewer" in history
    assert "<del>20</del> → <ins>4</ins>" in history
    assert "have a change history" not in history


def test_setting_is_not_changed_without_a_reason(login: Login) -> None:
    page = login("risk officer").post(setting_url("confidence_threshold"), {"value": "0.1", "reason": " "})

    errors = page.context["adminform"].form.errors
    assert errors["reason"] == ["reason: was empty, expected why, in at most 500 characters"]
    assert RuntimeSetting.objects.get(pk="confidence_threshold").value == "0.7"
    assert not Event.objects.filter(type="setting.changed").exists()


def test_who_may_only_look_sees_the_changes_and_is_asked_nothing(login: Login) -> None:
    login("risk officer").post(setting_url("max_coins"), {"value": "3", "reason": "fewer"})
    viewer = login("viewer")

    page = text_of(viewer, setting_url("max_coins"))

    assert "fewer" in page
    assert 'name="reason"' not in page
    strategy = text_of(viewer, reverse("admin:trading_strategy_change", args=[make_strategy().pk]))
    assert 'name="reason"' not in strategy


def test_strategy_and_its_versions_say_what_changed(login: Login) -> None:
    client = login("risk officer")
    strategy = make_strategy(name="Calm", instructions="Hold.")
    url = reverse("admin:trading_strategy_change", args=[strategy.pk])

    client.post(url, strategy_form(instructions="Sell.", reason="the trend broke", keywords="fed, rates"))

    page = text_of(client, url)
    assert "<del>Hold.</del> → <ins>Sell.</ins>" in page
    assert "the trend broke" in page
    version = StrategyVersion.objects.get(strategy=strategy, version=2)
    own = text_of(client, reverse("admin:trading_strategyversion_change", args=[version.pk]))
    assert "<th>version 1</th><th>version 2</th>" in own
    assert "<b>fed, rates</b>" in own
    assert "[&#x27;fed" not in own
    versions = text_of(client, reverse("admin:trading_strategyversion_changelist"))
    assert "instructions, keywords" in versions
    assert "the trend broke" in versions


def test_limits_say_what_each_version_changed(login: Login) -> None:
    client = login("superuser")

    client.post(reverse("admin:risk_risklimits_add"), LIMITS)

    listed = text_of(client, reverse("admin:risk_risklimits_changelist"))
    assert "position 10 -&gt; 8" in listed
    newest = reverse("admin:risk_risklimits_change", args=[RiskLimits.objects.latest("version").pk])
    assert "position 10 -&gt; 8" in text_of(client, newest)


def test_model_price_says_what_it_was(login: Login) -> None:
    client = login("superuser")
    price = ModelPrice.objects.create(
        model="openai/own", input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(2)
    )

    client.post(
        reverse("admin:ai_modelprice_change", args=[price.pk]),
        {"input_usd_per_million": "3", "output_usd_per_million": "2"},
    )

    history = text_of(client, reverse("admin:ai_modelprice_history", args=[price.pk]))
    assert "input_usd_per_million: 1.000000 -&gt; 3" in history


def test_changes_are_said_in_the_terminal(login: Login) -> None:
    client = login("risk officer")
    actor = User.objects.get(pk=client.session["_auth_user_id"]).username
    strategy = make_strategy(name="Calm", instructions="Hold.")

    client.post(setting_url("max_coins"), {"value": "3", "reason": "fewer"})
    form = strategy_form(instructions="Sell.", is_active="", reason="the trend broke")
    client.post(reverse("admin:trading_strategy_change", args=[strategy.pk]), form)

    kinds = ("setting.changed", "strategy.changed")
    lines = [line_of(Event.objects.get(type=kind)) or "" for kind in kinds]
    assert [line.partition(" ")[2] for line in lines] == [  # after the time
        f"setting max_coins 20 -> 3 by {actor}: fewer",
        f"strategy Calm changed by {actor}, version 2 (instructions), inactive now: the trend broke",
    ]
