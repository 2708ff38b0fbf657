"""A replay's decisions in pieces that fit into memory: whole cycles, some at a time."""

from collections.abc import Iterator
from itertools import groupby

from evaluation.services.replay.asking import Batch, batches
from evaluation.services.replay.orders import Order
from evaluation.services.replay.selecting import sources_of

ASKED_AT_ONCE, JUDGED_AT_ONCE = 20, 200  # cycles; of those that are asked, every question is held


def chunks(order: Order) -> Iterator[list[Batch]]:
    """Yield the selected decisions by the call they came of, whole cycles together."""
    most = ASKED_AT_ONCE if order.asks else JUDGED_AT_ONCE
    chunk: list[Batch] = []
    cycles = 0
    for _, group in groupby(_batches(order), key=lambda batch: batch.sources[0].cycle_id):
        chunk += group
        cycles += 1
        if cycles == most:
            yield chunk
            chunk, cycles = [], 0
    if chunk:
        yield chunk


def _batches(order: Order) -> Iterator[Batch]:
    """Yield the decisions by the call they came of; where nothing is asked, by cycle."""
    if order.asks:
        yield from batches(sources_of(order.selection))
        return
    for _, group in groupby(sources_of(order.selection, wanting_only=True), key=lambda each: each.cycle_id):
        yield Batch(tuple(group), None)
