"""What is typed in is checked, and a refusal names the field and what was expected."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from ai.models import ModelPrice
from risk.models import RiskLimits
from risk.services.limits import add_version
from tests.factories import (
    make_agent,
    make_asset,
    make_candidate,
    make_cycle,
    make_limits,
    make_strategy,
)
from tests.trading.admin.test_permissions import LIMITS
from trading.analysis import safe_mode
from trading.models import Event, RuntimeSetting, Strategy, UniverseCandidate

LIMITS_ADD = reverse("admin:risk_risklimits_add")
QUEUE = reverse("admin:trading_approval_queue")


def setting_url(name: str) -> str:
    return reverse("admin:trading_runtimesetting_change", args=[name])


def messages_after(client: Client, url: str) -> list[str]:
    return [str(message) for message in client.get(url).context["messages"]]


def test_setting_is_stored_with_its_author_and_moves_the_schedule(login: Callable[..., Client]) -> None:
    client = login("risk officer")

    client.post(setting_url("cycle_interval"), {"value": "30", "reason": "faster"})

    row = RuntimeSetting.objects.get(pk="cycle_interval")
    assert (row.value, row.unit) == ("30", "seconds")
    assert row.updated_by == client.get(QUEUE).context["user"].username
    assert PeriodicTask.objects.get(name="Trading cycle").interval.every == 30


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cycle_interval", "5", "cycle_interval: was '5', expected a number of seconds from 10 to 3600"),
        ("cycle_interval", "NaN", "cycle_interval: was 'NaN', expected a number of seconds from 10 to 3600"),
        (
            "cycle_interval",
            "often",
            "cycle_interval: was 'often', expected a number of seconds from 10 to 3600",
        ),
        ("max_coins", "2.5", "max_coins: was '2.5', expected a whole number from 0 to 200"),
        (
            "confidence_threshold",
            "70",
            "confidence_threshold: was '70', expected a number from 0 to 1",
        ),
        (
            "analysis_timeout",
            "60",
            "analysis_timeout: was 60, but cycle_interval (60 s) must be at least 72 s"
            " (fetch_timeout 12 + analysis_timeout 60), else each cycle runs into the next: raise cycle_interval"
            " first, or take analysis_timeout 48 at most",
        ),
    ],
)
def test_setting_out_of_bounds_is_refused_in_words(
    name: str, value: str, expected: str, login: Callable[..., Client]
) -> None:
    """docs/lessons.md#lesson-5: NaN and nonsense never reach state."""
    before = None
    client = login("risk officer")
    before = RuntimeSetting.objects.get(pk=name).value

    page = client.post(setting_url(name), {"value": value, "reason": "a try"})

    assert page.context["adminform"].form.errors["value"] == [expected]
    assert RuntimeSetting.objects.get(pk=name).value == before


def test_setting_without_a_spec_cannot_be_edited(login: Callable[..., Client]) -> None:
    RuntimeSetting.objects.create(name="left_over", value="1")

    answer = login("superuser").post(setting_url("left_over"), {"value": "2"})

    assert answer.status_code == 403


def test_editing_limits_adds_a_version_and_keeps_the_old(login: Callable[..., Client]) -> None:
    client = login("superuser")
    before = RiskLimits.objects.filter(version=1).values().get()

    form = client.get(LIMITS_ADD).context["adminform"].form
    client.post(LIMITS_ADD, LIMITS)

    assert form.initial["max_position_percent"] == Decimal(10)
    newest = RiskLimits.objects.first()
    assert newest is not None
    assert (newest.version, newest.max_position_percent, newest.max_positions) == (2, Decimal(8), 10)
    assert (newest.author, newest.note) == (client.get(QUEUE).context["user"].username, "calmer")
    assert RiskLimits.objects.filter(version=1).values().get() == before


def test_old_versions_cannot_be_changed_or_deleted(login: Callable[..., Client]) -> None:
    client = login("superuser")

    changed = client.post(reverse("admin:risk_risklimits_change", args=[1]), LIMITS)
    deleted = client.post(reverse("admin:risk_risklimits_delete", args=[1]), {"post": "yes"})

    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert RiskLimits.objects.get().max_position_percent == Decimal(10)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "max_position_percent",
            "0",
            "max_position_percent: was 0, expected a number above 0 and at most 100",
        ),
        ("max_exposure_percent", "101", "max_exposure_percent: was 101, expected a number above 0"),
        ("max_daily_loss_percent", "-1", "max_daily_loss_percent: was -1, expected a number above 0"),
        ("max_positions", "0", "max_positions: was 0, expected a whole number of at least 1"),
        ("max_position_percent", "41", "expected at most max_exposure_percent (40)"),
        ("max_position_percent", "NaN", "Enter a number"),
        ("note", "", "note: was empty, expected why the limits change"),
    ],
)
def test_limits_out_of_bounds_are_refused_in_words(
    field: str, value: str, expected: str, login: Callable[..., Client]
) -> None:
    page = login("superuser").post(LIMITS_ADD, LIMITS | {field: value})

    assert expected in page.context["adminform"].form.errors[field][0]
    assert RiskLimits.objects.count() == 1


def test_limits_somebody_else_changed_meanwhile_are_not_overwritten(login: Callable[..., Client]) -> None:
    client = login("superuser")
    values = {name: Decimal(LIMITS[name]) for name in LIMITS if name.startswith("max_")}
    add_version(values=values, author="ada", note="first", based_on=1)

    answer = client.post(LIMITS_ADD, LIMITS)

    assert answer["Location"] == LIMITS_ADD
    assert "in force is version 2 by ada" in messages_after(client, QUEUE)[0]
    assert RiskLimits.objects.count() == 2


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("aapl", "symbol: was 'aapl', malformed, expected a stock like AAPL"),
        ("BTC/EUR", "malformed, expected a stock like AAPL or BRK.B, or a coin like BTC/USD"),
        ("ZZZZ", "symbol: was 'ZZZZ', unknown, the broker lists no tradable asset of this name"),
        ("OFF", "symbol: was 'OFF', unknown"),
    ],
)
def test_candidate_symbol_is_checked(symbol: str, expected: str, login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-12: no symbol passes unchecked."""
    make_asset("OFF", tradable=False)
    url = reverse("admin:trading_universecandidate_add")

    page = login("superuser").post(url, {"symbol": symbol, "on_watchlist": "on"})

    assert expected in page.context["adminform"].form.errors["symbol"][0]
    assert not UniverseCandidate.objects.exists()


def test_candidate_keeps_its_symbol(login: Callable[..., Client]) -> None:
    make_asset("MSFT")
    candidate = make_candidate(symbol=make_asset("AAPL").symbol)
    url = reverse("admin:trading_universecandidate_change", args=[candidate.pk])

    login("superuser").post(url, {"symbol": "MSFT", "status": "approved", "on_watchlist": "on"})

    candidate.refresh_from_db()
    assert (candidate.symbol, candidate.status, candidate.on_watchlist) == ("AAPL", "proposed", True)


@pytest.mark.parametrize("size", ["0", "-3", "100.5"])
def test_strategy_size_is_refused_in_words(size: str, login: Callable[..., Client]) -> None:
    strategy = make_strategy()
    url = reverse("admin:trading_strategy_change", args=[strategy.pk])

    page = login("superuser").post(url, {"name": "x", "instructions": "y", "size_percent": size})

    error = page.context["adminform"].form.errors["size_percent"][0]
    assert error == f"size percent: was {size}, expected a number above 0 and at most 100"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "stop_percent: was not given, expected a number above 0 and at most 99"),
        ("-3", "stop_percent: was -3, expected a number above 0 and at most 99"),
        ("40", "stop_percent: was 40, expected 0.5 to 15, as tightest and widest stop say"),
    ],
)
def test_strategy_stop_is_refused_in_words(value: str, said: str, login: Callable[..., Client]) -> None:
    strategy = make_strategy()
    url = reverse("admin:trading_strategy_change", args=[strategy.pk])
    bounds = {"tightest_stop_percent": "0.5", "widest_stop_percent": "15"}

    page = login("superuser").post(url, strategy_form(stop_percent=value, **bounds))

    assert page.context["adminform"].form.errors["stop_percent"] == [said]


def test_mode_is_set_and_said(login: Callable[..., Client]) -> None:
    client = login("operator")
    make_agent(mode="manual")

    client.post(reverse("admin:trading_agentstatus_mode"), {"mode": "autonomous"})

    assert messages_after(client, reverse("admin:index")) == ["The mode is autonomous, it was manual."]
    assert Event.objects.get(type="agent.mode_set").payload["to"] == "autonomous"


@pytest.mark.parametrize(("posted", "expected"), [({}, "was not given"), ({"mode": "live"}, "was 'live'")])
def test_mode_that_does_not_exist_is_refused(
    posted: dict[str, str], expected: str, login: Callable[..., Client]
) -> None:
    page = login("operator").post(reverse("admin:trading_agentstatus_mode"), posted)

    assert expected in page.context["form"].errors["mode"][0]
    assert "expected one of autonomous, semi_auto, manual" in page.context["form"].errors["mode"][0]


def strategy_form(**overrides: str) -> dict[str, str]:
    values = {
        "name": "Calm",
        "instructions": "Hold.",
        "universe": "all",
        "size_percent": "3",
        "allows_fractions": "on",
    }
    return values | {"sizing": "fixed_fraction", "is_active": "on", "reason": "a try"} | overrides


def test_strategy_is_stored_with_its_lists_limits_and_version(login: Callable[..., Client]) -> None:
    client = login("risk officer")
    url = reverse("admin:trading_strategy_add")
    make_limits()
    for model in ("openai/a", "openai/b"):
        ModelPrice.objects.create(model=model, input_usd_per_million=1, output_usd_per_million=2)

    client.post(
        url, strategy_form(keywords="fed,rate cut", model_names="openai/a, openai/b", max_positions="3")
    )

    strategy = Strategy.objects.get(name="Calm")
    assert (strategy.keywords, strategy.model_names) == (["fed", "rate cut"], ["openai/a", "openai/b"])
    assert (strategy.max_positions, strategy.max_position_percent) == (3, None)
    [version] = strategy.versions.all()
    assert (version.version, version.content["keywords"]) == (1, ["fed", "rate cut"])
    assert version.author == client.get(QUEUE).context["user"].username

    change = reverse("admin:trading_strategy_change", args=[strategy.pk])
    client.post(change, strategy_form(instructions="Buy."))

    strategy.refresh_from_db()
    assert (strategy.version, strategy.instructions) == (2, "Buy.")


def test_strategy_looser_than_the_account_is_refused_with_the_figure(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-26."""
    client = login("risk officer")
    newest = make_limits(max_position_percent=Decimal(8))
    make_asset("AAPL")

    page = client.post(
        reverse("admin:trading_strategy_add"),
        strategy_form(max_position_percent="9", symbols="AAPL,nope", model_names="two words"),
    )

    errors = page.context["adminform"].form.errors
    assert errors["max_position_percent"] == [
        "max_position_percent: was 9, expected at most the account's 8.000"
        f" (limits version {newest.version}): a strategy's limits are only ever tighter"
    ]
    assert errors["symbols"][0].startswith("symbols: was 'nope', malformed, expected a stock")
    assert errors["model_names"][0].startswith("model_names: was 'two words', expected a litellm name")
    assert not Strategy.objects.filter(name="Calm").exists()


def test_strategy_of_nonsense_is_refused_and_a_new_one_is_inactive(login: Callable[..., Client]) -> None:
    client = login("risk officer")
    make_asset("BTC/USD")
    url = reverse("admin:trading_strategy_add")
    fresh = client.get(url).context["adminform"].form

    page = client.post(url, strategy_form(symbols="BTC, XYZ", model_names="gpt-nonsense"))

    assert fresh["is_active"].value() is False
    errors = page.context["adminform"].form.errors
    assert errors["symbols"] == [
        "symbols: was 'BTC', unknown, the broker lists no tradable asset of this name; BTC/USD?;"
        " was 'XYZ', unknown, the broker lists no tradable asset of this name"
    ]
    assert errors["model_names"][0].startswith(
        "model_names: was 'gpt-nonsense', expected builtin/technical-v1,"
    )
    assert not Strategy.objects.filter(name="Calm").exists()


def test_model_price_is_stored_with_its_author(login: Callable[..., Client]) -> None:
    client = login("risk officer")
    url = reverse("admin:ai_modelprice_add")

    client.post(url, {"model": "openai/own", "input_usd_per_million": "1.5", "output_usd_per_million": "6"})

    row = ModelPrice.objects.get(pk="openai/own")
    assert (row.input_usd_per_million, row.output_usd_per_million) == (Decimal("1.5"), 6)
    assert row.updated_by == client.get(QUEUE).context["user"].username


def test_negative_model_price_is_refused(login: Callable[..., Client]) -> None:
    client = login("superuser")
    url = reverse("admin:ai_modelprice_add")

    page = client.post(
        url, {"model": "openai/own", "input_usd_per_million": "-1", "output_usd_per_million": "6"}
    )

    errors = page.context["adminform"].form.errors
    assert errors == {"input_usd_per_million": ["price: was -1, expected a number of USD from 0"]}
    assert not ModelPrice.objects.exists()


def test_safe_mode_shows_its_way_out_and_a_person_takes_it(login: Callable[..., Client]) -> None:
    client = login("operator")
    make_agent()
    cycle = make_cycle()
    for _ in range(3):
        safe_mode.after_analysis(cycle.pk, answered=False)
    way_out = reverse("admin:trading_agentstatus_active")
    assert way_out in client.get(reverse("admin:index")).content.decode()

    refused = client.post(way_out, {"reason": " "})
    assert refused.context["form"].errors["reason"] == [
        "reason: was empty, expected why, in at most 500 characters"
    ]
    client.post(way_out, {"reason": "the key was renewed"})

    assert messages_after(client, reverse("admin:index")) == [
        "Trading is active again: entries pass the gate."
    ]
    assert "banner-reducing" not in client.get(reverse("admin:index")).content.decode()


def test_viewer_has_no_way_out_of_safe_mode(login: Callable[..., Client]) -> None:
    assert (
        login("viewer").post(reverse("admin:trading_agentstatus_active"), {"reason": "x"}).status_code == 403
    )


def test_strategy_that_ceases_to_trade_wants_a_tick(login: Callable[..., Client]) -> None:
    make_limits()
    client, strategy = login("risk officer"), make_strategy(name="Calm")
    url = reverse("admin:trading_strategy_change", args=[strategy.pk])

    refused = client.post(url, strategy_form(is_shadow="on"))

    assert "Calm trades no more" in refused.content.decode()
    strategy.refresh_from_db()
    assert not strategy.is_shadow

    client.post(url, strategy_form(is_shadow="on", confirmed="on"))

    strategy.refresh_from_db()
    assert (strategy.is_shadow, strategy.version) == (True, 2)
