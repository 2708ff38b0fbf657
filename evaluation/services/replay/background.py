"""Have the evaluator ask again: what a page or REST orders, checked and estimated before it is stored."""

from django.conf import settings
from django.utils import timezone

from evaluation.errors import SelectionError
from evaluation.models import Run
from evaluation.services.replay import selecting, variation
from evaluation.services.replay.estimating import estimate, estimate_json
from evaluation.services.replay.orders import Order, order_replay
from evaluation.services.replay.selecting import sources_of


def checked(order: Order) -> Order:
    """Return the order with whole ids and names, if all of it can be had.

    Raises:
        SelectionError: it names nothing that is there, or several things.
        VariationError: something cannot be varied so.
    """
    selection = selecting.checked(order.selection)
    changed = variation.checked(order.variation, api_base=settings.ENVIRONMENT.ai_api_base)
    order = Order(selection, changed, order.max_usd)
    if next(sources_of(selection, wanting_only=not order.asks), None) is None:
        raise SelectionError(f"nothing to ask again in {selection.words}")
    return order


def order_from(order: Order, *, author: str, name: str = "") -> Run:
    """Store a checked order for the evaluator. What it takes is estimated first, where that takes a moment only.

    Of more than a cycle the evaluator estimates, before it asks for anything.
    """
    is_small = bool(order.selection.decision or order.selection.cycle)
    found = estimate(order, fresh_since=timezone.now()) if is_small else None
    run = order_replay(order, author=author, name=name, in_background=True)
    if found is not None:
        run.progress = {"estimate": estimate_json(found)}
        run.save(update_fields=["progress"])
    return run
