"""The processes of a running system, as far as they leave a sign: workers, beat, sweeper, evaluator."""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings as django_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from connectors import notices as services
from connectors.errors import ConfigurationError
from orchestrator_project import queues
from orchestrator_project.celery import app
from orchestrator_project.runtime.doctor.finding import START, Answer, Check, Status, failed, off, ok, warning
from orchestrator_project.runtime.evaluator import EVALUATOR
from trading.core import settings
from trading.domain.ages import TOLERANCE, is_fresh_age
from trading.events import notifying, outbox
from trading.events.relaying import PROCESS
from trading.events.subscriptions import CONSUMER
from trading.models import AgentStatus, Cycle, Heartbeat, ParkedEvent
from trading.work.lookout import GRACE_SECONDS, SILENT_INTERVALS
from trading.work.schedule import why_no_cycle_starts

PATIENCE_SECONDS = (1.0, 3.0)  # a busy machine gets a second, longer chance
SWEEPER_MAX_AGE = timedelta(seconds=10)
EVENTS_MAX_AGE = timedelta(seconds=30)  # they wait up to 15 s for a transport that is away
LATE_EVENTS = timedelta(seconds=60)
MISSED_INTERVALS = 3
CLOCKS_DIFFER = timedelta(seconds=5)
IN_CONSOLE = "in the console: System, Schedule"


def workers() -> Answer:
    """Ask all workers which queues they read."""
    for seconds in PATIENCE_SECONDS:
        answers = app.control.inspect(timeout=seconds).active_queues() or {}
        readers = {
            queue: sorted(name for name, read in answers.items() if queue in {each["name"] for each in read})
            for queue in queues.ALL
        }
        if all(readers.values()):
            return ok("; ".join(f"{queue}: {', '.join(names)}" for queue, names in readers.items()))
    missing = [queue for queue, names in readers.items() if not names]
    return failed(f"no worker answers for queue {' and '.join(missing)}", START)


def schedule() -> Answer:
    """Look at the rows that beat works by."""
    rows = {
        row.name: row
        for row in PeriodicTask.objects.select_related("interval").filter(
            name__in=[settings.CYCLE_SCHEDULE, settings.MAINTENANCE_SCHEDULE]
        )
    }
    row = rows.get(settings.CYCLE_SCHEDULE)
    if row is None or row.interval is None:
        return failed(f"{settings.CYCLE_SCHEDULE!r} has no interval", "`manage.py prepare` adds it")
    if (starts := schedule_of_cycles()).status is not Status.OK:
        return starts
    if settings.MAINTENANCE_SCHEDULE not in rows:
        return warning(f"{settings.MAINTENANCE_SCHEDULE!r} is missing", "`manage.py prepare` adds it")
    if disabled := [name for name, each in rows.items() if not each.enabled]:
        return warning(
            f"disabled: {', '.join(disabled)}; no such cycle starts by itself", f"enable it {IN_CONSOLE}"
        )
    wanted = settings.count("cycle_interval")
    every = int(row.interval.schedule.run_every.total_seconds())
    if every != wanted:
        return warning(
            f"a cycle every {every} s, but the setting cycle_interval says {wanted} s",
            "save cycle_interval once more (in the console: System, Settings): the schedule follows it",
        )
    return ok(f"a cycle every {every} s, maintenance {rows[settings.MAINTENANCE_SCHEDULE].interval}")


def schedule_of_cycles() -> Answer:
    """Look at whether trading cycles start by themselves."""
    reason = why_no_cycle_starts()
    if reason is None:
        return ok("trading cycles start by themselves")
    words = f"{reason}; no trading cycle starts by itself, and no exit is decided"
    return warning(words, f"enable it {IN_CONSOLE}, or `manage.py prepare` where it is missing")


def starts_by_itself() -> bool:
    """Return whether trading cycles start by themselves."""
    return why_no_cycle_starts() is None


def sync(overdue: Callable[[str, str], Answer] = warning) -> Answer:
    """Look at when the account was last read, by a cycle or by the sweeper itself (wall time).

    Args:
        overdue: what it is where that was too long ago.
    """
    read_at = AgentStatus.objects.filter(pk=1).values_list("positions_as_of", flat=True).first()
    if read_at is None:
        return ok("the account was not read yet")
    age = timezone.now() - read_at
    if age < -CLOCKS_DIFFER:
        return warning(
            f"the account was read {-age.total_seconds():.0f} s from now", "set the machine's clock by NTP"
        )
    bound = settings.seconds("cycle_interval") * SILENT_INTERVALS + GRACE_SECONDS
    words = f"the account was last read {_ago(age)}"
    if age.total_seconds() <= bound:
        return ok(words)
    return overdue(
        f"{words}, by no cycle and not by the sweeper: nobody watches its loss",
        f"see broker, sweeper and locks; where nothing runs {START}",
    )


def beat() -> Answer:
    """Judge by its cycles whether beat runs: it leaves no other sign."""
    last = Cycle.objects.filter(trigger="schedule").order_by("-number").first()
    if last is None:
        return ok("no scheduled cycle yet")
    age = timezone.now() - last.started_at
    seconds = settings.seconds("cycle_interval") * MISSED_INTERVALS + settings.seconds("cycle_deadline")
    words = f"the last scheduled cycle started {_ago(age)}"
    return ok(words) if is_fresh_age(age, timedelta(seconds=seconds)) else warning(words, START)


def sweeper() -> Answer:
    """Look at the sweeper's last sign of life."""
    row = Heartbeat.objects.filter(process="sweeper").first()
    if row is None:
        return failed("it has never run here", START)
    age = timezone.now() - row.beaten_at
    words = f"last sign of life {_ago(age)}"
    return ok(words) if is_fresh_age(age, SWEEPER_MAX_AGE) else failed(words, START)


def relay() -> Answer:
    """Look at the relay's last sign of life, and how far publishing is behind."""
    answer = _sign_of(PROCESS)
    behind = outbox.backlog()
    if answer.status is Status.OK and behind.oldest > LATE_EVENTS:
        seconds = behind.oldest.total_seconds()
        words = f"{behind.count} events wait to be published, the oldest for {seconds:.0f} s"
        return warning(words, "see whether EVENTS_URL answers (the check events), and the relay's log")
    return answer


def consumer() -> Answer:
    """Look at the event consumer's last sign of life, and at what it could not take."""
    answer = _sign_of(CONSUMER)
    parked = ParkedEvent.objects.filter(status=ParkedEvent.Status.PARKED).count()
    if answer.status is Status.OK and parked:
        return warning(f"{parked} messages are parked", "look at them in the console: System, Parked events")
    return answer


def evaluator() -> Answer:
    """Look at the evaluator's last sign of life, and at what it could not do; trading does without it."""
    return _sign_of(EVALUATOR)


def notices() -> Answer:
    """Check whether notices reach a person."""
    addresses = django_settings.ENVIRONMENT.apprise_urls
    if not addresses:
        return off("nobody is told when something needs a person", "set APPRISE_URLS to be told")
    for number, address in enumerate(addresses, start=1):
        try:
            services.check(address)
        except ConfigurationError as error:
            return warning(
                f"address {number} of APPRISE_URLS: {error}", "correct it; apprise's wiki has the forms"
            )
    answer = _sign_of(notifying.CONSUMER)
    if answer.status is not Status.OK:
        return answer
    now, standing = timezone.now(), notifying.notice_standing()
    sent = f"last sent {_ago(now - standing.last_sent_at)}" if standing.last_sent_at else "nothing sent yet"
    words = f"{len(addresses)} addresses, {sent}, {standing.waiting} waiting"
    failed_at = standing.last_failed_at
    if failed_at and (standing.last_sent_at is None or failed_at > standing.last_sent_at):
        return warning(
            f"{words}; last failure {_ago(now - failed_at)}: {standing.last_error}",
            "`manage.py notify --test` tries each address",
        )
    return ok(words)


def _sign_of(process: str) -> Answer:
    """Judge by its heartbeat whether a process runs that trading can do without."""
    row = Heartbeat.objects.filter(process=process).first()
    if row is None:
        return warning("it has never run here", START)
    age = timezone.now() - row.beaten_at
    words = f"last sign of life {_ago(age)}: {row.detail}"
    return ok(words) if is_fresh_age(age, EVENTS_MAX_AGE) else warning(words, START)


def _ago(age: timedelta) -> str:
    if age < -TOLERANCE:
        return f"{-age.total_seconds():.0f} s from now: a clock stepped back since"
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


CHECKS = (
    Check("workers", workers, needs=("queue",)),
    Check("schedule", schedule, needs=("migrations",)),
    Check("sync", sync, needs=("migrations",)),
    Check("beat", beat, needs=("migrations",)),
    Check("sweeper", sweeper, needs=("migrations",)),
    Check("relay", relay, needs=("migrations",)),
    Check("consumer", consumer, needs=("migrations",)),
    Check("evaluator", evaluator, needs=("migrations",)),
    Check("notices", notices, needs=("migrations",), late=Status.WARNING),
)
