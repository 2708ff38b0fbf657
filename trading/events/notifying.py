"""Tells a person what needs attention: events become notices, notices are gathered, and messages go to every address.

A notice is gathered in the transaction that says its event is handled; a message is made of what is due in one
transaction, and each address that has taken it is written down before the next is tried. Killed anywhere, nothing
is lost, and one address at most is told one message again. One process does this at a time.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.crypto import salted_hmac

from connectors import notices
from connectors.errors import ConnectorError
from connectors.redaction import redact
from trading.access.approval_links import with_links
from trading.core.waits import is_over
from trading.core.work import Work
from trading.domain.ages import in_force
from trading.domain.backoff import backoff_seconds
from trading.domain.events.incoming import IncomingEvent
from trading.domain.events.notices import (
    LISTENED_TO,
    PACES,
    Gathered,
    Notice,
    Severity,
    Topic,
    ended_by,
    message_of,
    notice_of,
    with_line,
)
from trading.events.consuming import Subscription
from trading.events.outbox import our_source
from trading.models import NoticeMessage, NoticeTopic

log = structlog.get_logger(__name__)
CONSUMER = "notify"
QUEUE = f"orchestrator.{CONSUMER}"
TOPICS = LISTENED_TO
REMEMBERED = timedelta(days=30)
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
LONGEST_QUIET = max(pace.quiet + pace.gather for pace in PACES.values())
WAITING, SENT, DROPPED = NoticeMessage.Status.WAITING, NoticeMessage.Status.SENT, NoticeMessage.Status.DROPPED


@dataclass(frozen=True, slots=True)
class NoticeStanding:
    """How telling stands: what waits, when an address last took a message, and what failed last."""

    waiting: int
    last_sent_at: datetime | None
    last_failed_at: datetime | None
    last_error: str


def our_notices() -> Subscription:
    """Return what the notifier does with events: ours alone are told, whoever else publishes."""
    return Subscription(
        consumer=CONSUMER, handlers={"*": note}, only_source=(us := our_source()), own_source=us
    )


def note(event: IncomingEvent) -> Sequence[Work]:
    """Gather what the event tells a person, in the caller's transaction; nothing follows from it."""
    now = timezone.now()
    happened_at = event.time or now
    if (over := ended_by(event.type)) is not None:
        _end(over, happened_at, now)
    elif (notice := notice_of(event.type, event.data)) is not None:
        if now - happened_at > PACES[notice.topic].keep:
            log.warning(
                "notice_dropped", topic=notice.topic, title=notice.title, event_id=event.id, why="too old"
            )
        else:
            _gather(notice, happened_at, now)
    return ()


def make_messages() -> int:
    """Make messages of what is due; return how many."""
    now = timezone.now()
    due = list(NoticeTopic.objects.filter(is_over("due_at", now, LONGEST_QUIET)).order_by("due_at"))
    for row in due:
        gathered = _gathered(row)
        message = message_of(gathered, tells_end=row.in_trouble and row.over_at is not None)
        with transaction.atomic():
            NoticeMessage.objects.create(
                topic=row.topic,
                severity=message.severity,
                title=message.title,
                body=redact(message.body),
                made_at=now,
                expires_at=now + PACES[gathered.topic].keep,
                next_attempt_at=now,
            )
            NoticeTopic.objects.filter(pk=row.pk).update(
                count=0,
                lines=[],
                since=None,
                due_at=None,
                over_at=None,
                told_at=now,
                in_trouble=row.over_at is None,
            )
    return len(due)


def send_next(addresses: Sequence[str]) -> bool:
    """Try the message that is due first, at every address that does not have it; return whether there was one."""
    now = timezone.now()
    is_due = is_over("next_attempt_at", now, timedelta(seconds=LONGEST_PAUSE_SECONDS))
    message = NoticeMessage.objects.filter(is_due, status=WAITING).order_by("next_attempt_at").first()
    if message is None:
        return False
    if now >= message.expires_at:
        NoticeMessage.objects.filter(pk=message.pk).update(status=DROPPED, ended_at=now)
        log.error(
            "notice_dropped",
            topic=message.topic,
            title=message.title,
            why="not taken in time",
            error=message.error,
        )
        return True
    problems = []
    for place, address in enumerate(addresses, start=1):
        mark = _mark(address)
        if mark in message.reached:
            continue
        try:
            notices.send(
                address, title=message.title, body=with_links(message.body), severity=message.severity
            )
        except ConnectorError as error:
            problems.append(f"address {place}: {error}")
        else:
            message.reached = [*message.reached, mark]
            message.reached_at = timezone.now()
            message.save(update_fields=["reached", "reached_at"])
    if problems:
        _try_again(message, problems)
    else:
        NoticeMessage.objects.filter(pk=message.pk).update(status=SENT, ended_at=timezone.now())
        log.info("notice_sent", topic=message.topic, title=message.title, addresses=len(addresses))
    return True


def notice_standing() -> NoticeStanding:
    """Return how telling stands."""
    failed = NoticeMessage.objects.filter(failed_at__isnull=False).order_by("-failed_at").first()
    return NoticeStanding(
        waiting=NoticeMessage.objects.filter(status=WAITING).count(),
        last_sent_at=NoticeMessage.objects.aggregate(last=Max("reached_at"))["last"],
        last_failed_at=failed.failed_at if failed else None,
        last_error=failed.error if failed else "",
    )


def forget_old() -> int:
    """Delete messages that ended long ago; return how many."""
    before = timezone.now() - REMEMBERED
    deleted, _ = NoticeMessage.objects.exclude(status=WAITING).filter(made_at__lt=before).delete()
    return deleted


def _gather(notice: Notice, happened_at: datetime, now: datetime) -> None:
    row, _ = NoticeTopic.objects.get_or_create(pk=notice.topic)
    pace = PACES[notice.topic]
    if row.due_at is None:
        quiet_until = row.told_at + pace.quiet if row.told_at else None
        still_quiet = quiet_until is not None and in_force(quiet_until, now, pace.quiet)
        row.due_at = max(now + pace.gather, quiet_until) if quiet_until and still_quiet else now + pace.gather
        row.since = happened_at
    row.title, row.many, row.advice, row.severity = notice.title, notice.many, notice.advice, notice.severity
    row.lines = with_line([(line, n) for line, n in row.lines], notice.line)
    row.count += 1
    row.over_at = None
    row.save()


def _end(topic: Topic, happened_at: datetime, now: datetime) -> None:
    """Note that the trouble is over; where it was told, that is told at once."""
    row = NoticeTopic.objects.filter(pk=topic).first()
    if row is None or row.over_at is not None or not (row.in_trouble or row.count):
        return
    row.over_at = happened_at
    if row.in_trouble:
        row.due_at = now
    row.save()


def _gathered(row: NoticeTopic) -> Gathered:
    return Gathered(
        topic=Topic(row.topic),
        title=row.title,
        many=row.many,
        advice=row.advice,
        severity=Severity(row.severity),
        count=row.count,
        since=row.since,
        lines=[(line, n) for line, n in row.lines],
        over_at=row.over_at,
    )


def _try_again(message: NoticeMessage, problems: Sequence[str]) -> None:
    attempts = message.attempts + 1
    pause = backoff_seconds(
        attempts,
        base=FIRST_PAUSE_SECONDS,
        factor=2,
        cap=LONGEST_PAUSE_SECONDS,
        jitter=random.random(),  # noqa: S311 - no secret
    )
    error = "; ".join(problems)[:500]
    now = timezone.now()
    NoticeMessage.objects.filter(pk=message.pk).update(
        attempts=attempts, error=error, failed_at=now, next_attempt_at=now + timedelta(seconds=pause)
    )
    log.warning(
        "notice_not_sent", topic=message.topic, error=error, attempts=attempts, again_in_seconds=round(pause)
    )


def _mark(address: str) -> str:
    return salted_hmac("trading.notices", address).hexdigest()[:16]
