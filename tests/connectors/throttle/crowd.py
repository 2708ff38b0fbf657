"""Many processes that ask one provider as fast as they are let: the crowd of a limiter's test and benchmark.

``python -m tests.connectors.throttle.crowd URL REDIS_URL LIMIT WINDOW SECONDS`` is one of them.
"""

import subprocess
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from connectors.throttle.shared import Limits, SharedThrottle, connect
from connectors.transport import BoundedSession, SendError, StatusError
from tests.paths import ROOT
from tests.venue_process import VenueProcess

PATH = "/v2/stocks/snapshots"
KEYS = {"APCA-API-KEY-ID": "crowd", "APCA-API-SECRET-KEY": "crowd"}


@dataclass(frozen=True, slots=True)
class Crowding:
    """What the venue saw: the most requests in any window, and the share of the limit that was used."""

    requests: int
    refused: int
    most_in_a_window: int
    used: float


def crowd(
    venue: VenueProcess, redis_url: str, *, processes: int, limit: int, window: float, windows: int
) -> Crowding:
    """Let ``processes`` ask for ``windows`` windows after the first request, and count at the venue."""
    seconds = str(window * (windows + 1))
    command = [sys.executable, "-m", __name__, venue.url, redis_url, str(limit), str(window), seconds]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(processes)]
    codes = [process.wait(window * (windows + 1) + 60) for process in running]
    assert codes == [0] * processes
    log = venue.requests(path=PATH)
    times = sorted(datetime.fromisoformat(entry["at"]).timestamp() for entry in log)
    counted = bisect_left(times, times[0] + windows * window)
    return Crowding(
        requests=len(times),
        refused=sum(entry["status"] == 429 for entry in log),
        most_in_a_window=_most(times, window),
        used=counted / (limit * windows),
    )


def _most(times: Sequence[float], window: float) -> int:
    return max(bisect_left(times, start + window) - index for index, start in enumerate(times))


def main(url: str, redis_url: str, limit: int, window: float, seconds: float) -> None:
    """Ask until the time is up, counting from the first request that was let through."""
    throttle = SharedThrottle(connect(redis_url), "crowd", url, Limits(limit, window_seconds=window))
    session = BoundedSession(url, connect_timeout_seconds=30, total_timeout_seconds=90, throttle=throttle)
    ends_at = monotonic() + seconds
    while monotonic() < ends_at:
        try:
            session.request("GET", f"{url}{PATH}", params={"symbols": "ALSQ"}, headers=KEYS)
        except SendError as error:
            if error.retry_after_seconds is None:
                raise
        except StatusError as error:
            if error.status_code != 429:
                raise


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
