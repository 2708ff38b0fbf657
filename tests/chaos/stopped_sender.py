"""A sender that stops itself on a line between the claim of an order and the last byte of its request.

``python -m tests.chaos.stopped_sender TASK`` (JSON) advances one saga with the product's code. On its first time on
the line it is to stop on, it sends itself SIGSTOP; without a line it writes down every line that it passes. As
``naive`` it sends as one would write it first: the claim proves that it may, so it stops right after that.
"""

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from tests.paths import ROOT

FOLDERS = ("connectors/", "risk/services/")  # with what is below them
FILES = ("trading/orders/submission.py", "trading/orders/pacing.py")
LIBRARY_SENDS = {("client.py", "send"), ("connection.py", "request")}  # http.client's and urllib3's
NAIVE = "naive"  # in place of a line


class Passage:
    """The traced region: from the claim's commit to the end of the request."""

    def __init__(self, stop_on: str | None) -> None:
        self.stop_on = stop_on
        self.passed: list[str] = []
        self.stopped_at: float | None = None
        self._seen: set[str] = set()
        self._is_inside = False
        self._is_over = False

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Be Python's trace function."""
        code = frame.f_code
        if self._is_over:
            return None
        if not self._is_inside:
            is_apply = code.co_name == "apply" and code.co_filename.endswith("core/transitions.py")
            if event == "return" and is_apply and argument is True:
                self._is_inside = frame.f_locals.get("event") == "submit"
            return self.trace if is_apply or _place(code) else None
        if event == "return" and code.co_name == "request" and frame.f_locals.get("method") == "POST":
            self._is_over = code.co_filename.endswith("urllib3/connection.py")
        place = _place(code)
        if place is None:
            return None
        if event == "line":
            self._on(f"{place}:{frame.f_lineno}")
        return self.trace

    def _on(self, line: str) -> None:
        if line in self._seen:
            return
        self._seen.add(line)
        self.passed.append(line)
        if line == self.stop_on:
            self.stopped_at = time.monotonic()
            os.kill(os.getpid(), signal.SIGSTOP)


def _place(code: Any) -> str | None:
    """Return a traced file's name from the root, None where the code is not of the region."""
    path = Path(code.co_filename)
    if (path.name, code.co_name) in LIBRARY_SENDS and "site-packages/requests" not in code.co_filename:
        return f"{path.parent.name}/{path.name}"
    if not code.co_filename.startswith(f"{ROOT}/"):
        return None
    name = code.co_filename.removeprefix(f"{ROOT}/")
    return name if name in FILES or (name.startswith(FOLDERS) and "venue/" not in name) else None


def shorten(seconds: dict[str, float]) -> None:
    """Make the product's limits of age and lease small, in whichever of its modules they are."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("trading.", "connectors.", "risk.")):
            for constant, value in seconds.items():
                if isinstance(getattr(module, constant, None), timedelta):
                    setattr(module, constant, timedelta(seconds=value))
                elif isinstance(getattr(module, constant, None), float | int):
                    setattr(module, constant, value)


def send_without_a_proof(order: Any) -> None:
    """Claim, and post whatever has happened between: what a sender was that asks nobody again."""
    from connectors.base import AssetClass, OrderRequest, Side, TimeInForce
    from trading.core import transitions
    from trading.core.providers import current_providers
    from trading.orders.pacing import REQUEST_LEASE

    now = datetime.now(UTC)
    changes = {"lease_until": now + REQUEST_LEASE, "submitted_at": now}
    assert transitions.apply(order, "submit", changes=changes)
    os.kill(os.getpid(), signal.SIGSTOP)
    request = OrderRequest(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        asset_class=AssetClass.STOCK,
        side=Side(order.side),
        quantity=order.quantity,
        time_in_force=TimeInForce(order.time_in_force),
    )
    current_providers().broker.submit_order(request)


def main(task: dict[str, Any]) -> None:
    """Advance the saga; write down what was passed."""
    import django

    django.setup()
    from django.utils import timezone

    from trading.core.providers import current_providers
    from trading.execution.sagas import advance_saga
    from trading.models import Order, Saga
    from trading.tasks import HERE  # noqa: F401 - a worker has loaded its tasks

    shorten(task["shortened"])
    current_providers()
    saga = Saga.objects.get(pk=task["saga"])
    Order.objects.filter(pk=saga.order_id).update(
        created_at=timezone.now()
    )  # the wait for a process is not its age
    if task["line"] == NAIVE:
        send_without_a_proof(Order.objects.get(pk=saga.order_id))
        return
    passage = Passage(task["line"])
    sys.settrace(passage.trace)
    try:
        advance_saga(saga.pk)
    finally:
        sys.settrace(None)
        Path(task["record"]).write_text(
            json.dumps({"passed": passage.passed, "stopped_at": passage.stopped_at})
        )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
