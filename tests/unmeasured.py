"""The environment of processes that coverage leaves alone: whole systems, whose code in-process tests measure."""

import os


def environment() -> dict[str, str]:
    """Return this process's environment without what makes Python processes measure themselves.

    Measuring doubles the time that a process takes to start, and a whole system is six of them.
    """
    return {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}
