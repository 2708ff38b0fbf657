"""Eight processes at one provider's limit of 200 requests in 60 s, counted by the venue.

``python -m benchmarks.rate_limit`` takes five minutes and starts its own Valkey and venue.
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

from orchestrator_project.runtime.engines import joined_engines
from tests.connectors.throttle.crowd import crowd
from tests.venue_process import VenueProcess

LIMIT, WINDOW_SECONDS, PROCESSES, WINDOWS = 200, 60, 8, 3


def main() -> None:
    """Print what the venue saw."""
    home = Path(tempfile.mkdtemp(prefix="orch-", dir="/tmp"))
    with contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, home, ignore_errors=True)
        urls = ending.enter_context(joined_engines(home, need_database=False, need_redis=True))
        venue = ending.enter_context(VenueProcess(rate_limit=LIMIT, rate_window=WINDOW_SECONDS))
        assert urls.redis_url is not None
        seen = crowd(
            venue, urls.redis_url, processes=PROCESSES, limit=LIMIT, window=WINDOW_SECONDS, windows=WINDOWS
        )
    print(
        f"{PROCESSES} processes, limit {LIMIT} in {WINDOW_SECONDS} s: {seen.requests} requests,"
        f" at most {seen.most_in_a_window} in any {WINDOW_SECONDS} s, {seen.refused} refused,"
        f" {seen.used:.1%} of the limit used over {WINDOWS} windows"
    )


if __name__ == "__main__":
    main()
