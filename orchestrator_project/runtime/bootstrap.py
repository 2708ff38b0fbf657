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
PAUSE_SECONDS, LONG_PAUSE_SECONDS = 0.2, 5.0
ASSETS_KEPT = timedelta(hours=24)


def first_steps(say: Callable[[str], None]) -> None:
    """Bring the system to its first cycle, saying each step; meant for a process of its own."""
    try:
        _wait_for_the_broker(say)
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
    except Exception as error:  # noqa: BLE001 - a process's boundary: the operator is told
        say(f"the first cycle could not be started: {error}; the schedule tries again within a minute")
    finally:
        connection.close()


def _wait_for_the_broker(say: Callable[[str], None]) -> None:
    """Wait until the broker answers; say once that we wait, and after a minute why.

    However long it takes: without the list of assets there is nothing to trade until the next maintenance, and on a
    slow machine the local venue itself may need more than a minute.
    """
    complain_at = time.monotonic() + PATIENCE.total_seconds()
    pause = PAUSE_SECONDS
    said = False
    while True:
        try:
            current_providers().broker.clock()
        except (ConnectorError, NotConfiguredError) as error:
            if pause == PAUSE_SECONDS and time.monotonic() > complain_at:
                say(f"the broker does not answer: {error}; `manage.py doctor` says more; it is asked again")
                pause = LONG_PAUSE_SECONDS
            elif not said and isinstance(error, ConnectorError):
                say("waiting for the broker to answer")
                said = True
            time.sleep(pause)
        else:
            return
