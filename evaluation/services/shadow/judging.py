"""A shadow's decisions before the gate that trades, on the shadow's own book.

The account's limits and the strategy's own hold, and a person's word: the switch, a pause of entries, a symbol's lock.
What guards conclude from what the account itself traded does not: the shadow did not trade it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from evaluation.domain.shadow_state import ShadowState
from evaluation.services.replay.regating import GateAgain, GateScene, Proposed
from evaluation.services.replay.sources import RecordedVerdict
from evaluation.services.replay.variation import Variation
from risk.domain.numbers import HUNDRED, ZERO
from risk.domain.reasons import DenyReason
from risk.domain.types import RiskBook


def judged(
    scene: GateScene, state: ShadowState, proposed: Sequence[Proposed], prices: Mapping[str, Decimal]
) -> dict[UUID, RecordedVerdict]:
    """Return the gate's answer to each decision, by id.

    Args:
        scene: what the gate stood on in the cycle.
        prices: of what waits, USD by symbol.
    """
    held = {symbol: each.quantity for symbol, each in state.book.holdings.items()}
    own = replace(scene, book=book_of(scene.book, state, prices), held=held, blocks=_a_persons(scene.blocks))
    return GateAgain(Variation()).judge(own, proposed)


def book_of(account: RiskBook, state: ShadowState, prices: Mapping[str, Decimal]) -> RiskBook:
    """Return the shadow's book as the gate takes it; of the account's only what a person said, and the switch."""
    exposures = state.book.exposures(state.prices)
    reserved = {
        order.symbol: order.quantity * prices.get(order.symbol, ZERO)
        for order in state.book.waiting
        if order.side == "buy"
    }
    return RiskBook(
        switch_engaged=account.switch_engaged,
        trading_state=account.trading_state,
        entries_paused=account.entries_paused,
        equity=state.equity,
        session_start_equity=state.session[1] if state.session else None,
        buying_power=state.book.cash,
        exposures=exposures,
        reserved=reserved,
        open_risk=_risk_at_stops(state, reserved),
        pending_symbols=frozenset(order.symbol for order in state.book.waiting),
    )


def _risk_at_stops(state: ShadowState, reserved: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what is lost where the stops of what is held and waits sell, USD by symbol; without one, all of it."""
    risk = {}
    for symbol, exposure in state.book.exposures(state.prices).items():
        watched = state.watched.get(symbol)
        at_stop = ZERO if watched is None else watched.stop_price * state.book.held(symbol)
        risk[symbol] = max(exposure - at_stop, ZERO)
    for order in state.book.waiting:
        if (plan := state.plans.get(order.decision)) is not None:
            lost = reserved.get(order.symbol, ZERO) * plan.stop_percent / HUNDRED
            risk[order.symbol] = risk.get(order.symbol, ZERO) + lost
    return risk


def _a_persons(
    blocks: Mapping[str, Mapping[str, Sequence[str]]],
) -> dict[str, dict[str, Sequence[str]]]:
    return {
        kind: {symbol: said for symbol, said in found.items() if said[0] == DenyReason.SYMBOL_LOCKED.value}
        for kind, found in blocks.items()
    }
