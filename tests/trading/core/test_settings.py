"""Settings and mode: changed by name, with their author, and followed at once."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask

from tests.factories import make_agent, make_order
from trading.core import modes, settings
from trading.errors import SettingError
from trading.models import Event, Order, RuntimeSetting

pytestmark = pytest.mark.django_db


def test_unset_value_is_the_default() -> None:
    assert settings.runtime_value("confidence_threshold") == Decimal("0.7")
    assert settings.seconds("price_max_age") == 90.0
    assert settings.count("max_stocks") == 120


def test_set_value_is_read_at_once_and_keeps_its_author() -> None:
    settings.set_runtime_setting(name="max_stocks", value=" 50 ", actor="ada")

    row = RuntimeSetting.objects.get()
    assert (row.value, row.unit, row.updated_by) == ("50", "count", "ada")
    assert settings.count("max_stocks") == 50


def test_unknown_setting_is_refused_with_the_known_ones() -> None:
    """docs/lessons.md#lesson-30: a misspelt limit is no silent nothing."""
    with pytest.raises(SettingError, match="max_stock: no such setting, expected one of cycle_interval"):
        settings.set_runtime_setting(name="max_stock", value="5", actor="ada")

    with pytest.raises(KeyError):
        settings.runtime_value("max_stock")


def test_value_out_of_bounds_changes_nothing() -> None:
    """docs/lessons.md#lesson-30."""
    with pytest.raises(SettingError, match="expected a number of seconds from 10 to 3600"):
        settings.set_runtime_setting(name="cycle_interval", value="5", actor="ada")

    assert not RuntimeSetting.objects.exists()
    assert not PeriodicTask.objects.exists()


def test_stored_value_that_became_unreadable_is_an_error() -> None:
    """docs/lessons.md#lesson-30: it does not fall back to a default nobody chose."""
    RuntimeSetting.objects.create(name="price_max_age", value="soon", unit="seconds", description="")

    with pytest.raises(SettingError, match="price_max_age: was 'soon'"):
        settings.seconds("price_max_age")


def test_schedule_follows_the_interval() -> None:
    settings.set_runtime_setting(name="cycle_interval", value="60", actor="ada")
    settings.set_runtime_setting(name="cycle_interval", value="120", actor="ada")

    task = PeriodicTask.objects.get()
    assert (task.name, task.task) == (settings.CYCLE_SCHEDULE, "trading.start_cycle")
    assert (task.interval.every, task.interval.period) == (120, "seconds")
    assert task.expire_seconds == 60


def test_other_settings_leave_the_schedule_alone() -> None:
    settings.set_runtime_setting(name="max_coins", value="3", actor="ada")

    assert not PeriodicTask.objects.exists()


def test_change_is_an_event_with_both_values_its_author_and_why() -> None:
    settings.set_runtime_setting(name="confidence_threshold", value="0.62", actor="ada", reason="a try")
    settings.set_runtime_setting(name="confidence_threshold", value="0.62", actor="bob", reason="again")
    settings.set_runtime_setting(name="confidence_threshold", value="0.7", actor="bob", reason="too loose")

    events = Event.objects.filter(aggregate_type="setting", aggregate_id="confidence_threshold")
    assert {event.type for event in events} == {"setting.changed"}
    payloads = [event.payload for event in events.order_by("sequence")]
    assert [(p["from"], p["to"], p["actor"], p["reason"]) for p in payloads] == [
        ("0.7", "0.62", "ada", "a try"),
        ("0.62", "0.7", "bob", "too loose"),
    ]


def test_mode_is_set_with_an_event_and_its_author() -> None:
    make_agent(mode="manual")

    assert modes.set_mode(mode="autonomous", actor="ada") == "manual"

    assert modes.current_mode() == "autonomous"
    event = Event.objects.get()
    assert event.type == "agent.mode_set"
    assert event.payload == {"from": "manual", "to": "autonomous", "actor": "ada"}


def test_same_mode_again_is_no_event() -> None:
    make_agent(mode="manual")

    modes.set_mode(mode="manual", actor="ada")

    assert not Event.objects.exists()


def test_unknown_mode_is_refused() -> None:
    make_agent(mode="manual")

    with pytest.raises(SettingError, match="mode: was 'yolo', expected one of autonomous, semi_auto, manual"):
        modes.set_mode(mode="yolo", actor="ada")


def test_a_slow_model_may_have_the_time_that_interval_and_deadline_leave() -> None:
    settings.set_runtime_setting(name="cycle_interval", value="120", actor="ada")

    settings.set_runtime_setting(name="analysis_timeout", value="75", actor="ada")

    assert settings.seconds("analysis_timeout") == 75


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "cycle_interval",
            "60",
            "cycle_interval (60 s) must be at least 87 s (fetch_timeout 12 + analysis_timeout 75)",
        ),
        ("cycle_deadline", "116", "cycle_deadline (116 s) must be at least 117 s"),
        ("price_max_age", "80", "price_max_age (80 s) must be at least 87 s"),
        (
            "analysis_timeout",
            "109",
            "lysis_timeout 109), else each cycle runs into the next: raise cycle_interval first",
        ),
        ("analysis_timeout", "80", "raise price_max_age first, or take analysis_timeout 78 at most"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_both_names(
    name: str, value: str, words: str
) -> None:
    settings.set_runtime_setting(name="cycle_interval", value="120", actor="ada")
    settings.set_runtime_setting(name="analysis_timeout", value="75", actor="ada")

    with pytest.raises(SettingError, match=re.escape(words)) as refused:
        settings.set_runtime_setting(name=name, value=value, actor="ada")

    assert str(refused.value).startswith(f"{name}: was {value}")
    assert settings.several("cycle_interval", "analysis_timeout") == {
        "cycle_interval": 120,
        "analysis_timeout": 75,
    }
    settings.check_combination()


@pytest.mark.parametrize(
    ("name", "value"), [("cycle_interval", "10"), ("cycle_deadline", "30"), ("price_max_age", "5")]
)
def test_the_default_analysis_goes_with_any_interval(name: str, value: str) -> None:
    settings.set_runtime_setting(name=name, value=value, actor="ada")

    settings.check_combination()


def test_what_bounds_another_can_be_put_right_one_by_one() -> None:
    for name in ("cycle_interval", "price_max_age"):
        RuntimeSetting.objects.create(name=name, value="soon", unit="seconds", description="")

    settings.set_runtime_setting(name="cycle_interval", value="60", actor="ada")
    settings.set_runtime_setting(name="price_max_age", value="90", actor="ada")

    settings.check_combination()


@pytest.mark.django_db
def test_settings_of_one_visit_are_read_once(django_assert_num_queries: Any) -> None:
    RuntimeSetting.objects.create(name="order_attempts", value="2", unit="count", description="")
    with settings.read_once(), django_assert_num_queries(1):
        assert settings.count("order_attempts") == 2
        assert settings.seconds("order_timeout") == 10
        assert settings.word("semi_auto_exits") == "ask"
        assert settings.AsNeeded("order_timeout")["order_timeout"] == 10

    with settings.read_once():
        assert settings.count("order_attempts") == 2
        RuntimeSetting.objects.filter(pk="order_attempts").update(value="3")
        assert settings.count("order_attempts") == 2
    assert settings.count("order_attempts") == 3


@pytest.mark.django_db
def test_settings_read_beside_a_row_are_those_of_the_block(django_assert_num_queries: Any) -> None:
    settings.set_runtime_setting(name="order_attempts", value="2", actor="test")
    make_order()
    query = settings.with_all(Order.objects.all())

    with settings.read_once(), django_assert_num_queries(1):
        settings.keep_read_with(query.get())
        assert settings.count("order_attempts") == 2
        assert settings.seconds("order_timeout") == 10

    settings.keep_read_with(query.get())  # no block is open: each is read when it is needed
    settings.set_runtime_setting(name="order_attempts", value="3", actor="test")
    assert settings.count("order_attempts") == 3


@pytest.mark.django_db
def test_where_nothing_is_stored_that_is_read_once_too(django_assert_num_queries: Any) -> None:
    RuntimeSetting.objects.all().delete()

    with settings.read_once(), django_assert_num_queries(1):
        assert settings.count("order_attempts") == settings.count("order_attempts") == 3
