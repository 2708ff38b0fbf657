"""The statuses that the events tell, and those that the tables hold."""

from django.db import models

from trading.models import AIDecision, Cycle, Event, Order, Saga

MODELS: dict[str, type[models.Model]] = {
    "cycle": Cycle,
    "decision": AIDecision,
    "order": Order,
    "saga": Saga,
}


def rebuilt_statuses() -> dict[tuple[str, str], str]:
    """Return the status of every aggregate as its events tell it."""
    told: dict[tuple[str, str], str] = {}
    for event in Event.objects.filter(aggregate_type__in=MODELS).order_by("sequence"):
        key = (event.aggregate_type, event.aggregate_id)
        if "to" in event.payload:
            assert event.payload.get("from", told.get(key)) == told.get(key)
            told[key] = event.payload["to"]
    return told


def stored_statuses() -> dict[tuple[str, str], str]:
    """Return the status of every aggregate as its row holds it."""
    return {
        (name, str(row["pk"])): row["status"]
        for name, model in MODELS.items()
        for row in model._default_manager.values("pk", "status")
    }
