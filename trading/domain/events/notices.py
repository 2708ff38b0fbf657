"""What a person is told of an event: plain text, short, with what to do next and where.

Only what wants a person. What is alike is gathered under a topic, which is told at most once in a while.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

NAME = "Trading Orchestrator"
LONGEST_LINE = 300
MOST_LINES = 10
CLOCK_STEPPED = "the clock stepped"  # how the reason of a cycle begins that was ended for it
ALL_WELL = "Nothing is to be done."
Data = Mapping[str, Any]


class Severity(enum.StrEnum):
    """How much it matters; services show it as a colour or a sign."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"


class Topic(enum.StrEnum):
    """What is told together."""

    KILL_SWITCH = "kill-switch"
    APPROVALS = "approvals"
    CYCLES = "cycles"
    SAGAS = "sagas"
    ENTRIES = "entries"
    LIMITS = "limits"
    SAFE_MODE = "safe-mode"
    CLOCK = "clock"
    SENDERS = "senders"
    SCHEDULE = "schedule"
    SYNC = "sync"
    LOCKS = "locks"
    DISK = "disk"
    BOOKS = "books"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a topic is told.

    Args:
        gather: what comes within this time after the first is in the same message.
        quiet: the least time between two messages; what comes meanwhile is counted.
        keep: what could not be told for as long is dropped.
    """

    gather: timedelta = timedelta(seconds=5)
    quiet: timedelta = timedelta(minutes=30)
    keep: timedelta = timedelta(hours=1)


PACES: Mapping[Topic, Pace] = MappingProxyType(
    {
        # Engaging twice within minutes is no repeat: it was released in between, by a person.
        Topic.KILL_SWITCH: Pace(gather=timedelta(0), quiet=timedelta(0)),
        # An approval expires after ten minutes: told every half hour, most would never be seen.
        Topic.APPROVALS: Pace(
            gather=timedelta(seconds=10), quiet=timedelta(minutes=5), keep=timedelta(minutes=10)
        ),
        Topic.CYCLES: Pace(gather=timedelta(0)),
        Topic.SAGAS: Pace(),
        # What a person does is told each time: another person may have to know.
        Topic.ENTRIES: Pace(gather=timedelta(0), quiet=timedelta(0)),
        Topic.LIMITS: Pace(),
        Topic.SAFE_MODE: Pace(gather=timedelta(0)),
        # Each step is told: who notices them sees to it that a clock without rest is not told all the time.
        Topic.CLOCK: Pace(gather=timedelta(0), quiet=timedelta(0)),
        Topic.SENDERS: Pace(),
        Topic.SCHEDULE: Pace(gather=timedelta(0)),
        Topic.SYNC: Pace(gather=timedelta(0)),
        Topic.LOCKS: Pace(gather=timedelta(0)),
        Topic.DISK: Pace(gather=timedelta(0)),
        # Each difference is told once by its writer, so none may be dropped for being like another.
        Topic.BOOKS: Pace(keep=timedelta(days=1)),
    }
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What one event has to say.

    Args:
        many: the title where there are several, with ``{count}``.
        line: what happened; equal lines are counted.
        advice: what to do next, and where.
    """

    topic: Topic
    title: str
    many: str
    line: str
    advice: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a topic has to tell by now.

    Args:
        count: how many notices, 0 where there is only an end to tell.
        lines: each different line with how often it came; not more than ``MOST_LINES``.
        over_at: when the trouble was over, None while it is not.
    """

    topic: Topic
    title: str
    many: str
    advice: str
    severity: Severity
    count: int
    since: datetime | None
    lines: Sequence[tuple[str, int]]
    over_at: datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    title: str
    body: str
    severity: Severity


def notice_of(event_type: str, data: Data) -> Notice | None:
    """Return what a published event tells a person; None where it needs nobody."""
    make = _NOTICES.get(event_type)
    return make(data) if make else None


def ended_by(event_type: str) -> Topic | None:
    """Return the topic whose trouble is over when this event comes."""
    return _ENDS.get(event_type)


def with_line(lines: Sequence[tuple[str, int]], line: str) -> list[tuple[str, int]]:
    """Return the lines with one more; beyond ``MOST_LINES`` different ones it is left out, the count has it."""
    counts = dict(lines)
    if line in counts or len(counts) < MOST_LINES:
        counts[line] = counts.get(line, 0) + 1
    return list(counts.items())


def message_of(told: Gathered, *, tells_end: bool) -> Message:
    """Return the message.

    Args:
        tells_end: the trouble was told and is over; what came meanwhile comes second.
    """
    parts = []
    if tells_end and told.over_at:
        title, severity = _AGAIN[told.topic], Severity.SUCCESS
        parts.append(f"Since {_clock(told.over_at)}." + (_meanwhile(told) if told.count else ""))
    else:
        title = told.title if told.count == 1 else told.many.format(count=told.count)
        severity = told.severity
    parts += [f"- {line}" + (f" ({n} times)" if n > 1 else "") for line, n in told.lines]
    left_out = told.count - sum(n for _, n in told.lines)
    if left_out > 0:
        parts.append(f"- and {left_out} more")
    if not tells_end:
        if told.count > 1 and told.since:
            parts.append(f"Since {_clock(told.since)}.")
        if told.over_at:
            parts.append(f"{_AGAIN[told.topic]} since {_clock(told.over_at)}.")
    parts.append(ALL_WELL if told.over_at else told.advice)
    return Message(f"{NAME}: {title}", "\n".join(parts), severity)


def _meanwhile(told: Gathered) -> str:
    title = told.title if told.count == 1 else told.many.format(count=told.count)
    return f" Meanwhile: {title[0].lower()}{title[1:]}."


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M} UTC"


def _one_line(text: object) -> str:
    """Return text from elsewhere on one line, cut where it is long."""
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"


@dataclass(frozen=True, slots=True)
class _Words:
    """A notice but for the facts of its event.

    Args:
        line: names the facts that it quotes in braces, as ``{reason}``.
        many: the title where there are several; none: the title says it of any number.
    """

    topic: Topic
    title: str
    line: str
    advice: str
    severity: Severity = Severity.WARNING
    many: str = ""

    def __call__(self, data: Data) -> Notice:
        """Return the notice of an event with these facts."""
        line = _one_line(self.line.format_map(data))
        return Notice(self.topic, self.title, self.many or self.title, line, self.advice, self.severity)


_CYCLE_FAILED = _Words(
    Topic.CYCLES,
    "a cycle did not complete",
    "Failed: {reason}",
    "Look: `manage.py doctor`, console /admin/trading/cycle/. The next cycle starts by itself.",
    many="{count} cycles did not complete",
)
_CYCLE_ABORTED = replace(_CYCLE_FAILED, line="Aborted: {reason}")
_SAGA_FAILED = _Words(
    Topic.SAGAS,
    "an order could not be undone",
    "Saga {sagaId}: {reason}{error}",
    "Look at it at the broker and in the console /admin/trading/saga/, then `manage.py reconcile`."
    " The kill switch is engaged until a person releases it.",
    Severity.FAILURE,
    "{count} orders could not be undone",
)
_POSITION_BEHIND = replace(
    _SAGA_FAILED,
    title="a fill is not in the positions",
    advice="It is booked, and its room stays reserved; the positions are asked for until they hold it."
    " See whether the broker answers, then `manage.py reconcile`.",
    many="{count} fills are not in the positions",
)
_APPROVAL = _Words(
    Topic.APPROVALS,
    "a decision waits for a person",
    "{action} {symbol}, until {until} [decision {decisionId}]",  # a link stands there when it is sent
    "Answer: console /admin/trading/approval/queue/. What nobody answers expires and is not traded.",
    Severity.INFO,
    "{count} decisions wait for a person",
)
_LIMIT = _Words(
    Topic.LIMITS,
    "the account is past a limit",
    "{name}: {value}, allowed is {limitValue}",
    "Look: console /admin/risk/risklimits/ and /admin/trading/position/; `manage.py kill_switch status`.",
    Severity.FAILURE,
    "the account is past limits ({count} times)",
)
_CLOCK_STEPPED = _Words(
    Topic.CLOCK,
    "the {clock}'s clock stepped {way}",
    "By {by:+.1f} s, from {since:.19} to {until:.19} UTC, noticed on {machine}",
    "Trading goes on by itself: what was read before is not used. See why it stepped (NTP, a suspended machine);"
    " `manage.py doctor` compares the clocks, console /admin/trading/event/ has each step.",
    many="clocks stepped {count} times",
)
_FENCED = _Words(
    Topic.SENDERS,
    "a process that did not end its request was cut off",
    "{application} held the switch's lock for {heldSeconds:.0f} s{order}",
    "Look at that order at the broker and in the console /admin/trading/order/, then `manage.py reconcile`."
    " A process that is stopped goes on by itself; it can send nothing with what it held.",
    many="{count} processes that did not end their requests were cut off",
)


def _saga_failed(data: Data) -> Notice:
    words = _POSITION_BEHIND if data["reason"] == "position_not_updated" else _SAGA_FAILED
    return words({**data, "error": f" ({data['error']})" if data.get("error") else ""})


def _approval(data: Data) -> Notice:
    return _APPROVAL({**data, "until": _clock(datetime.fromisoformat(data["expiresAt"]))})


def _cycle_aborted(data: Data) -> Notice | None:
    reason = str(data["reason"])
    if reason == "kill_switch" or reason.startswith((*_BY_A_PERSON, CLOCK_STEPPED)):
        return None  # engaging and the step were told; what a person did he knows
    return _CYCLE_ABORTED(data)


def _limit(data: Data) -> Notice | None:
    if data["scope"] != "account":
        return None  # an order was prevented: the gate did its work
    return _LIMIT({**data, "name": str(data["limit"]).removeprefix("max_").replace("_", " ")})


def _clock_stepped(data: Data) -> Notice:
    by = float(data["bySeconds"])
    title = _CLOCK_STEPPED.title.format(clock=data["clock"], way="forward" if by > 0 else "back")
    facts = {"by": by, "since": data["before"], "until": data["after"], "machine": data["machine"]}
    return replace(_CLOCK_STEPPED(facts), title=title)


def _fenced(data: Data) -> Notice:
    order = f", while it sent {data['clientOrderId']}" if data.get("clientOrderId") else ""
    return _FENCED({**data, "order": order})


_BY_A_PERSON = ("stopped by ", "deadline, paused by ")  # cycle/cycle_control.py writes them
_NOTICES: Mapping[str, Callable[[Data], Notice | None]] = MappingProxyType(
    {
        "risk.kill-switch.engaged": _Words(
            Topic.KILL_SWITCH,
            "kill switch engaged, all trading is stopped",
            "Engaged by {actor}: {reason}",
            "Look: `manage.py kill_switch status`, console /admin/risk/killswitch/. When the cause is gone:"
            " `manage.py reconcile`, then `manage.py kill_switch release --reason …`.",
            Severity.FAILURE,
        ),
        "risk.kill-switch.released": _Words(
            Topic.KILL_SWITCH,
            "kill switch released, trading goes on",
            "Released by {actor}: {reason}",
            ALL_WELL,
            Severity.SUCCESS,
        ),
        "risk.entries.paused": _Words(
            Topic.ENTRIES,
            "entries are paused, exits go on",
            "Paused by {actor}: {reason}",
            "Look: console /admin/trading/agentstatus/mode/. To go on: `manage.py entries resume`.",
        ),
        "risk.entries.resumed": _Words(
            Topic.ENTRIES,
            "entries pass the gate again",
            "Resumed by {actor}",
            ALL_WELL,
            Severity.SUCCESS,
        ),
        "approval.requested": _approval,
        "orchestrator.cycle.failed": _CYCLE_FAILED,
        "orchestrator.cycle.aborted": _cycle_aborted,
        "orchestrator.saga.failed": _saga_failed,
        "risk.limit.breached": _limit,
        "risk.safe-mode.entered": _Words(
            Topic.SAFE_MODE,
            "no model answers, exits only",
            "{failures} analyses in a row had no answer",
            "Look: console /admin/ai/modelcall/ has each call's error, `manage.py doctor`. It ends by itself with the"
            " next answer.",
            many="no model answers, exits only ({count} times)",
        ),
        "orchestrator.clock.stepped": _clock_stepped,
        "risk.kill-switch.sender-fenced": _fenced,
        "orchestrator.schedule.disabled": _Words(
            Topic.SCHEDULE,
            "no trading cycle starts by itself",
            "{reason}",
            "Enable the schedule: console /admin/django_celery_beat/periodictask/, or `manage.py prepare` where it is"
            " missing. Meanwhile the sweeper reads the account and watches its loss; nothing is decided, no exit"
            " either.",
        ),
        "orchestrator.sync.overdue": _Words(
            Topic.SYNC,
            "the account is not read, nobody watches its loss",
            "{reason}",
            "Look: `manage.py doctor` (broker, workers, locks). Is it our side: `manage.py kill_switch engage`, or the"
            " console /admin/risk/killswitch/.",
            Severity.FAILURE,
        ),
        "orchestrator.lock.stuck": _Words(
            Topic.LOCKS,
            "a lock is held or waited for too long",
            "{reason}",
            "Look: `manage.py doctor` says who holds it and who waits; is that process stopped or paused? Continue it"
            " or end it. The kill switch works all the while: console /admin/risk/killswitch/.",
            many="a lock is held or waited for too long ({count} times)",
        ),
        "trading-engine.books.differed": _Words(
            Topic.BOOKS,
            "the account has what no execution explains",
            "{amount} USD: {reason}",
            "A dividend, a fee, a transfer or a corporate action explains most: look at the broker's activities,"
            " console /admin/trading/accountactivity/. It is part of the account from now on, and no result of trading:"
            " `manage.py performance`.",
            many="the account has what no execution explains ({count} times)",
        ),
        "orchestrator.disk.low": _Words(
            Topic.DISK,
            "the disk is nearly full",
            "{reason}",
            "Free some space: when none is left PostgreSQL takes no writes and no order can leave. What grows is the"
            " record: console /admin/trading/runtimesetting/, idle_cycles_kept.",
            Severity.FAILURE,
            "the disk is nearly full ({count} times)",
        ),
    }
)
_ENDS: Mapping[str, Topic] = MappingProxyType(
    {
        "orchestrator.cycle.completed": Topic.CYCLES,
        "risk.safe-mode.left": Topic.SAFE_MODE,
        "orchestrator.schedule.enabled": Topic.SCHEDULE,
        "orchestrator.sync.recovered": Topic.SYNC,
        "orchestrator.lock.freed": Topic.LOCKS,
        "orchestrator.disk.recovered": Topic.DISK,
    }
)
_AGAIN: Mapping[Topic, str] = MappingProxyType(
    {
        Topic.CYCLES: "cycles complete again",
        Topic.SAFE_MODE: "entries pass again",
        Topic.SCHEDULE: "trading cycles start by themselves again",
        Topic.SYNC: "the account is read again",
        Topic.LOCKS: "no lock is held too long any more",
        Topic.DISK: "the disk has room again",
    }
)
LISTENED_TO = (*_NOTICES, *_ENDS)
