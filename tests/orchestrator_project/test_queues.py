"""Each kind of work has its queue; a worker started as before there were more leaves none lying."""

import pytest

from orchestrator_project import queues
from orchestrator_project.celery import app
from orchestrator_project.observability.metric_readings import queue_names
from trading.flow import FLOW


def read_by(include: str, exclude: str = "") -> set[str]:
    """Return what a worker of ``-Q include -X exclude`` reads."""
    chosen = app.amqp.Queues(app.conf.task_queues)
    chosen.select(include.split(","))
    chosen.deselect([name for name in exclude.split(",") if name])
    return set(chosen.consume_from)


@pytest.mark.parametrize(
    ("include", "exclude", "read"),
    [
        ("default,orders", "", {"default", "orders", "fetch", "upkeep"}),
        ("default", "fetch,upkeep", {"default"}),
        ("fetch", "", {"fetch"}),
        ("orders", "", {"orders"}),
        ("analysis", "", {"analysis"}),
        ("analysis,fetch", "", {"analysis", "fetch"}),
    ],
)
def test_worker_of_default_reads_what_was_parted_from_it_unless_told(
    include: str, exclude: str, read: set[str]
) -> None:
    assert read_by(include, exclude) == read


def test_every_step_goes_to_a_queue_that_is_known() -> None:
    used = {app.amqp.router.route({}, f"trading.{name}")["queue"].name for name in FLOW}

    assert used == set(queues.ALL) == set(queue_names())
