"""The first steps of a start, on machines on which the venue takes its time."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator_project.runtime import bootstrap
from trading.errors import NotConfiguredError


def test_broker_that_answers_late_is_waited_for_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gave up after a minute had no list of assets, and nothing to trade until the next maintenance."""
    said: list[str] = []
    answers = iter([False, False, False, True])

    def providers() -> SimpleNamespace:
        if not next(answers):
            raise NotConfiguredError("the local venue does not run")
        return SimpleNamespace(broker=SimpleNamespace(clock=lambda: None))

    monkeypatch.setattr(bootstrap, "PATIENCE", timedelta(seconds=-1))
    monkeypatch.setattr(bootstrap, "LONG_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(bootstrap, "current_providers", providers)

    bootstrap._wait_for_the_broker(said.append)

    assert said == [
        "the broker does not answer: the local venue does not run; `manage.py doctor` says more; it is asked again"
    ]
    assert next(answers, "asked four times") == "asked four times"
