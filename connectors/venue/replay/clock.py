"""The replay clock: market time as a function of real time, with pause, jumps forward and steps."""

import time
from collections.abc import Callable

from connectors.venue.replay.timeline import Timeline
from connectors.venue.wire import micros


class ReplayClock:
    """Shows market time in epoch seconds; runs through the timeline's spans at ``speed``.

    Args:
        start: market time to begin at; inside a closed stretch the clock moves on to the next opening.
        speed: market seconds per real second.
        real_time: monotonic seconds, replaceable for tests.
        last_stamp: the last one given out before a restart, in microseconds.
    """

    def __init__(
        self,
        timeline: Timeline,
        start: float,
        speed: float,
        real_time: Callable[[], float] = time.monotonic,
        last_stamp: int = 0,
    ) -> None:
        self._timeline = timeline
        self._real_time = real_time
        self._anchor_market = start
        self._anchor_real = real_time()
        self.last_stamp = last_stamp
        self.speed = speed
        self.is_paused = False

    def now(self) -> float:
        """Return market time, epoch seconds."""
        if self.is_paused:
            return self._anchor_market
        elapsed = (self._real_time() - self._anchor_real) * self.speed
        return self._timeline.advance(self._anchor_market, elapsed)

    @property
    def has_ended(self) -> bool:
        """Tell whether the data is used up."""
        return self.now() >= self._timeline.end

    @property
    def rate(self) -> float:
        """Return how many seconds of market time pass in a second now: 0 while it stands still."""
        return 0.0 if self.is_paused or self.has_ended else self.speed

    def stamp(self) -> int:
        """Return market time in microseconds, later than every stamp before: no two orders share one."""
        self.last_stamp = max(micros(self.now()), self.last_stamp + 1)
        return self.last_stamp

    def jump(self, moment: float) -> None:
        """Set market time to ``moment``; a paused clock stands there even outside the sessions.

        Raises:
            ValueError: the moment is in the past; what was shown cannot be unseen.
        """
        now = self.now()
        if moment < now:
            raise ValueError("the clock only moves forward")
        self._anchor(min(moment, self._timeline.end))

    def skip(self, seconds: float) -> None:
        """Move on by ``seconds`` of running time.

        Raises:
            ValueError: negative seconds.
        """
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self._anchor(self._timeline.advance(self.now(), seconds))

    def step(self, seconds: float) -> None:
        """Set the clock by ``seconds``, back where negative: a broker whose own clock was wrong."""
        self._anchor(min(self.now() + seconds, self._timeline.end))

    def rewind(self, start: float) -> None:
        """Set the clock back to the replay's start, before anything was stamped."""
        self.last_stamp = 0
        self._anchor(start)

    def pause(self) -> None:
        """Stop market time."""
        self._anchor(self.now())
        self.is_paused = True

    def resume(self) -> None:
        """Let market time run again."""
        self._anchor(self.now())
        self.is_paused = False

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on."""
        self._anchor(self.now())
        self.speed = speed

    def _anchor(self, moment: float) -> None:
        self._anchor_market = moment
        self._anchor_real = self._real_time()
