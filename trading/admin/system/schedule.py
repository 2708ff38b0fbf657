"""The beat schedule in the console's style: django-celery-beat's rules, and what our tasks can take."""

import inspect
import json
from collections.abc import Mapping
from typing import Any

from celery import current_app
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django_celery_beat.admin import CrontabScheduleAdmin as BaseCrontabScheduleAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as BasePeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm, PeriodicTaskInline, TaskSelectWidget
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from trading.admin.base import changes_in_words, labelled
from trading.admin.pages import console_page
from trading.admin.shown.read_only import shown_field
from trading.core.settings import CYCLE_SCHEDULE, MAINTENANCE_SCHEDULE
from trading.domain.words import in_words
from trading.models import Cycle
from trading.templatetags.console import moment
from trading.work import schedule_changes
from trading.work.schedule import stops_by

CRON_FIELDS: Mapping[str, str] = {
    "minute": "minutes from 0 to 59, e.g. 0, */15 or 0,30, or * for every one",
    "hour": "hours from 0 to 23, e.g. 8 or 8-16, or * for every one",
    "day_of_month": "days from 1 to 31, e.g. 1,15, or * for every one",
    "month_of_year": "months from 1 to 12, e.g. 1-6, or * for every one",
    "day_of_week": "days from 0 (Sunday) to 6, or mon to sun, e.g. 1-5, or * for every one",
}
NO_CYCLES = (
    "No trading cycle starts any more: nothing is looked at, decided or sold until it is enabled again."
)
# What the library's form asks, in our words.
ASKED: Mapping[str, tuple[str, str]] = {
    "name": ("Name", ""),
    "regtask": ("Task", "One of the tasks that the workers know."),
    "task": ("Task by name", "Where it is not in the list above."),
    "enabled": ("Enabled", "Beat starts it."),
    "description": ("Description", "What it is for."),
    "interval": ("Interval", "Either this or a crontab."),
    "crontab": ("Crontab", "Either this or an interval."),
    "start_time": ("Starts at", "Not before; empty: at once."),
    "expires": ("Ends at", "Not after; empty: never."),
    "expire_seconds": ("Message lives, seconds", "A worker that gets it later leaves it."),
    "one_off": ("Once only", "Disabled after it ran once."),
}
KEPT_NAMES = (CYCLE_SCHEDULE, MAINTENANCE_SCHEDULE)
EMPTY: Mapping[str, str] = {"args": "[]", "kwargs": "{}"}
STEERED = "interval: follows the setting cycle_interval, expected to be changed there"

for plain in (PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(plain)


class StyledTaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):  # type: ignore[misc]  # untyped libraries
    """The list of registered tasks, styled."""


class StyledPeriodicTaskForm(PeriodicTaskForm):  # type: ignore[misc]  # untyped library
    """The form of a periodic task: a task that exists, with arguments it can take.

    What would keep trading cycles from starting by themselves is asked once more, whichever field does it.
    """

    confirmed = forms.BooleanField(
        required=False,
        label="Let trading stop",
        help_text=f"Tick it to disable this row, or to change it so that it starts no trading cycle. {NO_CYCLES}",
        widget=UnfoldBooleanWidget,
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, help_text) in ASKED.items():
            if name in self.fields:
                self.fields[name].label, self.fields[name].help_text = label, help_text
        if "task" in self.fields:
            self.fields["task"].widget = UnfoldAdminTextInputWidget()
            self.fields["regtask"].widget = StyledTaskSelect()

    def clean_args(self) -> str:
        """Take a JSON list."""
        return self._json("args", list, '["a", 1]')

    def clean_kwargs(self) -> str:
        """Take a JSON object."""
        return self._json("kwargs", dict, '{"cycle_type": "maintenance"}')

    def clean(self) -> dict[str, Any]:
        """Refuse a task nobody runs and arguments it would fail on, before beat sends them for ever."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        task = given.get("task")
        if task and not self.errors:  # arguments that are not asked for are those of the row
            arguments = [
                given.get(name, getattr(self.instance, name)) or none for name, none in EMPTY.items()
            ]
            self._check_task(task, *map(json.loads, arguments))
        if self.instance.name == CYCLE_SCHEDULE and "interval" in self.changed_data:
            self.add_error("interval", STEERED)
        return given

    def _post_clean(self) -> None:
        """Ask before the trading cycle's row stops starting cycles."""
        stored = PeriodicTask.objects.filter(pk=self.instance.pk, name=CYCLE_SCHEDULE).first()
        super()._post_clean()
        if stored is None or self.errors or stops_by(stored) or self.cleaned_data.get("confirmed"):
            return
        if why := stops_by(self.instance):
            self.add_error(
                "confirmed",
                f"confirmed: was not ticked; the row would be {why}. {NO_CYCLES} Tick it to go on.",
            )

    def _update_errors(self, errors: Any) -> None:
        """Say at the top what is about a field that is not on the page."""
        if hasattr(errors, "error_dict"):
            for name in errors.error_dict.keys() - self.fields.keys() - {NON_FIELD_ERRORS}:
                errors.error_dict.setdefault(NON_FIELD_ERRORS, []).extend(errors.error_dict.pop(name))
        super()._update_errors(errors)

    def _json(self, name: str, kind: type, example: str) -> str:
        value: str = self.cleaned_data[name]
        try:
            fits = isinstance(json.loads(value), kind)
        except ValueError:
            fits = False
        if not fits:
            raise ValidationError(f"{name}: was {value!r}, expected JSON like {example}")
        return value

    def _check_task(self, task: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        known = {name: run for name, run in current_app.tasks.items() if not name.startswith("celery.")}
        if task not in known:
            self.add_error("task", f"task: was {task!r}, expected one of {', '.join(sorted(known))}")
            return
        try:
            inspect.signature(known[task].run).bind(*args, **kwargs)
        except TypeError as error:
            self.add_error("kwargs", f"kwargs: {task} cannot take them ({error}), expected what it can take")
        kind = kwargs.get("cycle_type", Cycle.Type.ANALYSIS)
        if kind not in Cycle.Type.values:
            types = ", ".join(Cycle.Type.values)
            self.add_error("kwargs", f"kwargs: cycle_type was {kind!r}, expected one of {types}")


class CrontabForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """A crontab whose fields say what they can take."""

    class Meta:
        model = CrontabSchedule
        fields = [*CRON_FIELDS, "timezone"]
        help_texts = {name: f"Takes {expected}." for name, expected in CRON_FIELDS.items()}

    def add_error(self, field: str | None, error: Any) -> None:
        """Say what was given and expected, where the library's validators only say what they stumbled over."""
        if field is None and isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            for name in error.error_dict.keys() & CRON_FIELDS.keys():
                given = self.data.get(self.add_prefix(name), "")
                error.error_dict[name] = [
                    ValidationError(f"{name}: was {given!r}, expected {CRON_FIELDS[name]}")
                ]
        super().add_error(field, error)


class IntervalForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """An interval beat can keep."""

    every = forms.IntegerField(
        min_value=1,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value"),
            "every: expected a whole number of periods, 1 or more",
        ),
    )

    class Meta:
        model = IntervalSchedule
        fields = ["every", "period"]

    def clean(self) -> dict[str, Any]:
        """Leave the trading cycle's interval to its setting: slots and beat must not drift apart."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        steered = self.instance.pk and self.instance.periodictask_set.filter(name=CYCLE_SCHEDULE).exists()
        if steered and self.changed_data:
            raise ValidationError(
                "every: the trading cycle uses this interval, which follows the setting cycle_interval;"
                " expected to be changed there"
            )
        return given


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _starts_cycles(row: Model | None) -> bool:
    if isinstance(row, PeriodicTask):
        return bool(row.name == CYCLE_SCHEDULE)
    tasks = getattr(row, "periodictask_set", None)
    return bool(tasks is not None and tasks.filter(name=CYCLE_SCHEDULE).exists())


class RecordedAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """A page of the schedule: whoever changes what is run, and when, is written down with the event."""

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Store the row and its event."""
        facts = {name: str(form.cleaned_data.get(name)) for name in form.changed_data}
        if change and (said := changes_in_words(form)):
            facts["changes"] = "; ".join(f"{name}: {words}" for name, words in said.items())
        super().save_model(request, obj, form, change)
        self._record(request, obj, "changed" if change else "added", **facts)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Say in the row's history what was changed from what to what."""
        words = "; ".join(f"{name}: {said}" for name, said in changes_in_words(form).items())
        return super().construct_change_message(request, form, formsets, add) if add or not words else words

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Keep the trading cycle and its interval: without them trading stops for ever, and nothing says so."""
        return not _starts_cycles(obj) and bool(super().has_delete_permission(request, obj))

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Delete the row, and say who did."""
        self._record_deletion(request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the rows, and say of each who did."""
        with transaction.atomic():
            for row in queryset:
                self._record_deletion(request, row)
            super().delete_queryset(request, queryset)

    def _record_deletion(self, request: HttpRequest, row: Model) -> None:
        """Name the tasks that go with their schedule, too."""
        going = [] if isinstance(row, PeriodicTask) else list(row.periodictask_set.all())  # type: ignore[attr-defined]  # every kind of schedule has it
        for one in (*going, row):
            self._record(request, one, "deleted")

    def _record(self, request: HttpRequest, row: Model, what: str, **facts: str) -> None:
        schedule_changes.record(row, what=what, actor=request.user.get_username(), **facts)


class TasksOfSchedule(PeriodicTaskInline):  # type: ignore[misc]  # untyped library
    """The tasks that a schedule starts, for looking."""

    fields = ("name", "task", "enabled")
    readonly_fields = fields


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(BasePeriodicTaskAdmin, RecordedAdmin):  # type: ignore[misc]  # untyped library
    """What beat starts, and when. The trading cycle's interval follows the setting ``cycle_interval``.

    The library offers its own actions to everybody who may look; these need the permission to change. Celery's own
    rows, and schedules by the sun or for one moment, are not shown: nothing of ours is made with them. What a task is
    given, as JSON, and the way of its message are for superusers; others read it in words.
    """

    form = StyledPeriodicTaskForm
    change_form_template = None  # the library's has a script in the page, which the policy does not run
    list_display = ("name", "enabled_label", "scheduler", "arguments", "last_run")
    list_filter = ("enabled", "task")
    date_hierarchy = None
    actions = ["enable_chosen", "disable_chosen", "run_chosen"]

    @labelled(description="state", ordering="-enabled", colours={"enabled": "success", "disabled": "default"})
    def enabled_label(self, row: PeriodicTask) -> str:
        """Show whether beat starts it."""
        return "enabled" if row.enabled else "disabled"

    @admin.display(description="with")
    def arguments(self, row: PeriodicTask) -> str:
        """Show what the task is given, in words."""
        given = json.loads(row.args or "[]"), json.loads(row.kwargs or "{}")
        named = [f"{name.replace('_', ' ')}: {in_words(value)}" for name, value in dict(given[1]).items()]
        return ", ".join([*map(in_words, given[0]), *named]) or "-"

    @admin.display(description="last started", ordering="last_run_at")
    def last_run(self, row: PeriodicTask) -> Any:
        """Show when beat sent it last."""
        return moment(row.last_run_at)

    @admin.display(description="name")
    def called(self, row: PeriodicTask) -> str:
        """Show the name of a row that the system finds by it."""
        return str(row.name)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave Celery's own rows out."""
        return super().get_queryset(request).exclude(task__startswith="celery.")  # type: ignore[no-any-return]  # untyped library

    def get_fieldsets(self, request: HttpRequest, obj: PeriodicTask | None = None) -> list[Any]:
        """Ask for little; for the trading cycle ask whether it may stop."""
        is_cycle = _starts_cycles(obj) and self.has_change_permission(request, obj)
        named = [
            "called" if obj and obj.name in KEPT_NAMES else "name",
            "regtask",
            "task",
            "enabled",
            *(["confirmed"] if is_cycle else []),
            "description",
        ]
        when: list[Any] = [
            "interval",
            "crontab",
            "start_time",
            "expires",
            "expire_seconds",
        ]
        shown = [
            (None, {"fields": named}),
            ("Schedule", {"fields": [*when, "last_run", self._one_off(request, obj)]}),
        ]
        if not _is_superuser(request):
            named[1:2] = []
            return [*shown, ("What it is given", {"fields": ["arguments"]})]
        way = ["queue", "exchange", "routing_key", "priority", "headers"]
        folded = ["collapse"]
        return [
            *shown,
            ("Arguments, as JSON", {"fields": ["args", "kwargs"], "classes": folded}),
            ("The way of its message", {"fields": way, "classes": folded}),
        ]

    def _one_off(self, request: HttpRequest, obj: PeriodicTask | None) -> Any:
        """Return the tick for those who may set it, for others a word: a red cross is a failure."""
        return "one_off" if self.has_change_permission(request, obj) else shown_field(PeriodicTask, "one_off")

    def get_readonly_fields(self, request: HttpRequest, obj: PeriodicTask | None = None) -> list[str]:
        """Keep the names of the rows that the system finds by them: another name would be another row."""
        kept = ["name", "called"] if obj and obj.name in KEPT_NAMES else []
        return [*kept, *super().get_readonly_fields(request, obj), "arguments", "last_run"]

    @admin.action(description="Enable", permissions=["change"])
    def enable_chosen(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Have beat start them again."""
        self._switch(request, chosen, on=True)

    @admin.action(description="Disable: beat starts them no more", permissions=["change"])
    def disable_chosen(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        """Keep beat from starting them; ask before trading stops with one."""
        names = sorted(row.name for row in chosen)
        if CYCLE_SCHEDULE in names and request.POST.get("confirmed") != "on":
            stops = chosen.filter(name=CYCLE_SCHEDULE, enabled=True).exists()
            if stops:
                context = {"title": "Disable", "names": names, "chosen": chosen, "stops": NO_CYCLES}
                return console_page(request, "console/schedule_stop.html", context)
        self._switch(request, chosen, on=False)
        return None

    @admin.action(description="Run once, now", permissions=["change"])
    def run_chosen(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Send them to the workers as beat would."""
        with transaction.atomic():
            for row in chosen:
                self._record(request, row, "run")
        self.run_tasks(request, chosen)

    def _switch(self, request: HttpRequest, chosen: QuerySet[Any], *, on: bool) -> None:
        names = schedule_changes.switch(chosen, on=on, actor=request.user.get_username())
        said = ", ".join(names) or "nothing: they were so already"
        messages.success(request, f"{'Enabled' if on else 'Disabled'}: {said}.")
        if not on and CYCLE_SCHEDULE in names:
            messages.warning(request, NO_CYCLES)


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(BaseCrontabScheduleAdmin, RecordedAdmin):  # type: ignore[misc]  # untyped library
    """Schedules by the clock."""

    form = CrontabForm
    inlines = [TasksOfSchedule]


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(RecordedAdmin):
    """Schedules by interval."""

    form = IntervalForm
