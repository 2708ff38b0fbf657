"""How long to wait before the next attempt."""


def backoff_seconds(attempt: int, *, base: float, factor: float, cap: float, jitter: float) -> float:
    """Return ``base * factor ** (attempt - 1)``, at most ``cap``, plus up to ``base`` of jitter.

    Args:
        attempt: how many attempts were made; 0 waits for nothing.
        jitter: random number in [0, 1), so that parallel tasks do not come back together.
    """
    if attempt <= 0:
        return 0.0
    return min(base * factor ** (attempt - 1), cap) + base * jitter
