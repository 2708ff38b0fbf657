"""One attempt to send an order, and the check right before the request that it may still send."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from connectors.departure import elapsed_seconds
from trading.core.statements.prepared_statements import Prepared
from trading.domain.ages import is_fresh
from trading.domain.order_ids import Purpose, is_of_engagement
from trading.domain.statuses import OrderStatus
from trading.models import Order

INTENT_MAX_AGE = timedelta(seconds=60)
ATTEMPT_SECONDS = 20.0  # from the claim to the first byte; with the last one it ends well before its lease

_HOW_IT_STANDS = Prepared(
    "how_it_stands",
    "uuid",
    """
SELECT status, lease_until, (
    SELECT id FROM kill_switch WHERE released_at IS NULL ORDER BY engaged_at DESC LIMIT 1
) FROM orders WHERE id = $1
""",
)


class SwitchEngagedError(Exception):
    """The kill switch was engaged when the order was about to leave: nothing was sent."""


class SwitchReleasedError(Exception):
    """The engagement that an order to flatten belongs to has been released: nothing was sent."""


class StaleAttemptError(Exception):
    """This attempt is not the one any more, or it is too old: nothing was sent, and nothing is ours to conclude."""


@dataclass(slots=True)
class Attempt:
    """An attempt as it was claimed; ``order`` carries the lease that the claim took.

    ``most_seconds``: from the claim to the first byte. ``is_out``: it was let go, so a byte may have left.
    """

    order: Order
    most_seconds: float = ATTEMPT_SECONDS
    claimed_at: float = field(default_factory=elapsed_seconds)
    is_out: bool = False

    def prove(self) -> None:
        """Prove by one statement that the order may leave now; call under the switch's shared lock.

        A flag that was committed before the statement is seen by it, and what somebody else has concluded or
        taken over since the claim too.

        Raises:
            StaleAttemptError: it is somebody else's, concluded, or too old.
            SwitchEngagedError: the switch is engaged, and it is no order to flatten.
            SwitchReleasedError: it is an order to flatten, of an engagement that is not in force.
        """
        order = self.order
        said = next(iter(_HOW_IT_STANDS.rows([order.pk])), None)
        if said is None or said[:2] != (OrderStatus.SUBMITTING, order.lease_until):
            raise StaleAttemptError(f"{order.client_order_id}: somebody else has it, or it was concluded")
        if elapsed_seconds() - self.claimed_at > self.most_seconds:
            raise StaleAttemptError(f"{order.client_order_id}: this attempt was stopped for too long")
        if not is_fresh(order.created_at, timezone.now(), INTENT_MAX_AGE):
            raise StaleAttemptError(f"{order.client_order_id}: it was wanted too long ago")
        require_door(order, said[2])
        self.is_out = True


def require_door(order: Order, engagement_id: UUID | None) -> None:
    """Refuse what the switch, as it stands, does not let out.

    Args:
        engagement_id: of the engagement in force, None when the switch is released.

    Raises:
        SwitchEngagedError: see ``Attempt.prove``.
        SwitchReleasedError: see ``Attempt.prove``.
    """
    if order.purpose != Purpose.FLATTEN:
        if engagement_id is not None:
            raise SwitchEngagedError(order.client_order_id)
    elif engagement_id is None or not is_of_engagement(order.client_order_id, engagement_id, order.symbol):
        raise SwitchReleasedError(order.client_order_id)
