"""Messages that an order of ours has moved are hints: they make us ask the broker, and are not believed themselves."""

from decimal import Decimal

from trading.core.work import Work, WorkKind
from trading.domain.statuses import OPEN_SAGA
from trading.models import Order, Saga


def work_on(client_order_id: str, *, told_filled: Decimal | None = None) -> list[Work]:
    """Return the work by which the broker is asked about an order; nothing where it is not ours.

    Args:
        told_filled: how much the broker itself says has filled; an order whose saga has ended is then left
            alone unless that is more than is recorded. None: ask in any case.
    """
    open_sagas = Saga.objects.open().filter(order__client_order_id=client_order_id)
    works = [Work(WorkKind.ADVANCE, pk) for pk in open_sagas.values_list("pk", flat=True)]
    ended = Order.objects.filter(client_order_id=client_order_id, saga__isnull=False)
    ended = ended.exclude(saga__status__in=OPEN_SAGA)
    if told_filled is not None:
        ended = ended.filter(filled_quantity__lt=told_filled)
    works += [Work(WorkKind.SETTLE, pk) for pk in ended.values_list("pk", flat=True)]
    if told_filled is None:
        alone = Order.objects.open().filter(client_order_id=client_order_id, saga__isnull=True)
        works += [Work(WorkKind.FOLLOW, pk) for pk in alone.values_list("pk", flat=True)]
    return works
