"""The schedule's pages refuse what beat could not run, with the field and what was expected."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from celery import Task
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from trading.core.settings import CYCLE_SCHEDULE, MAINTENANCE_SCHEDULE
from trading.models import Event

Login = Callable[..., Client]
EVERY_HOUR = {
    "minute": "0",
    "hour": "*",
    "day_of_month": "*",
    "month_of_year": "*",
    "day_of_week": "*",
    "timezone": "UTC",
}
NO_TASKS = {"periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0"}  # listed on the page


def page_of(name: str, *args: object) -> str:
    return reverse(f"admin:django_celery_beat_{name}", args=args)


def task_form(**overrides: Any) -> dict[str, Any]:
    hourly = IntervalSchedule.objects.get(every=1, period="hours")
    values = {
        "name": "Extra",
        "task": "trading.start_cycle",
        "regtask": "",
        "enabled": "on",
        "interval": hourly.pk,
        "args": "[]",
        "kwargs": "{}",
        "headers": "{}",
    }
    return values | overrides


def errors_of(answer: Any) -> dict[str, str]:
    """Return the form's errors by field; the answer was no redirect."""
    assert answer.status_code == 200, answer
    return {name: " ".join(lines) for name, lines in answer.context["adminform"].form.errors.items()}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("minute", "99", "minutes from 0 to 59"),
        ("minute", "five", "minutes from 0 to 59"),
        ("minute", "*/0", "minutes from 0 to 59"),
        ("minute", "30-10", "minutes from 0 to 59"),
        ("hour", "24", "hours from 0 to 23"),
        ("day_of_month", "32", "days from 1 to 31"),
        ("day_of_month", "0", "days from 1 to 31"),
        ("month_of_year", "13", "months from 1 to 12"),
        ("day_of_week", "8", "days from 0 (Sunday) to 6"),
    ],
)
def test_bad_crontab_names_the_field_and_what_it_takes(
    field: str, value: str, expected: str, login: Login
) -> None:
    before = CrontabSchedule.objects.count()

    answer = login().post(page_of("crontabschedule_add"), EVERY_HOUR | NO_TASKS | {field: value})

    (said,) = errors_of(answer).items()
    assert said[0] == field
    assert said[1].startswith(f"{field}: was {value!r}, expected {expected}")
    assert CrontabSchedule.objects.count() == before


@pytest.mark.parametrize(("field", "value"), [("minute", "*/15"), ("hour", "8-16"), ("day_of_week", "1-5")])
def test_good_crontab_is_stored(field: str, value: str, login: Login) -> None:
    answer = login().post(page_of("crontabschedule_add"), EVERY_HOUR | NO_TASKS | {field: value})

    assert answer.status_code == 302
    assert CrontabSchedule.objects.filter(**{field: value}).exists()


@pytest.mark.parametrize("every", ["0", "-5", "1.5", "soon", ""])
def test_bad_interval_names_the_field_and_what_it_takes(every: str, login: Login) -> None:
    before = IntervalSchedule.objects.count()

    answer = login().post(page_of("intervalschedule_add"), {"every": every, "period": "seconds"})

    assert errors_of(answer) == {"every": "every: expected a whole number of periods, 1 or more"}
    assert IntervalSchedule.objects.count() == before


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"task": "trading.strat_cycle"}, "task", "task: was 'trading.strat_cycle', expected one of "),
        ({"task": "celery.backend_cleanup"}, "task", "expected one of trading."),
        ({"kwargs": "{"}, "kwargs", "kwargs: was '{', expected JSON like {\"cycle_type\""),
        ({"kwargs": "[]"}, "kwargs", "kwargs: was '[]', expected JSON like"),
        ({"args": "{}"}, "args", "args: was '{}', expected JSON like"),
        ({"kwargs": '{"cycle_typ": "x"}'}, "kwargs", "cannot take them (got an unexpected keyword"),
        (
            {"kwargs": '{"cycle_type": "analisys"}'},
            "kwargs",
            "kwargs: cycle_type was 'analisys', expected one of analysis, execution, maintenance",
        ),
        ({"task": "trading.risk_and_execute"}, "kwargs", "cannot take them (missing a required argument"),
    ],
)
def test_task_that_could_never_run_is_refused(
    values: dict[str, str], field: str, said: str, login: Login
) -> None:
    answer = login().post(page_of("periodictask_add"), task_form(**values))

    errors = errors_of(answer)
    assert list(errors) == [field]
    assert said in errors[field]
    assert not PeriodicTask.objects.filter(name="Extra").exists()


def test_task_without_or_with_two_schedules_is_refused(login: Login) -> None:
    client = login()
    cron = CrontabSchedule.objects.create(**EVERY_HOUR)

    none = client.post(page_of("periodictask_add"), task_form(interval=""))
    both = client.post(page_of("periodictask_add"), task_form(crontab=cron.pk))

    assert "must be set" in json.dumps(errors_of(none))
    assert "Only one" in json.dumps(errors_of(both))
    assert not PeriodicTask.objects.filter(name="Extra").exists()


def test_good_task_is_stored(login: Login) -> None:
    answer = login().post(page_of("periodictask_add"), task_form(kwargs='{"cycle_type": "maintenance"}'))

    assert answer.status_code == 302
    assert PeriodicTask.objects.filter(name="Extra", task="trading.start_cycle").exists()


def test_interval_of_the_trading_cycle_is_left_to_its_setting(login: Login) -> None:
    """Beat and slots must not drift apart: half of the starts would find their slot taken."""
    client = login()
    row = PeriodicTask.objects.get(name=CYCLE_SCHEDULE)
    page = page_of("periodictask_change", row.pk)

    on_task = client.post(page, task_form(name=row.name))
    on_interval = client.post(
        page_of("intervalschedule_change", row.interval_id), {"every": "5", "period": "seconds"}
    )

    steered = "interval: follows the setting cycle_interval, expected to be changed there"
    assert errors_of(on_task) == {"interval": steered}
    assert "the trading cycle uses this interval" in errors_of(on_interval)["__all__"]
    row.refresh_from_db()
    assert (row.interval.every, row.interval.period) == (60, "seconds")


def test_other_tasks_may_change_their_interval(login: Login) -> None:
    row = PeriodicTask.objects.get(name=MAINTENANCE_SCHEDULE)

    answer = login().post(
        page_of("intervalschedule_change", row.interval_id), {"every": "2", "period": "hours"}
    )

    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.interval.every == 2


def chosen(client: Client, action: str, *rows: PeriodicTask, **more: str) -> Any:
    posted = {"action": action, "_selected_action": [str(row.pk) for row in rows], "index": "0"} | more
    return client.post(page_of("periodictask_changelist"), posted, follow=True)


def recorded() -> list[tuple[str, str, str]]:
    """Return what the log says of the schedule: the event, what it was about, and who did it."""
    of_schedule = Event.objects.filter(aggregate_type="schedule_row").order_by("position")
    return [(e.type, e.payload["name"], e.payload["actor"]) for e in of_schedule]


def test_enabling_and_disabling_is_recorded_with_its_author(login: Login) -> None:
    client = login()
    actor = User.objects.get(pk=client.session["_auth_user_id"]).username
    cycle = PeriodicTask.objects.get(name=CYCLE_SCHEDULE)

    chosen(client, "disable_chosen", cycle, confirmed="on")
    disabled = PeriodicTask.objects.get(pk=cycle.pk).enabled
    again = chosen(client, "disable_chosen", cycle)
    chosen(client, "enable_chosen", cycle)

    assert disabled is False
    assert "nothing: they were so already" in again.content.decode()
    assert PeriodicTask.objects.get(pk=cycle.pk).enabled
    assert [(kind, who) for kind, _, who in recorded()] == [
        ("schedule_row.disabled", actor),
        ("schedule_row.enabled", actor),
    ]


def test_changing_and_deleting_is_recorded_with_its_author(login: Login) -> None:
    client = login()
    actor = User.objects.get(pk=client.session["_auth_user_id"]).username
    hourly = PeriodicTask.objects.get(name=MAINTENANCE_SCHEDULE)

    client.post(page_of("periodictask_add"), task_form())
    client.post(
        page_of("periodictask_change", hourly.pk),
        task_form(name=hourly.name, enabled="", interval=hourly.interval_id),
    )
    client.post(page_of("intervalschedule_delete", hourly.interval_id), {"post": "yes"})

    assert not PeriodicTask.objects.filter(name__in=[MAINTENANCE_SCHEDULE, "Extra"]).exists()
    kinds = [kind.removeprefix("schedule_row.") for kind, _, _ in recorded()]
    assert kinds == ["added", "changed", "deleted", "deleted", "deleted"]
    assert {who for _, _, who in recorded()} == {actor}
    changed = Event.objects.get(type="schedule_row.changed").payload
    assert changed["enabled"] == "False"


def test_running_a_task_by_hand_is_recorded_with_its_author(
    login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(Task, "apply_async", lambda task, **_: sent.append(task.name))

    chosen(login(), "run_chosen", PeriodicTask.objects.get(name=MAINTENANCE_SCHEDULE))

    assert sent == ["trading.start_cycle"]
    assert [kind for kind, _, _ in recorded()] == ["schedule_row.run"]


def test_trading_cycle_cannot_be_deleted_by_any_page_or_action(login: Login) -> None:
    client = login()
    row = PeriodicTask.objects.get(name=CYCLE_SCHEDULE)
    other = PeriodicTask.objects.create(name="Extra", task="trading.start_cycle", interval=row.interval)

    client.post(page_of("periodictask_delete", row.pk), {"post": "yes"})
    client.post(page_of("intervalschedule_delete", row.interval_id), {"post": "yes"})
    for page, pks in (("periodictask", [row.pk, other.pk]), ("intervalschedule", [row.interval_id])):
        chosen = {"action": "delete_selected", "_selected_action": pks, "index": "0", "post": "yes"}
        client.post(page_of(f"{page}_changelist"), chosen)

    assert PeriodicTask.objects.filter(pk=row.pk, interval=row.interval).exists()
    assert client.post(page_of("periodictask_delete", other.pk), {"post": "yes"}).status_code == 302
    assert not PeriodicTask.objects.filter(pk=other.pk).exists()


def test_disabling_the_trading_cycle_says_what_stops(login: Login) -> None:
    cycle = PeriodicTask.objects.get(name=CYCLE_SCHEDULE)
    answer = chosen(login(), "disable_chosen", cycle, confirmed="on")

    assert "No trading cycle starts any more" in answer.content.decode()


def cycle_form(row: PeriodicTask, **overrides: Any) -> dict[str, Any]:
    return task_form(interval=row.interval_id, expire_seconds=row.expire_seconds) | overrides


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"enabled": ""}, "the row would be disabled"),
        ({"kwargs": '{"cycle_type": "maintenance"}'}, "the row would be set to maintenance cycles"),
        ({"one_off": "on"}, "the row would be to run once only"),
        ({"start_time_0": "2999-01-01", "start_time_1": "00:00:00"}, "the row would be not to start before"),
    ],
)
def test_what_stops_the_trading_cycle_is_asked_once_more(
    change: dict[str, str], why: str, login: Login
) -> None:
    client = login()
    row = PeriodicTask.objects.get(name=CYCLE_SCHEDULE)
    page = page_of("periodictask_change", row.pk)
    before = PeriodicTask.objects.filter(pk=row.pk).values().get()

    asked = client.post(page, cycle_form(row, **change))

    errors = errors_of(asked)
    assert list(errors) == ["confirmed"]
    assert why in errors["confirmed"]
    assert "nothing is looked at, decided or sold" in errors["confirmed"]
    assert PeriodicTask.objects.filter(pk=row.pk).values().get() == before
    assert client.post(page, cycle_form(row, confirmed="on", **change)).status_code == 302
    assert PeriodicTask.objects.filter(pk=row.pk).values().get() != before


def test_what_stops_nothing_is_not_asked(login: Login) -> None:
    client = login()
    row = PeriodicTask.objects.get(name=CYCLE_SCHEDULE)
    hourly = PeriodicTask.objects.get(name=MAINTENANCE_SCHEDULE)

    described = client.post(page_of("periodictask_change", row.pk), cycle_form(row, description="mine"))
    off = client.post(page_of("periodictask_change", hourly.pk), cycle_form(hourly, enabled=""))

    assert (described.status_code, off.status_code) == (302, 302)
    assert not PeriodicTask.objects.get(pk=hourly.pk).enabled


def test_disabling_the_trading_cycle_with_others_is_asked_once_more(login: Login) -> None:
    client = login()
    rows = list(PeriodicTask.objects.filter(name__in=[CYCLE_SCHEDULE, MAINTENANCE_SCHEDULE]))

    asked = chosen(client, "disable_chosen", *rows)

    page = asked.content.decode()
    assert "nothing is looked at, decided or sold" in page
    assert "Disable, trading stops" in page
    assert PeriodicTask.objects.filter(pk__in=[row.pk for row in rows], enabled=True).count() == 2
    assert recorded() == []


def test_the_rows_the_system_finds_by_name_keep_it(login: Login) -> None:
    """Renamed, the cycle's row could be deleted, and the next change of its interval would make a second one."""
    client = login()
    for name in (CYCLE_SCHEDULE, MAINTENANCE_SCHEDULE):
        row = PeriodicTask.objects.get(name=name)
        client.post(page_of("periodictask_change", row.pk), cycle_form(row, name="Mine"))
        row.refresh_from_db()
        assert row.name == name


def test_what_is_not_ours_is_not_shown(login: Login) -> None:
    every = IntervalSchedule.objects.get(every=1, period="hours")
    cleanup = PeriodicTask.objects.create(
        name="celery.backend_cleanup", task="celery.backend_cleanup", interval=every
    )
    client = login()

    listed = client.get(page_of("periodictask_changelist")).content.decode()
    form = client.get(page_of("periodictask_add")).content.decode()

    assert "celery.backend_cleanup" not in listed
    assert client.get(page_of("periodictask_change", cleanup.pk)).status_code == 302  # as what is not there
    assert 'name="interval"' in form
    assert 'name="solar"' not in form
    assert 'name="clocked"' not in form


def test_what_a_task_is_given_is_said_in_words_to_who_may_not_write_it(login: Login) -> None:
    client = login("operator")
    row = PeriodicTask.objects.get(name=MAINTENANCE_SCHEDULE)

    page = client.get(page_of("periodictask_change", row.pk)).content.decode()

    assert "cycle type: maintenance" in page
    assert "{&quot;cycle_type" not in page
    for unwanted in ("Kwargs", "Routing Key", "Exchange"):
        assert unwanted not in page
