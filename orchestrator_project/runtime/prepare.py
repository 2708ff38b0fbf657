"""What must be there before anything runs: migrations, the first operator, settings, limits, schedule.

Everything here may run again at every start: it adds what is missing and changes nothing else.
"""

import secrets

from django.conf import settings as django_settings
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from orchestrator_project.runtime import first_schema
from orchestrator_project.session_limits import unlimited_statements
from risk.models import RiskLimits
from risk.services.limits import DEFAULT_LIMITS
from trading.analysis.strategies import DEFAULT_INSTRUCTIONS, DEFAULT_STRATEGY
from trading.core import settings
from trading.domain.runtime_settings import SETTINGS
from trading.events.outbox import forget_foreign_numbers
from trading.models import AgentStatus, RuntimeSetting, Strategy
from trading.queries import stage_words

FIRST_OPERATOR = "admin"
# A double click takes all of it, and none is taken for another letter: 118 bits.
PASSWORD_LETTERS, PASSWORD_LENGTH = "abcdefghjkmnpqrstuvwxyz23456789", 24
SEED_AUTHOR = "seed"
CHANGEABLE = ["runtimesetting", "strategy", "universecandidate", "risklimits", "modelprice", "modelcutoff"]
ROOMS_SHOWN = ["trading", "risk", "ai", "evaluation", "django_celery_beat"]
RUNS = [
    "engage_killswitch",
    "set_mode",
    "lock_symbol",
    "answer_approval",
    "run_cycle",
    "replay_parkedevent",
    "reconcile_position",
    "close_position",
    "propose_trade",
    "ask_again",
    "publish_trust",
]
GROUPS: dict[str, list[str]] = {
    "viewer": ["view"],
    "operator": ["view", *RUNS],
    "risk officer": ["view", *RUNS, "release_killswitch", "revoke_apitoken"],
}


def prepare() -> str | None:
    """Migrate and seed; return the first operator's password at the first start, None later."""
    with unlimited_statements():
        first_schema.lay()
        call_command("migrate", interactive=False, verbosity=0)
        stage_words.stamp_unstamped()
        forget_foreign_numbers()
    return seed()


def seed() -> str | None:
    """Add the rows a first start needs; return the first operator's password if it was made now."""
    with transaction.atomic():
        AgentStatus.objects.get_or_create(
            pk=1, defaults={"mode": django_settings.ENVIRONMENT.orchestrator_mode}
        )
        _settings()
        if not RiskLimits.objects.exists():
            RiskLimits.objects.create(version=1, author=SEED_AUTHOR, note="defaults", **DEFAULT_LIMITS)
        if not Strategy.objects.exists():
            Strategy.objects.create(name=DEFAULT_STRATEGY, instructions=DEFAULT_INSTRUCTIONS, is_active=True)
        _schedule()
        _groups()
        return _first_operator()


def is_seeded() -> bool:
    """Return whether the rows a start needs are there; needs the tables."""
    return (
        AgentStatus.objects.exists()
        and RiskLimits.objects.exists()
        and Strategy.objects.exists()
        and Group.objects.filter(name__in=GROUPS).count() == len(GROUPS)
    )


def _settings() -> None:
    """Add the settings that are missing, and describe each as the code does: two statements, however many."""
    described = dict(RuntimeSetting.objects.values_list("name", "description"))
    missing = [
        RuntimeSetting(name=spec.name, value=str(spec.default), unit=spec.unit, description=spec.description)
        for spec in SETTINGS.values()
        if spec.name not in described
    ]
    RuntimeSetting.objects.bulk_create(missing, ignore_conflicts=True)  # another start may be as far
    for spec in SETTINGS.values():
        if described.get(spec.name, spec.description) != spec.description:
            RuntimeSetting.objects.filter(name=spec.name).update(description=spec.description)


def _schedule() -> None:
    if not PeriodicTask.objects.filter(name=settings.CYCLE_SCHEDULE).exists():
        settings.schedule_cycles(settings.count("cycle_interval"))
    hourly, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.get_or_create(
        name=settings.MAINTENANCE_SCHEDULE,
        defaults={
            "task": "trading.start_cycle",
            "interval": hourly,
            "kwargs": '{"cycle_type": "maintenance"}',
            "expire_seconds": 600,
        },
    )


def _groups() -> None:
    ours = Permission.objects.filter(content_type__app_label__in=ROOMS_SHOWN)
    for name, words in GROUPS.items():
        group, _ = Group.objects.get_or_create(name=name)
        granted = [p for p in ours if _is_granted(p.codename, words, name)]
        group.permissions.add(*granted)


def _is_granted(codename: str, words: list[str], group: str) -> bool:
    verb, _, model = codename.partition("_")
    if verb == "view":
        return "view" in words
    if verb in ("add", "change") and group == "risk officer":
        return model in CHANGEABLE
    return codename in words


def _first_operator() -> str | None:
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(PASSWORD_LENGTH))
    User.objects.create_superuser(FIRST_OPERATOR, password=password)
    return password
