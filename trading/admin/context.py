"""What unfold asks the console for: every page's standing, the dashboard and the badge."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from trading.access.time_zones import time_zone_of
from trading.access.visits import last_look
from trading.admin.agent import SET_MODE
from trading.admin.base import change_url
from trading.admin.chart import line_chart
from trading.admin.extras import DASHBOARD_TILES
from trading.admin.hands.deeds import agent_deeds
from trading.admin.kill_switch import ENGAGE, RELEASE
from trading.admin.standing import VIEW, standing_of
from trading.core import settings
from trading.core.provider_health import provider_health
from trading.queries.news import news_since
from trading.queries.overview import Exposure, overview

PAGES_OF_KINDS = {
    "kill_switch": "risk_killswitch_changelist",
    "setting": "trading_runtimesetting_changelist",
    "strategy": "trading_strategy_changelist",
    "symbol_lock": "trading_symbollock_changelist",
}
HUNDRED = 100


def page_context(request: HttpRequest) -> dict[str, Any]:
    """Return the standing for a page's header and banners; nothing for those who may not look at it."""
    user = request.user
    if not user.is_staff:
        return {}
    if not user.has_perm(VIEW):
        return {"may_find": True, "time_zone": time_zone_of(int(user.pk or 0))}
    return {
        "may_find": True,
        "time_zone": standing_of(request).time_zone,
        "standing": standing_of(request),
        "may_engage": user.has_perm(ENGAGE),
        "may_release": user.has_perm(RELEASE),
        "may_set_mode": user.has_perm(SET_MODE),
    }


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the index page's context, with the overview for those who may look at the agent."""
    context["title"] = "Dashboard"
    if not request.user.has_perm(VIEW):
        return context
    with settings.read_once():
        return context | _dashboard(request)


def _dashboard(request: HttpRequest) -> dict[str, Any]:
    seen = overview(standing_of(request).agent)
    looked = last_look(int(request.user.pk or 0), now=seen.now, is_use="HX-Request" not in request.headers)
    news = news_since(looked, seen.now)
    return {
        "overview": seen,
        "news": news,
        "happenings": [(one, link_of(one.kind, one.pk)) for one in news.happenings],
        "chart": line_chart(seen.curve),
        "exposure_bar": exposure_bar(seen.exposure),
        "providers": provider_health(),
        "deeds": agent_deeds(request, is_paused=standing_of(request).entries_pause.is_paused),
        "tiles": DASHBOARD_TILES.shown(request, None),
    }


def link_of(kind: str, pk: str) -> str:
    """Return the page of what an event happened to, "" where there is none."""
    if kind in ("cycle", "saga", "order", "decision"):
        return change_url("trading", "aidecision" if kind == "decision" else kind, pk)
    name = PAGES_OF_KINDS.get(kind)
    return reverse(f"admin:{name}") if name else ""


def exposure_bar(exposure: Exposure) -> dict[str, float] | None:
    """Return widths in percent of the bar, whose full length is 100 % of equity or what is held."""
    if exposure.percent is None or exposure.reserved_percent is None:
        return None
    held, reserved = float(exposure.percent), float(exposure.reserved_percent)
    full = max(HUNDRED, held + reserved)
    limit = float(exposure.limit_percent or 0)
    return {"held": held / full * 100, "reserved": reserved / full * 100, "limit": limit / full * 100}


def approvals_badge(request: HttpRequest) -> str:
    """Return how many approvals wait, "" for none."""
    waiting = standing_of(request).approvals_open if request.user.has_perm(VIEW) else 0
    return str(waiting) if waiting else ""
