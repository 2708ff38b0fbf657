"""More than one of a kind: several beats and sweepers find the same work, and it is done once."""

import pytest

from tests.factories import make_asset, make_strategy
from tests.risk.threads import at_once
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change, wish
from trading import flow
from trading.core.work import WorkKind
from trading.execution.portfolio import sync_portfolio
from trading.flow import Step
from trading.models import AIDecision, Cycle, Order, Saga
from trading.work.sweeping import end_overdue, find_work

pytestmark = pytest.mark.timeout(900)
SEVERAL = 4


def sweep(_number: int) -> None:
    """Do a round as a sweeper does where there is no queue: all that it finds, here."""
    end_overdue()
    for work in find_work():
        flow.do_here(Step(work.kind.value, (str(work.id),)))


def test_several_sweepers_do_what_they_all_find_once(threaded_account: Outside) -> None:
    sync_portfolio(None)
    symbols = (STOCK, OTHER_STOCK, COIN)
    cycle = wish(symbols[0]).cycle
    for symbol in symbols[1:]:
        wish(symbol, cycle=cycle)
    change(cycle, stage_at=ago(seconds=6))
    assert [work.kind for work in find_work()] == [WorkKind.JUDGE]

    for _ in range(60):
        at_once(SEVERAL, sweep)
        Saga.objects.open().update(next_poll_at=ago(seconds=1))
        if not Saga.objects.open().exists():
            break

    assert set(AIDecision.objects.values_list("status", flat=True)) == {"executed"}
    posted = [post["client_order_id"] for post in threaded_account.posts()]
    assert sorted(posted) == sorted(Order.objects.values_list("client_order_id", flat=True))
    assert len(posted) == len(set(posted)) == len(symbols)


def test_several_beats_start_one_cycle_of_a_slot(threaded_account: Outside) -> None:
    make_strategy()
    make_asset(STOCK)
    started: list[flow.Follows] = []

    at_once(SEVERAL, lambda _: started.append(flow.start_cycle()))

    cycle = Cycle.objects.get()
    assert [step for step in started if step is not None] == [Step("fan_out", (str(cycle.pk),))]
