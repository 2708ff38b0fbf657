"""What the evaluation has to show: outcomes with reports and a trust curve, a shadow strategy, replays, a data set."""

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

SESSIONS, SYMBOLS = 60, ("AAPL", "MSFT", "NVDA", "AMZN", "JPM", "XOM", "KO", "COST", "PEP", "MCD")
SHADOW = "Bold momentum (shadow)"
OTHER_MODEL = "openai/gpt-4o-mini"


def make_shadow() -> Any:
    """Return a shadow that asks the built-in analyst, and buys sooner and more."""
    from trading.models import Strategy

    live = Strategy.objects.trading().get()
    return Strategy.objects.create(
        name=SHADOW,
        instructions=live.instructions + " Prefer what has risen most.",
        model_names=live.model_names,
        size_percent=Decimal(6),
        allows_fractions=True,
        is_shadow=True,
        is_active=True,
    )


def look_on(shadow: Any) -> None:
    """Take the shadow through the cycle that has just ended."""
    from evaluation.services.shadow.running import catch_up

    catch_up(shadow)


def evaluate() -> None:
    """Write outcomes of two months for two models, tell them, trust one, and ask a cycle again in some ways."""
    from ai.models import ModelCapability, ModelCutoff, ModelPrice
    from evaluation.services.outcomes.job import label_outcomes
    from tests.trading.admin.rows import ROWS
    from trading.market.market_time import latest_market_time

    for table in (ModelCapability, ModelCutoff, ModelPrice):
        if not table._default_manager.filter(**{_key(table): OTHER_MODEL}).exists():
            ROWS[table._meta.label_lower]()
    now = latest_market_time()
    assert now is not None
    label_outcomes(now)
    _live(now)
    _tell()
    _ask_again()


def _key(table: Any) -> str:
    return "pattern" if table.__name__ == "ModelCutoff" else "model"


def _live(now: Any) -> None:
    from evaluation.models import Outcome
    from tests.evaluation.services.agents import live, states
    from trading.models import Strategy

    strategy = Strategy.objects.trading().get().pk
    first = (now - timedelta(days=int(SESSIONS * 1.6))).date()
    live(
        SESSIONS,
        right=lambda stated: 0.35 + 0.3 * stated,
        strategy=strategy,
        first=first,
        stated=states(0.58, 0.66, 0.73, 0.81, 0.9),
        actions=("buy", "buy", "sell", "hold"),
    )
    live(
        SESSIONS // 2,
        right=lambda stated: 0.5,
        model=OTHER_MODEL,
        answered_model=f"{OTHER_MODEL}-2024-07-18",
        window="clean",
        strategy=strategy,
        first=first,
        stated=states(0.7, 0.8, 0.9),
        seed=2,
    )
    for place, symbol in enumerate(SYMBOLS):
        Outcome.objects.filter(symbol=f"S{place}").update(symbol=symbol)


def _tell() -> None:
    from evaluation.errors import NotPublishedError
    from evaluation.services.calibration.publishing import publish_trust
    from evaluation.services.calibration.reports import report_of, store
    from evaluation.services.calibration.scopes import Question, asked_scopes

    for scope in asked_scopes(Question()):
        report = report_of(scope)
        if report is None:
            continue
        stored = store(report)
        try:
            publish_trust(scope, stored, author="ann")
        except NotPublishedError as refused:
            logging.getLogger(__name__).info("%s earns no trust: %s", scope.model, refused)


def _ask_again() -> None:
    """Carry out a replay under other limits and one with another threshold; keep a cycle's decisions as a data set."""
    from evaluation.services.datasets import make_dataset
    from evaluation.services.replay.orders import Order, order_replay, stop
    from evaluation.services.replay.running import carry_out
    from evaluation.services.replay.selecting import Selection
    from evaluation.services.replay.variation import Variation
    from trading.models import Cycle

    asked = Cycle.objects.filter(decisions__record__isnull=False)
    traded = Selection(cycle=str(asked.filter(decisions__status="executed").earliest("number").pk))
    make_dataset("entries", traded, description="What the demo's first cycle decided.")
    newest = Selection(cycle=str(asked.latest("number").pk))
    stop(order_replay(Order(newest, Variation(samples=3)), author="bob", in_background=True))
    for selection, variation in (
        (newest, Variation()),
        (traded, Variation(threshold="0.7")),
        (traded, Variation(limits={"max_positions": "5"})),
    ):
        carry_out(order_replay(Order(selection, variation), author="ann"))
