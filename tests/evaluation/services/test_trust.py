"""From outcomes to the size of an order: curves are published as they are learnt, and the running gate obeys them."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import transaction

from evaluation.domain.intervals import Basis
from evaluation.domain.trust_fit import fit_trust
from evaluation.services.trust import publish_curve
from risk.domain.trust import Knot, Scope
from risk.errors import TrustError
from risk.models import RiskCheck, TrustCurve
from tests.evaluation.domain.simulated import HORIZON, Floats, forecasts
from tests.factories import make_model_call, make_strategy
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import wish
from trading.core.settings import set_runtime_setting
from trading.execution.decision_execution import execute_decision
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import Event

LOOKS = (10, 20, 40, 60, 120, 250, 500)
SCOPE = Scope("openai/agent", answered="agent-2026")
FLOOR = Decimal("0.25")
EVEN = Decimal("0.5"), Decimal("0.6")


@pytest.fixture(autouse=True)
def trust_is_on(account: Outside) -> None:
    sync_portfolio(None)
    set_runtime_setting(name="trust_sizing", value="on", actor="ada")


def stated(opinion: Floats) -> Floats:
    return np.asarray(np.round(np.clip(0.85 + 0.04 * opinion, 0.7, 0.95), 2))


def share_bought() -> Decimal:
    """Return what the running gate lets through of the whole size at a stated 0.9; nothing of it stays."""
    point = transaction.savepoint()
    try:
        call = make_model_call(model=SCOPE.model, answered_model=SCOPE.answered, prompt_version="p")
        strategy = make_strategy(size_percent=Decimal(2))
        decision = wish(
            STOCK, strategy=strategy, model=SCOPE.model, model_call=call, confidence=Decimal("0.9")
        )
        assert execute_decision(decision.pk) is not None
        check = RiskCheck.objects.get(decision_id=decision.pk)
        return (check.notional / (Decimal(check.figures["equity"]) * 2 / 100)).quantize(Decimal("0.01"))
    finally:
        transaction.savepoint_rollback(point)


def shares(seed: int, right: float) -> dict[int, Decimal]:
    """Return the share that is bought, by sessions of outcomes, of an agent that is right as often whatever it states.

    A curve is published at each look where enough is known for one.
    """
    now = market_now()
    assert now is not None
    sample = forecasts(
        [seed, 31], LOOKS[-1], stated=stated, true=lambda u: np.full_like(u, right), common=0.1
    )
    found = {}
    for seen in LOOKS:
        fit = fit_trust(sample.where(sample.sessions < seen), Basis(horizon=HORIZON, resamples=99))
        if fit.knots:
            published(now + timedelta(days=42), knots=fit.knots)
        found[seen] = share_bought()
    return found


def test_claims_end_at_the_floor_and_skill_gets_nearly_all() -> None:
    """Both state 0.9; one is right in half of its decisions, the other in 0.62. Ten decisions a session."""
    vain, skilled = shares(3, 0.50), shares(3, 0.62)
    print("right 0.50", vain, "\nright 0.62", skilled)  # noqa: T201

    assert all(vain[seen] == FLOOR for seen in LOOKS if seen >= 60)
    assert skilled[500] >= Decimal("0.8")
    assert vain[10] == skilled[10] == FLOOR, "nothing is known yet"


def published(now: datetime, **overrides: Any) -> TrustCurve:
    values: dict[str, Any] = {
        "scope": SCOPE,
        "knots": [Knot(Decimal("0.9"), Decimal("0.6"), Decimal("0.55"), Decimal(90))],
        "break_even": EVEN[0],
        "reference": EVEN[1],
        "valid_until": now,
        "label_spec": "excess-5s-v1",
        "evidence": {"window": "clean"},
        "author": "ada",
    }
    return publish_curve(**(values | overrides))


def test_what_is_published_is_told() -> None:
    now = market_now()
    assert now is not None

    row = published(now)

    told = Event.objects.get(type="trust.published").payload
    assert (told["version"], told["model"], told["strategy_id"]) == (row.version, SCOPE.model, None)
    assert row.evidence == {"window": "clean"}


def test_what_is_refused_is_neither_in_force_nor_told() -> None:
    now = market_now()
    assert now is not None

    with pytest.raises(TrustError, match="knots: was 0 of them"):
        published(now, knots=[])

    assert not TrustCurve.objects.exists()
    assert not Event.objects.filter(type="trust.published").exists()
