"""Situations that many trading tests begin with, built from rows and the venue's truth."""

from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.utils import timezone

from connectors.base import BrokerOrder
from risk.models import RiskReservation
from tests.factories import (
    make_approval,
    make_asset,
    make_cycle,
    make_decision,
    make_snapshot,
    make_strategy,
    switch_guards_off,
)
from tests.trading.outside import STOCK
from tests.waiting import wait_until
from trading.core.providers import current_providers
from trading.domain.stage_keys import stage_key
from trading.domain.symbols import is_coin
from trading.execution import decision_execution, sagas
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AIDecision, Cycle, Event, Order, Saga
from trading.orders.attempts import Attempt
from trading.orders.posting import post_order
from trading.queries import stage_words
from trading.queries.decision_rows import facts_of, rows_of


def ago(**units: float) -> Any:
    """Return the moment so long ago, e.g. ``ago(seconds=3)``; negative: to come."""
    return timezone.now() - timedelta(**units)


def change(row: Model, **columns: Any) -> None:
    """Write columns behind the services' back, e.g. to move a lease, and read the row again."""
    type(row)._default_manager.filter(pk=row.pk).update(**columns)
    row.refresh_from_db()


def price_of(symbol: str) -> Decimal:
    """Return the venue's price; its clock is held, so it stays while a test does not move it."""
    return _price(symbol, current_providers())


def forget_prices() -> None:
    """Ask the venue anew: another test may have moved its clock."""
    _price.cache_clear()


@lru_cache(maxsize=64)
def _price(symbol: str, providers: Any) -> Decimal:
    sources = providers.coin_quotes if is_coin(symbol) else providers.stock_quotes
    return Decimal(sources[0].quotes([symbol])[symbol].price)


def open_cycle(**overrides: Any) -> Cycle:
    """Write the running cycle, at the stage where decisions are executed, and sync the account."""
    cycle = make_cycle(**({"status": "running", "stage": "executing", "symbols": [STOCK]} | overrides))
    sync_portfolio(cycle.pk)
    return cycle


def wish(symbol: str = STOCK, action: str = "buy", **overrides: Any) -> AIDecision:
    """Write a decision that wants to trade, with a fresh price of a known asset, in the running cycle.

    One that is pending with ``approved=True`` was approved by a person just now.
    """
    cycle = overrides.pop("cycle", None) or Cycle.objects.open().first() or open_cycle()
    price = price_of(symbol)
    make_asset(symbol)
    make_snapshot(cycle=cycle, symbol=symbol, price=price, quoted_at=market_now())
    decision = make_decision(cycle=cycle, symbol=symbol, action=action, price=price, **overrides)
    if decision.approved:
        make_approval(decision=decision, status="granted", answered_at=timezone.now())
    return decision


def passed(
    symbol: str = STOCK, action: str = "buy", *, size_percent: int = 3, whole: bool = False, **overrides: Any
) -> Saga:
    """Return the saga of a wish that passed the gate; nothing has been sent.

    Args:
        action: what is sold may have been bought just now.
        whole: the strategy buys whole shares, so that the entry brings its stop and its target along.
    """
    if action == "sell":
        switch_guards_off("minimum_hold")
    strategy = make_strategy(size_percent=Decimal(size_percent), allows_fractions=not whole)
    saga_id = decision_execution.execute_decision(wish(symbol, action, strategy=strategy, **overrides).pk)
    assert saga_id is not None
    return Saga.objects.select_related("order", "decision").get(pk=saga_id)


def claimed_and_posted(order: Order) -> BrokerOrder:
    """Post an order as its submitter does once it has claimed it, and record nothing of the answer."""
    change(order, status="submitting", lease_until=ago(seconds=-30))
    return post_order(Attempt(order))


def advanced_to_its_end(saga_id: UUID) -> Saga:
    """Advance a saga as the sweeper does until it has ended."""

    def ended() -> Saga | None:
        saga = sagas.advance_saga(saga_id)
        return saga if saga.ended_at else None

    saga = wait_until(ended, what="the saga ends")
    assert saga is not None
    return Saga.objects.select_related("order", "decision").get(pk=saga.pk)


def all_advanced_to_their_end() -> None:
    """Advance what is open in turn until nothing is: who is done first waits for those who are about to be."""

    def ended() -> bool:
        for saga in Saga.objects.open():
            sagas.advance_saga(saga.pk)
        return not Saga.objects.open().exists()

    wait_until(ended, what="all sagas end")


def order_of(saga: Saga) -> Order:
    """Return the saga's order as it stands."""
    return Order.objects.get(pk=saga.order_id)


def reservation_of(saga: Saga) -> RiskReservation:
    """Return the saga's reservation as it stands."""
    return RiskReservation.objects.get(decision_id=saga.decision_id)


def wrong_stages() -> dict[UUID, tuple[str, str]]:
    """Return the decisions whose word, once all noted changes are taken, is not what the rules say, with both words."""
    stage_words.catch_up()
    stored = dict(AIDecision.objects.values_list("pk", "stages"))
    right = {row.decision_id: stage_key(facts_of(row)) for row in rows_of(stored)}
    return {pk: (word, right[pk]) for pk, word in stored.items() if word != right[pk]}


def events_of(row: Model) -> list[str]:
    """Return the types of a row's events in order."""
    return list(
        Event.objects.filter(aggregate_id=str(row.pk)).order_by("sequence").values_list("type", flat=True)
    )
