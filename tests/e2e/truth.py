"""What must hold when everything has come to rest: our record and the venue's agree."""

from decimal import Decimal

from risk.models import RiskReservation
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.domain.statuses import OrderStatus
from trading.models import AIDecision, Cycle, Order, Position, Saga

NEVER_SENT = (OrderStatus.CREATED, OrderStatus.EXPIRED, OrderStatus.CANCELED, OrderStatus.FAILED)


def wait_for_end(cycle: Cycle, *, seconds: float = 240) -> Cycle:
    """Wait until the cycle has ended, within its deadline."""

    def ended() -> bool:
        cycle.refresh_from_db()
        return not cycle.is_open

    wait_until(ended, seconds=seconds, what=f"the end of {cycle}")
    assert cycle.ended_at is not None
    assert cycle.ended_at <= cycle.deadline_at
    return cycle


def wait_for_rest(*, seconds: float = 180) -> None:
    """Wait until no saga is open."""
    wait_until(lambda: not Saga.objects.open().exists(), seconds=seconds, what="the end of all sagas")


def _told(market: VenueProcess) -> set[str]:
    return {order["client_order_id"] for order in market.get("/v2/orders?status=all&limit=500")}


def assert_books_agree(market: VenueProcess) -> None:
    """Orders one to one by client_order_id, none twice; positions equal; nothing reserved; all explained."""
    told = [order["client_order_id"] for order in market.get("/v2/orders?status=all&limit=500")]
    assert len(told) == len(set(told))
    sent = Order.objects.exclude(status__in=NEVER_SENT, acknowledged_at__isnull=True)
    # Of legs whose entry's reply was lost the sweeper learns within a moment.
    wait_until(
        lambda: set(sent.values_list("client_order_id", flat=True)) == _told(market),
        seconds=120,
        what="the same orders here and at the venue",
    )
    positions = {
        p["symbol"].replace("USD", "/USD") if p["asset_class"] == "crypto" else p["symbol"]: Decimal(p["qty"])
        for p in market.get("/v2/positions")
    }
    assert dict(Position.objects.values_list("symbol", "quantity")) == positions
    assert not RiskReservation.objects.counting().exists()
    assert not AIDecision.objects.unsettled().exists()
