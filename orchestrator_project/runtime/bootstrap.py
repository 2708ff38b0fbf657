"""The first steps of a start: wait for the broker, list its assets, start a cycle at once."""

import time
from collections.abc import Callable
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from connectors.errors import ConnectorError
from trading.core.providers import current_providers
from trading.core.trace_spans import note_cycle, span
from trading.cycle.cycles import start_cycle
from trading.domain.ages import TOLERANCE
from trading.errors import CycleRunningError, NotConfiguredError
from trading.execution.portfolio import sync_portfolio
from trading.market.assets import refresh_assets
from trading.models import Asset
from trading.tasks import launch

PATIENCE = timedelta(seconds=60)
ASSETS_KEPT = timedelta(hours=24)


def first_steps(say: Callable[[str], None]) -> None:
    """Bring the system to its first cycle, saying each step; meant for a thread of ``manage.py up``."""
    try:
        if not _broker_answers(say):
            return
        sync_portfolio(None)
        now = timezone.now()
        if not Asset.objects.filter(refreshed_at__range=(now - ASSETS_KEPT, now + TOLERANCE)).exists():
            counts = refresh_assets()
            say("assets: " + ", ".join(f"{n} of class {name}" for name, n in counts.items()))
        try:
            with span("start_cycle"):
                cycle = start_cycle(trigger="start")
                note_cycle(cycle.pk)
                launch(cycle)
        except CycleRunningError as reason:
            say(f"no extra cycle at the start: {reason}")
    except Exception as error:  # noqa: BLE001 - a thread's boundary: the operator is told
        say(f"the first cycle could not be started: {error}; the schedule tries again within a minute")
    finally:
        connection.close()


def _broker_answers(say: Callable[[str], None]) -> bool:
    """Wait until the broker answers; say once that we wait, and give up with the reason."""
    give_up = time.monotonic() + PATIENCE.total_seconds()
    said = False
    while True:
        try:
            current_providers().broker.clock()
        except (ConnectorError, NotConfiguredError) as error:
            if time.monotonic() > give_up:
                say(f"the broker does not answer: {error}; `manage.py doctor` says more")
                return False
            if not said and isinstance(error, ConnectorError):
                say("waiting for the broker to answer")
                said = True
            time.sleep(0.2)
        else:
            return True
