"""What a replay takes, said before anything is asked."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings as django_settings

from ai.calls import ModelAccess
from ai.replaying import Estimate, Replaying
from evaluation.services.replay.asking import Asking, questions
from evaluation.services.replay.chunking import chunks
from evaluation.services.replay.orders import Order


def estimate(order: Order, *, fresh_since: datetime | None = None) -> Estimate:
    """Return what answering all of it takes: nothing is asked. Every question is made for it."""
    known = asked = 0
    most, unpriced = Decimal(0), set[str]()
    if order.asks:
        asking = Asking(order.variation)
        for chunk in chunks(order):
            made = [each for batch in chunk for each in questions(batch, order.variation, asking)]
            access = access_of(asking)
            replaying = Replaying(made, policy=order.variation.policy, access=access, fresh_since=fresh_since)
            part = replaying.estimate()
            known, asked, most = known + part.known, asked + part.asked, most + part.most_usd
            unpriced.update(part.unpriced)
    return Estimate(known, asked, most, tuple(sorted(unpriced)))


def estimate_json(found: Estimate) -> dict[str, Any]:
    """Return an estimate as JSON values."""
    return {
        "requestsKnown": found.known,
        "requestsToAsk": found.asked,
        "mostUsd": str(found.most_usd),
        "unpricedModels": list(found.unpriced),
    }


def access_of(asking: Asking) -> ModelAccess:
    """Return where models are asked."""
    return ModelAccess(asking.api_base, django_settings.ENVIRONMENT.ai_api_key)
