"""What people and other programs leave behind: answers, locks, candidates, proposals, notices, parked events."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

SEEN_ELSEWHERE = ("trading.handledevent", "trading.noticetopic", "django_celery_beat.crontabschedule")
PROCESSES = ("sweeper", "protection", "listener", "relay", "consume_events", "evaluator")


def leave() -> None:
    """Write all of it."""
    from django.contrib.auth.models import User

    from tests import factories as make
    from tests.trading.admin.rows import ROWS

    if not User.objects.filter(username="ann").exists():
        make.make_user("ann", group="risk officer")
        make.make_user("bob", group="operator")
        make.make_user("carol", group="viewer")
    _answered()
    _steered()
    _from_outside()
    _told()
    for table in SEEN_ELSEWHERE:
        ROWS[table]()
    for process in PROCESSES:
        make.make_heartbeat(process)


def _answered() -> None:
    """Reject one request, and let one expire."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from trading.execution.approvals import answer, expire
    from trading.models import Approval

    ann = User.objects.get(username="ann")
    for place, approval in enumerate(
        Approval.objects.filter(status="requested").order_by("requested_at")[:4]
    ):
        if place < 2:
            reason = ("the spread is too wide before the close", "enough of this sector is held")[place]
            answer(approval, granted=False, user=ann, reason=reason, hold_hours=24)
        elif place == 2:
            answer(approval, granted=True, user=ann, reason="it looks right")
        else:
            Approval.objects.filter(pk=approval.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
            approval.refresh_from_db()
            expire(approval)


def _steered() -> None:
    from django.utils import timezone

    from tests import factories as make
    from trading.access.api_tokens import issue_token
    from trading.analysis.candidates import (
        approve_candidate,
        propose_candidate,
        reject_candidate,
        set_watchlist,
    )
    from trading.guards.symbol_locks import lock_symbol, unlock_symbol
    from trading.models import Asset

    now = timezone.now()
    lock_symbol(
        symbol="TSLA", actor="ann", reason="earnings after the close", until=now + timedelta(hours=20)
    )
    lock_symbol(symbol="BTC/USD", actor="bob", reason="not at weekends")
    lock_symbol(symbol="GME", actor="bob", reason="a squeeze")
    unlock_symbol(symbol="GME", actor="ann", reason="it is over")
    listed = Asset.objects.filter(asset_class="stock", tradable=True).order_by("dollar_volume", "symbol")
    for place, symbol in enumerate(listed.values_list("symbol", flat=True)[:6]):
        propose_candidate(symbol=symbol, source="news screen", reason="named in three headlines today")
        if place in (0, 1):
            approve_candidate(symbol=symbol, actor="ann", reason="liquid enough")
        if place == 2:
            reject_candidate(symbol=symbol, actor="ann", reason="trades too thinly")
        if place == 1:
            set_watchlist(symbol=symbol, on=True, actor="ann")
    from django.contrib.auth.models import User

    issue_token(user=User.objects.get(username="bob"))
    make.make_engagement(
        engaged_by="ann",
        reason="the broker answers slowly",
        released_at=now,
        released_by="ann",
        release_reason="the broker is itself again",
    )


def _from_outside() -> None:
    from django.utils import timezone

    from tests import factories as make
    from trading.models import BookCheck, Strategy

    now, strategy = timezone.now(), Strategy.objects.trading().get()
    of: dict[str, Any] = {"strategy": strategy, "source": "urn:example:research-desk", "proposed_at": now}
    waits = {"expires_at": now + timedelta(minutes=3)}
    make.make_proposal(symbol="MSFT", reasoning="Guidance was raised after the close.", **of, **waits)
    make.make_proposal(
        symbol="KO",
        reasoning="A defensive name for a nervous week.",
        status="expired",
        reason="no cycle could take it up in time",
        expires_at=now - timedelta(minutes=9),
        **of,
    )
    make.make_parked_event(
        source="urn:example:research-desk", error="data.symbol: was 'APPL', expected a listed stock"
    )
    make.make_parked_event(
        source="urn:example:research-desk", error="data.confidence: was 1.4, expected 0 to 1"
    )
    paid: dict[str, Any] = {
        "kind": "dividend",
        "symbol": "KO",
        "amount": Decimal("22.80"),
        "happened_at": _market_now(),
    }
    paid["activity"] = make.make_activity(quantity=0, price=Decimal("0.485"), broker_kind="DIV", **paid)
    make.make_cash_line(**paid)
    BookCheck.objects.update(unexplained_cash=-paid["amount"])  # the venue's account has not got it


def _market_now() -> datetime:
    from trading.market.market_time import latest_market_time

    now = latest_market_time()
    assert now is not None
    return now


def _told() -> None:
    from django.utils import timezone

    from tests import factories as make

    now = timezone.now()
    make.make_notice(
        topic="approvals",
        severity="warning",
        title="23 decisions wait for an answer",
        body="The most urgent expires in four minutes: BUY MSFT, confidence 0.71.",
        status="sent",
        made_at=now - timedelta(minutes=40),
        ended_at=now - timedelta(minutes=39),
        reached=["ntfy"],
        reached_at=now - timedelta(minutes=39),
    )
    make.make_notice(
        topic="providers",
        severity="warning",
        title="Finnhub does not answer",
        body="Headlines are missing since 14:02; prices are not concerned.",
        attempts=2,
        error="ntfy: 503 Service Unavailable",
        failed_at=now,
    )
