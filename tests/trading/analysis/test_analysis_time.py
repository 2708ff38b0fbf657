"""The models are asked for as long as the setting says, if cycle and task leave so much time."""

from typing import Any

import pytest
from django.utils import timezone

from tests.factories import make_cycle, make_snapshot, make_strategy
from tests.trading.outside import COIN, Outside
from tests.trading.scenes import ago
from trading.analysis import cycle_analysis
from trading.analysis.analysis_time import seconds_for
from trading.analysis.cycle_analysis import analyse_cycle
from trading.core.settings import set_runtime_setting
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now

SLOW = {"cycle_interval": "120", "analysis_timeout": "75"}


def slow() -> None:
    for name, value in SLOW.items():
        set_runtime_setting(name=name, value=value, actor="test")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seconds_left", "soft_limit", "expected"),
    [
        (150, None, 75),
        (150, 80.0, 75),
        (150, 35.0, 30),  # sent before the setting was raised
        (65, 80.0, 60),
        (3, 80.0, 0.5),
        (-5, None, 0.5),
    ],
)
def test_an_analysis_has_the_time_of_its_setting_within_its_cycles_and_its_tasks(
    seconds_left: int, soft_limit: float | None, expected: float
) -> None:
    slow()
    cycle = make_cycle(status="running", deadline_at=ago(seconds=-seconds_left))

    assert seconds_for(cycle, timezone.now(), soft_limit) == pytest.approx(expected, abs=1)


def test_the_models_are_given_more_than_thirty_seconds_and_the_cycle_is_held_as_long(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow()
    make_strategy()
    cycle = make_cycle(status="running", symbols=[COIN])
    sync_portfolio(cycle.pk)
    make_snapshot(cycle=cycle, symbol=COIN, quoted_at=market_now())
    given: dict[str, Any] = {}
    ask = cycle_analysis.analyse_together

    def noting(**options: Any) -> Any:
        cycle.refresh_from_db()
        given.update(seconds=options["settings"].deadline_seconds, lease=cycle.lease_until - cycle.stage_at)
        return ask(**options)

    monkeypatch.setattr(cycle_analysis, "analyse_together", noting)

    assert analyse_cycle(cycle.pk) is not None
    assert given["seconds"] > 60
    assert given["lease"].total_seconds() == 95
