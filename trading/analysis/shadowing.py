"""What changes on the account where a strategy that trades becomes a shadow, or a shadow is to trade."""

from django.utils import timezone

from trading.models import Approval, Strategy, Thesis, TradeProposal

SHOWN = 5


def effects_of(stored: Strategy, *, is_active: bool, is_shadow: bool) -> list[str]:
    """Return in words what the change does to the account, a line each; empty where it does nothing to it.

    Args:
        stored: as it is in the database.
        is_active, is_shadow: as they are to be.
    """
    traded = stored.is_active and not stored.is_shadow
    trades = is_active and not is_shadow
    if stored.is_shadow and trades:
        return ["its decisions become orders on the account, from the next cycle on"]
    return (
        _left_behind(stored) if is_shadow and not stored.is_shadow and (traded or _has_open(stored)) else []
    )


def _left_behind(stored: Strategy) -> list[str]:
    effects = [f"{stored.name} trades no more: orders under way and the stops of what it bought go on"]
    symbols = sorted(_bought(stored))
    if symbols:
        named = ", ".join(symbols[:SHOWN]) + (" …" if len(symbols) > SHOWN else "")
        effects.append(f"of {named}, which it bought, it decides no sale any more")
    if stored.is_active and not Strategy.objects.trading().exclude(pk=stored.pk).exists():
        effects.append("no other strategy trades: no cycle asks anybody, and shadows see nothing either")
    approvals = Approval.objects.waiting(timezone.now()).filter(decision__strategy=stored).count()
    if approvals:
        effects.append(f"{approvals} of its requests for approval are withdrawn")
    if proposals := _proposals(stored):
        effects.append(f"{proposals} proposals from outside for it expire")
    return effects


def _has_open(stored: Strategy) -> bool:
    waiting = Approval.objects.waiting(timezone.now()).filter(decision__strategy=stored)
    return bool(_bought(stored)) or waiting.exists() or bool(_proposals(stored))


def _bought(stored: Strategy) -> set[str]:
    open_theses = Thesis.objects.filter(strategy=stored, closed_at__isnull=True)
    return set(open_theses.values_list("symbol", flat=True))


def _proposals(stored: Strategy) -> int:
    waiting = TradeProposal.objects.filter(strategy=stored, status=TradeProposal.Status.WAITING)
    return waiting.count()
