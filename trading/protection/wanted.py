"""What a strategy and a decision want of a position's exit, out of their rows."""

from decimal import Decimal

from risk.domain.numbers import HUNDRED
from trading.domain.protection.plans import ExitPlan, ExitProposal, ExitRules, plan_exit, tick_at
from trading.domain.symbols import is_coin
from trading.models import AIDecision, MarketSnapshot, Strategy


def rules_of(strategy: Strategy) -> ExitRules:
    """Return what the strategy says of its exits as it is now."""
    return ExitRules(
        stop_percent=_decimal(strategy.stop_percent),
        stop_atr_multiple=_decimal(strategy.stop_atr_multiple),
        target_percent=_decimal(strategy.target_percent),
        reward_to_risk=_decimal(strategy.reward_to_risk),
        trailing_percent=_decimal(strategy.trailing_percent),
        time_stop_sessions=strategy.time_stop_sessions,
        tightest_stop_percent=_decimal(strategy.tightest_stop_percent),
        widest_stop_percent=_decimal(strategy.widest_stop_percent),
    )


def proposal_of(decision: AIDecision) -> ExitProposal:
    """Return what the decision proposes for its own position."""
    return ExitProposal(decision.stop_percent, decision.target_percent, decision.horizon_sessions)


def plan_for(decision: AIDecision, price: Decimal | None) -> ExitPlan | None:
    """Return where what the decision buys at ``price`` is to be sold; None where no price lies below the entry.

    The decision's strategy should have been read with it; its cycle's price is read where the strategy goes by ranges.
    """
    if price is None:
        return None
    try:
        return plan_exit(
            rules_of(decision.strategy),
            entry_price=price,
            atr=atr_seen(decision),
            proposal=proposal_of(decision),
            tick=tick_at(price, is_coin=is_coin(decision.symbol)),
        )
    except ValueError:
        return None


def atr_seen(decision: AIDecision) -> Decimal | None:
    """Return the average true range that the decision saw, in USD; None where its strategy does not go by it."""
    if decision.strategy.stop_atr_multiple is None:
        return None
    seen = MarketSnapshot.objects.filter(cycle_id=decision.cycle_id, symbol=decision.symbol).first()
    said = (seen.indicators or {}).get("atr_percent") if seen is not None else None
    if seen is None or isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return Decimal(repr(said)) * seen.price / HUNDRED


def _decimal(value: Decimal | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)
