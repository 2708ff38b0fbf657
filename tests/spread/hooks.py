"""What a plugin may have to do when the processes of a run are forked (tests/spread/plugin.py)."""

import pytest


def pytest_before_forks(session: pytest.Session) -> None:
    """Start what all processes of the run can share; the tests are collected."""


def pytest_own_process() -> None:
    """Be a process of your own: the environment says which, and all that was read from it before is another's."""
