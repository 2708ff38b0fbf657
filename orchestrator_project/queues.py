"""The queues of the workers: one for each kind of work, so that a deployment gives each as many processes as it needs.

A worker of ``default`` reads those that were parted from it, too: nothing is left lying where a worker is started as
before there were more. One that is to leave them to others is told so: ``-Q default -X fetch,upkeep``.
"""

from collections.abc import Iterable

from celery.app import amqp

DEFAULT = "default"
PARTED = ("fetch", "upkeep")
ALL = (DEFAULT, *PARTED, "orders", "analysis")


class Queues(amqp.Queues):
    """The queues, of which a worker selects those it reads."""

    def select(self, include: Iterable[str] | str | None) -> None:
        """Read these queues alone; with ``default`` those that were parted from it."""
        names = [include] if isinstance(include, str) else list(include or ())
        if DEFAULT in names:
            names += [name for name in PARTED if name not in names]
        super().select(names)


class AMQP(amqp.AMQP):
    """Celery's messages, with our queues."""

    queues_cls = Queues
