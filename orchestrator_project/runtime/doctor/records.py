"""Rows that every cycle reads: settings, assets, strategies, limits, the kill switch."""

from datetime import timedelta

from django.db.models import Max
from django.utils import timezone

from orchestrator_project.runtime.doctor.finding import START, Answer, Check, failed, ok, warning
from risk.domain.numbers import plain_decimal
from risk.models import RiskLimits
from risk.services import switch
from trading.core import settings
from trading.domain.ages import is_fresh_age
from trading.domain.runtime_settings import SETTINGS
from trading.errors import SettingError
from trading.models import Asset, Strategy
from trading.queries.left_out import left_out

NAMED_AT_MOST = 5
ASSETS_MAX_AGE = timedelta(hours=25)  # listed at the start and by each maintenance cycle, which is hourly


def runtime_settings() -> Answer:
    """Read every setting as a cycle does."""
    problems = []
    for name in SETTINGS:
        try:
            settings.check(name)
        except SettingError as error:
            problems.append(str(error))
    if not problems:
        try:
            settings.check_combination()
        except SettingError as error:
            return warning(str(error), "change one of the two in the console: System, Settings")
    if problems:
        return failed("; ".join(problems), "correct it in the console: System, Settings")
    return ok(f"{len(SETTINGS)} within their bounds")


def assets() -> Answer:
    """Look at the list of what can be traded."""
    tradable = Asset.objects.filter(tradable=True)
    newest = tradable.aggregate(newest=Max("refreshed_at"))["newest"]
    if newest is None:
        return failed(
            "none is listed", f"{START}, which lists them; later `manage.py run_cycle --type maintenance`"
        )
    stocks = tradable.filter(asset_class="stock").count()
    age = timezone.now() - newest
    words = (
        f"{stocks} stocks, {tradable.count() - stocks} coins, listed {age.total_seconds() / 3600:.1f} h ago"
    )
    if is_fresh_age(age, ASSETS_MAX_AGE):
        return ok(words)
    return warning(words, "`manage.py run_cycle --type maintenance` lists them anew")


def strategies() -> Answer:
    """Look for a strategy: without one nothing is asked and nothing is decided."""
    names = list(Strategy.objects.trading().values_list("name", flat=True))
    shadows = list(Strategy.objects.shadows().values_list("name", flat=True))
    beside = f"; shadows, which never trade: {', '.join(shadows)}" if shadows else ""
    if not names:
        remedy = "activate one that is no shadow in the console: Market and models, Strategies"
        return failed(f"none is active{beside}", remedy)
    return ok(f"active: {', '.join(names)}{beside}")


def limits() -> Answer:
    """Look for the limits in force: without them the gate denies every entry."""
    row = RiskLimits.objects.first()
    if row is None:
        return failed("none: the gate denies every entry", "`manage.py prepare` adds the defaults")
    return ok(
        f"version {row.version} by {row.author}: position {plain_decimal(row.max_position_percent)} %,"
        f" exposure {plain_decimal(row.max_exposure_percent)} %, {row.max_positions} positions,"
        f" daily loss {plain_decimal(row.max_daily_loss_percent)} %,"
        f" at stops {plain_decimal(row.max_position_risk_percent)} % a position,"
        f" {plain_decimal(row.max_open_risk_percent)} % in all"
    )


def kill_switch() -> Answer:
    """Say how the switch stands; engaged is a person's will, so it is no failure."""
    engagement = switch.current_engagement()
    if engagement is None:
        return ok("released")
    return warning(
        f"engaged by {engagement.engaged_by} at {engagement.engaged_at:%Y-%m-%d %H:%M} UTC"
        f" ({engagement.reason}): no trading cycle runs",
        "when its reason is gone: `manage.py kill_switch release --reason …`",
    )


def brokers_lists() -> Answer:
    """Say which rows of the broker's lists could not be understood when each was last read."""
    rows = left_out()
    ours = [row for row in rows if not row.other_kind]
    words = "; ".join(f"{row.listing}: {row}" for row in (ours or rows)[:NAMED_AT_MOST])
    if ours:
        more = f"{len(ours)} rows left out, first: {words}" if len(ours) > NAMED_AT_MOST else words
        return warning(more, "look at them at the broker; docs/operations.md, “Rows left out”")
    if rows:
        return ok(f"{len(rows)} of other kinds, left alone: {words}")
    return ok("every row could be read")


CHECKS = (
    Check("settings", runtime_settings, needs=("migrations",)),
    Check("assets", assets, needs=("migrations",)),
    Check("strategies", strategies, needs=("migrations",)),
    Check("limits", limits, needs=("migrations",)),
    Check("broker's lists", brokers_lists, needs=("migrations",)),
    Check("kill switch", kill_switch, needs=("migrations",)),
)
