"""The console's frame in the admin theme: title, colours and navigation. Read by settings."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

CONTEXT = "trading.admin.context"
FORMAT_MODULE_PATH = ["orchestrator_project.formats"]


def _item(title: str, icon: str, name: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}"), **more}


def _table(title: str, icon: str, model: str, **more: Any) -> dict[str, Any]:
    return _item(title, icon, f"{model}_changelist", permission=_may_view(model), **more)


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, _, name = model.rpartition("_")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")


def _is_approval_history(request: HttpRequest) -> bool:
    return "/trading/approval/" in request.path and "/queue/" not in request.path


def _is_equity(request: HttpRequest) -> bool:
    return "/trading/equitysnapshot/" in request.path and "/performance/" not in request.path


def _is_replay(request: HttpRequest) -> bool:
    return "/evaluation/run/" in request.path and "/models/" not in request.path


# What is looked at every day stands first; what only explains how the system came to something is folded. A title
# is the page's own name: the plural of its table (tests/trading/admin/test_menu.py), or what the page calls itself;
# `also` is what else the search finds it by.
NAVIGATION = [
    {
        "items": [
            _item("Dashboard", "dashboard", "index"),
            _item("Approvals", "how_to_vote", "trading_approval_queue", badge=f"{CONTEXT}.approvals_badge"),
            _table("Positions", "account_balance_wallet", "trading_position"),
            _table("Decisions", "psychology", "trading_aidecision"),
            _item(
                "Performance",
                "trending_up",
                "trading_equitysnapshot_performance",
                permission=_may_view("trading_equitysnapshot"),
            ),
            {
                "title": "Health",
                "icon": "monitor_heart",
                "link": reverse_lazy("console_health"),
                "permission": _may_view("trading_heartbeat"),
            },
            _item("Kill switch", "emergency_home", "risk_killswitch_changelist"),
        ],
    },
    {
        "title": "What happened",
        "separator": True,
        "items": [
            _table("Cycles", "cycle", "trading_cycle"),
            _table("Orders", "receipt_long", "trading_order"),
            _table("Trades", "swap_horiz", "trading_trade"),
            _table("Round trips", "sync_alt", "trading_roundtrip"),
            # Its address begins like the queue's, which has an item of its own.
            _table("Approval history", "fact_check", "trading_approval", active=_is_approval_history),
        ],
    },
    {
        "title": "Steering",
        "separator": True,
        "items": [
            _table("Strategies", "strategy", "trading_strategy"),
            _table("Limits", "speed", "risk_risklimits"),
            _table("Settings", "tune", "trading_runtimesetting"),
            _table("Symbol locks", "lock", "trading_symbollock"),
            _table("Universe candidates", "travel_explore", "trading_universecandidate"),
        ],
    },
    {
        "title": "Evaluation",
        "separator": True,
        "items": [
            _table("Calibration reports", "target", "evaluation_calibrationreport"),
            _table("Outcomes", "rule", "evaluation_outcome"),
            _item("Models", "leaderboard", "evaluation_run_models", permission=_may_view("evaluation_run")),
            _table("Replays", "difference", "evaluation_run", active=_is_replay, also=["Compare", "Runs"]),
            _table("Shadow strategies", "visibility", "evaluation_shadowbook"),
        ],
    },
    {
        "title": "System",
        "separator": True,
        "collapsible": True,
        "items": [
            _table("Schedule", "schedule", "django_celery_beat_periodictask"),
            _table("Agent status", "smart_toy", "trading_agentstatus"),
            _table("Signs of life", "ecg_heart", "trading_heartbeat"),
            _table("Notices", "notifications", "trading_noticemessage"),
            _table("Events", "history", "trading_event"),
            _table("Parked events", "report", "trading_parkedevent"),
            _table("Proposals", "move_to_inbox", "trading_tradeproposal"),
            _table("Model calls", "neurology", "ai_modelcall"),
            _table("Model prices", "payments", "ai_modelprice"),
            _table("Model cutoffs", "event_busy", "ai_modelcutoff"),
            _table("Model capabilities", "construction", "ai_modelcapability"),
            _table("Users", "person", "auth_user"),
            _table("Groups", "group", "auth_group"),
            _table("API tokens", "key", "trading_apitoken"),
            {"title": "API", "icon": "api", "link": reverse_lazy("docs")},
        ],
    },
    {
        "title": "System: records",
        "collapsible": True,
        "items": [
            _table("Fills", "done_all", "trading_fill"),
            _table("Lots", "stacks", "trading_lot"),
            _table("Account activities", "move_up", "trading_accountactivity"),
            # Its address begins like the performance's, which has an item of its own.
            _table("Equity readings", "monitoring", "trading_equitysnapshot", active=_is_equity),
            _table("Theses", "lightbulb", "trading_thesis"),
            _table("Sagas", "route", "trading_saga"),
            _table("Checks", "policy", "risk_riskcheck"),
            _table("Trust curves", "handshake", "risk_trustcurve"),
            _table("Reservations", "bookmark", "risk_riskreservation"),
            _table("Assets", "list_alt", "trading_asset"),
            _table("Market snapshots", "photo_camera", "trading_marketsnapshot"),
            _table("Bar histories", "candlestick_chart", "trading_barhistory"),
            _table("Strategy versions", "history_edu", "trading_strategyversion"),
            _table("Decision records", "inventory_2", "trading_decisionrecord"),
            _table("Shadow decisions", "psychology_alt", "evaluation_shadowdecision"),
            _table("Shadow fills", "done", "evaluation_shadowfill"),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Trading Orchestrator",
    "SITE_HEADER": "Trading Orchestrator",
    "SITE_SUBHEADER": "paper accounts only",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("console/favicon.svg")}
    ],
    "SITE_URL": None,
    "LOGIN": {"form": "orchestrator_project.web.login.LoginForm"},
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "GLOBAL_CALLBACK": f"{CONTEXT}.page_context",
    "DASHBOARD_CALLBACK": f"{CONTEXT}.dashboard",
    "STYLES": [
        lambda request: static("console/console.css"),
        lambda request: static("evaluation/evaluation.css"),
    ],
    "SCRIPTS": [
        lambda request: static("console/kept.js"),
        lambda request: static("console/copy.js"),
        lambda request: static("console/frame.js"),
        lambda request: static("console/times.js"),
    ],
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": NAVIGATION},
    # A calm blue: green, yellow and red stay free for what they mean.
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
        # unfold's warning label is orange; pending is yellow here.
        "orange": {
            "100": "oklch(97.3% .071 103.193)",
            "400": "oklch(85.2% .199 91.936)",
            "500": "oklch(79.5% .184 86.047)",
            "700": "oklch(55.4% .135 66.442)",
        },
    },
}
