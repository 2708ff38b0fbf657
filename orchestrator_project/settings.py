"""Django and Celery settings; every value from outside comes through environment.py."""

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.urls import reverse_lazy

from orchestrator_project.broker.options import broker_options
from orchestrator_project.environment import load_environment
from orchestrator_project.observability.log import configure_structlog, logging_config, register_secrets
from orchestrator_project.observability.process_name import process_name
from orchestrator_project.runtime.engines.state import read_state
from orchestrator_project.secret_key import stored_secret_key
from orchestrator_project.session_limits import session_options
from orchestrator_project.web.console_frame import FORMAT_MODULE_PATH as FORMAT_MODULE_PATH
from orchestrator_project.web.console_frame import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = load_environment(os.environ)


def _engine_urls() -> tuple[str, str]:
    """Return the engines' addresses: given, or those of the embedded engines as last recorded.

    A process started without manage.py (celery, an editor's plugin) joins what runs. Where nothing was
    ever started it gets addresses that refuse, so that no default server is reached by accident.
    """
    known = read_state(ENVIRONMENT.orchestrator_home)
    database = ENVIRONMENT.database_url or (known.postgres.url if known.postgres else None)
    redis = ENVIRONMENT.redis_url or (known.valkey.url if known.valkey else None)
    return (
        database or "postgresql://orchestrator:@/orchestrator?host=/engines-not-started",
        redis or "redis://127.0.0.1:1/0",
    )


DATABASE_URL, REDIS_URL = _engine_urls()
EVENTS_URL = ENVIRONMENT.events_url or REDIS_URL

SECRET_KEY = ENVIRONMENT.django_secret_key or stored_secret_key(ENVIRONMENT.orchestrator_home)
DEBUG = ENVIRONMENT.django_debug
ALLOWED_HOSTS = list(ENVIRONMENT.django_allowed_hosts)
PUBLIC_URL = ENVIRONMENT.django_public_url
if PUBLIC_URL:
    ALLOWED_HOSTS.append(urlsplit(PUBLIC_URL).hostname or "")
    CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "orchestrator_project.web.console_site.ConsoleTheme",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls.py loads the console: no other process needs it
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "risk",
    "ai",
    "trading",
    "evaluation",
    "orchestrator_project",
]

MIDDLEWARE = [
    "orchestrator_project.db.middleware.SwitchReserve",
    "django.middleware.security.SecurityMiddleware",
    "orchestrator_project.web.policy.ContentPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "orchestrator_project.web.hosts.HostsChecked",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "orchestrator_project.web.idle.IdleSessions",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "orchestrator_project.urls"
ASGI_APPLICATION = "orchestrator_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps' own, so that the console's header replaces the theme's.
        "DIRS": [BASE_DIR / "trading" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)
}
DATABASES["default"]["OPTIONS"] = session_options(DATABASES["default"].get("OPTIONS", {}))
# PostgreSQL's, and the switch's reserve where the server has one (orchestrator_project/db/reserve.py).
DATABASES["default"]["ENGINE"] = "orchestrator_project.db.postgresql"
DATABASE_RESERVE = (ENVIRONMENT.database_reserve_user, ENVIRONMENT.database_reserve_password)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
# Seconds, from the login; a change of password and console_idle_limit end a session, too.
SESSION_COOKIE_AGE = 24 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL is not None
SESSION_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "trading.admin.frame.refused.session_gone"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
LANGUAGES = [(LANGUAGE_CODE, "English")]  # the theme goes through them all on each page, a hundred by default
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # served from the packages: nothing to collect, nothing to forget
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECURE_HSTS_SECONDS = 30 * 24 * 60 * 60 if PUBLIC_URL else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # other names below the public one are not ours to decide about
    "security.W021",  # nor is a browser's list for ever
    *(["security.W008"] if PUBLIC_URL else []),  # the proxy redirects; scripts and scrapers ask behind it
]

register_secrets(os.environ, (DATABASE_URL, REDIS_URL, ENVIRONMENT.events_url))
register_secrets({"SECRET_KEY": SECRET_KEY}, ENVIRONMENT.apprise_urls)
configure_structlog()
LOGGING = logging_config("DEBUG" if DEBUG else "INFO")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "trading.api.authentication.TokenOfUser",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["trading.api.access.HasPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["trading.api.throttling.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["trading.api.media.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["trading.api.media.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "trading.api.media.OnlyJSON",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "trading.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "trading.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Trading Orchestrator",
    "DESCRIPTION": "An AI trading agent on a paper account: what it does, why, and how to stop it.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_URLCONF": "orchestrator_project.api_urls",
    "SERVE_PUBLIC": True,
    "SERVERS": [{"url": "/api"}, {"url": "/"}],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Enums stay where they are used: the same word, e.g. status, names different things.
    "POSTPROCESSING_HOOKS": ["trading.api.schema.without_enum_marks"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(process_name(sys.argv))
CELERY_RESULT_BACKEND_ALWAYS_RETRY = True
CELERY_RESULT_EXPIRES = 3600
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SOFT_TIME_LIMIT = 20
CELERY_TASK_TIME_LIMIT = 30
CELERY_TASK_DEFAULT_QUEUE = "default"
# A queue for each kind of work, so that each can be given workers of its own (docs/operations.md); what starts a cycle,
# carries it on and judges its decisions stays in ``default``. Orders wait behind no fetch, and no gate behind them.
_QUEUE_OF = {
    "fetch": ("fetch_stocks", "fetch_coins", "fetch_news", "sync_account"),
    "analysis": ("analyse",),
    "orders": ("risk_and_execute", "advance_saga", "follow_order", "settle_order"),
    "upkeep": ("maintain",),
}
# Nothing is declared by who publishes: Valkey makes a list of its own when something is pushed to it.
CELERY_TASK_ROUTES: dict[str, dict[str, Any]] = {
    f"trading.{task}": {"queue": queue, "declare": ()} for queue, tasks in _QUEUE_OF.items() for task in tasks
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2, "interval_max": 0.5}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 3
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_DB_REUSE_MAX = 1000
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = "orchestrator_project.beat:SteadyScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
