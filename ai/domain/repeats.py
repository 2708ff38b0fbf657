"""How often a model that cannot be reached is asked again, and after which pauses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Repeats:
    """So many attempts in all; pauses in seconds: the first, each ``factor`` times the one before, at most ``cap``."""

    attempts: int = 1
    base: float = 1.0
    factor: float = 2.0
    cap: float = 30.0

    def pause_after(self, attempts: int, *, asked_seconds: float | None, jitter: float) -> float | None:
        """Return the pause after so many attempts, None where there is to be no other.

        Args:
            asked_seconds: what the provider asks for; it counts where it is longer.
            jitter: random number in [0, 1): up to ``base`` on top.
        """
        if attempts >= self.attempts:
            return None
        pause = min(self.base * self.factor ** (attempts - 1), self.cap) + self.base * jitter
        return max(pause, asked_seconds or 0.0)


ONCE = Repeats()
