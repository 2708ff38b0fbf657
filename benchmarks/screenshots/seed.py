"""What the pictures show: some minutes of trading on the local venue, and what makes the other pages say something."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.screenshots import evaluated, left_by, past

if TYPE_CHECKING:
    from tests.venue_process import VenueProcess

CYCLES = 5
SYMBOLS = 80
SETTINGS = {"confidence_threshold": "0.55", "exit_confidence_threshold": "0.55", "max_coins": "8"}


def seed(venue: "VenueProcess") -> None:
    """Fill every page."""
    from trading.market.market_time import latest_market_time

    now = latest_market_time()
    assert now is not None
    past.trade_the_past(now)
    shadow = evaluated.make_shadow()
    seeded(venue, after_cycle=lambda: evaluated.look_on(shadow))
    evaluated.evaluate()
    left_by.leave()


def seeded(venue: "VenueProcess", *, after_cycle: Callable[[], object] = lambda: None) -> None:
    """Let the agent trade for some minutes, and then ask before it does; somebody changes settings and limits."""
    from benchmarks.churn import run_cycle
    from tests.factories import make_heartbeat, make_limits
    from trading.core.settings import set_runtime_setting
    from trading.models import AgentStatus, Asset

    for name, value in SETTINGS.items():
        set_runtime_setting(name=name, value=value, actor="ann", reason="to see more trades")
    make_limits(author="ann", note="room for the demo", max_positions=40, max_exposure_percent=90)
    venue.clock(paused=True)
    venue.clock(to="open")
    stocks = Asset.objects.filter(asset_class="stock", fractionable=True).order_by("-dollar_volume", "symbol")
    symbols = [asset.symbol for asset in stocks[:SYMBOLS]]
    for number in range(CYCLES + 1):
        mode = "semi_auto" if number == CYCLES else "autonomous"
        AgentStatus.objects.update(mode=mode)
        venue.clock(advance=60)
        run_cycle(symbols if number == CYCLES else symbols[: SYMBOLS // 4])
        after_cycle()
    _closed_and_protected()
    for process in left_by.PROCESSES:
        make_heartbeat(process)


def _closed_and_protected() -> None:
    """Sell two positions, and have stops rest at the broker for the others."""
    from tests.waiting import wait_until
    from trading.execution import unattended_orders
    from trading.execution.portfolio import sync_portfolio
    from trading.exits.closing import close_position
    from trading.exits.keeping import Keeper
    from trading.exits.standing import note_all
    from trading.models import Position
    from trading.protection.coverage import read_coverage

    for position in Position.objects.order_by("-unrealised_pnl")[:2]:
        order = close_position(position.pk, quantity=None, reason="operator", actor="ann")
        wait_until(lambda pk=order.pk: not unattended_orders.follow_order(pk).is_open, what="it is sold")  # type: ignore[misc]  # bound now
    held = set(Position.objects.values_list("symbol", flat=True))
    wait_until(lambda: Keeper().keep() or held <= set(read_coverage()), what="stops rest")
    sync_portfolio(None)
    note_all(lambda _: False)
