"""The evaluator's hourly work on outcomes, in market time."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.utils import timezone

from evaluation.models import JobMark
from evaluation.services.outcomes.bars import record_bars
from evaluation.services.outcomes.noting import note_new, note_verdicts
from evaluation.services.outcomes.noting_shadows import note_shadows
from evaluation.services.outcomes.resolving import Resolved, bring_bars, resolve_due
from evaluation.services.outcomes.windows import put_windows_right
from trading.market.market_time import latest_market_time

log = structlog.get_logger(__name__)
HOUR = timedelta(hours=1)
# A replay's hour may pass in a second; nobody waits for what comes of it.
LEAST_PAUSE = timedelta(seconds=30)
NAME = "outcomes"


class OutcomesJob:
    """Notes what was decided since the last time, and resolves what is due."""

    name = NAME
    at_once = 1
    timeout_seconds = 900.0

    def due(self) -> Sequence[str]:
        """Return the market hour, once each."""
        now = latest_market_time()
        if now is None:
            return ()
        mark = JobMark.objects.filter(job=NAME).first()
        if mark is not None and mark.market_time is not None:
            is_early = timedelta(0) <= now - mark.market_time < HOUR
            if is_early or timezone.now() - mark.done_at < LEAST_PAUSE:
                return ()
        return (f"{now:%Y-%m-%dT%H}",)

    def run(self, key: str) -> None:
        """Do all of it up to now: the hour's name says only when it was due."""
        now = latest_market_time()
        if now is not None:
            label_outcomes(now)


def label_outcomes(now: datetime) -> Resolved:
    """Note what was decided, bring the bars, resolve what is due by ``now`` (market time), and mark how far that is.

    Done again it changes nothing; whoever is killed in it has lost nothing.
    """
    began = timezone.now()
    last = (
        JobMark.objects.filter(job=NAME, market_time__isnull=False).values_list("began_at", flat=True).first()
    )
    new_bars, noted, judged = record_bars(since=last), note_new(NAME), note_verdicts()
    shadows = note_shadows()
    bring_bars(now)
    done = resolve_due(now)
    moved = put_windows_right(since=last)
    JobMark.objects.filter(job=NAME).update(market_time=now, began_at=began, done_at=timezone.now())
    log.info(
        "outcomes_labelled",
        noted=noted,
        shadows=shadows,
        judged=judged,
        bars=new_bars,
        resolved=done.known,
        unresolvable=done.unresolvable,
        waiting=done.waiting,
        windows_changed=moved,
    )
    return done
