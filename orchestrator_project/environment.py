"""The environment as a contract: every name the project reads, checked once, before anything starts.

Runs before settings are loaded, so it imports no Django. An empty value counts as not set.
"""

import difflib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from orchestrator_project import environment_values as values

PREFIXES = ("ALPACA_", "FINNHUB_", "COINGECKO_", "AI_", "VENUE_", "ORCHESTRATOR_")
REAL_MARKET_PREFIXES = ("ALPACA_", "FINNHUB_", "COINGECKO_")
NEAR = 0.85  # a letter or two of ten
PROVIDER_NAMES = frozenset({"AI21_API_KEY"})  # read by litellm
SDK_NAMES = {"APCA_API_KEY_ID": "ALPACA_API_KEY", "APCA_API_SECRET_KEY": "ALPACA_SECRET_KEY"}  # Alpaca's own
PROJECT_FOLDER = Path(__file__).resolve().parent.parent

Mode = Literal["autonomous", "semi_auto", "manual"]
ProviderUrl = Annotated[str, BeforeValidator(values.provider_url)]
WebUrl = Annotated[str, BeforeValidator(values.web_url)]


class BadEnvironmentError(Exception):
    """The environment cannot be used; ``problems`` has a line per name, secrets masked."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The environment cannot be used:\n" + "\n".join(f"  {line}" for line in problems))
        self.problems = problems


class Environment(BaseModel):
    """The checked values. ``description`` says what was expected where a value cannot be read."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: Annotated[str, BeforeValidator(values.database_url)] | None = Field(
        None, alias="DATABASE_URL", repr=False
    )
    database_reserve_user: str | None = Field(None, alias="DATABASE_RESERVE_USER")
    database_reserve_password: str | None = Field(None, alias="DATABASE_RESERVE_PASSWORD", repr=False)
    redis_url: Annotated[str, BeforeValidator(values.redis_url)] | None = Field(
        None, alias="REDIS_URL", repr=False
    )
    events_url: Annotated[str, BeforeValidator(values.events_url)] | None = Field(
        None, alias="EVENTS_URL", repr=False
    )
    django_secret_key: str | None = Field(None, alias="DJANGO_SECRET_KEY", repr=False)
    django_debug: bool = Field(False, alias="DJANGO_DEBUG", description="true or false")
    django_allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(values.comma_separated)] = Field(
        ("127.0.0.1", "localhost", "[::1]"), alias="DJANGO_ALLOWED_HOSTS"
    )
    django_public_url: Annotated[str, BeforeValidator(values.public_url)] | None = Field(
        None, alias="DJANGO_PUBLIC_URL"
    )
    django_trusted_proxies: Annotated[tuple[str, ...], BeforeValidator(values.networks)] = Field(
        (), alias="DJANGO_TRUSTED_PROXIES"
    )
    alpaca_api_key: str | None = Field(None, alias="ALPACA_API_KEY", repr=False)
    alpaca_secret_key: str | None = Field(None, alias="ALPACA_SECRET_KEY", repr=False)
    alpaca_trading_url: Annotated[str, BeforeValidator(values.paper_address)] | None = Field(
        None, alias="ALPACA_TRADING_URL"
    )
    alpaca_data_url: Annotated[str, BeforeValidator(values.data_address)] | None = Field(
        None, alias="ALPACA_DATA_URL"
    )
    finnhub_api_key: str | None = Field(None, alias="FINNHUB_API_KEY", repr=False)
    finnhub_url: ProviderUrl | None = Field(None, alias="FINNHUB_URL")
    coingecko_api_key: str | None = Field(None, alias="COINGECKO_API_KEY", repr=False)
    coingecko_url: ProviderUrl | None = Field(None, alias="COINGECKO_URL")
    ai_models: Annotated[tuple[str, ...], BeforeValidator(values.model_names)] = Field((), alias="AI_MODELS")
    ai_api_base: WebUrl | None = Field(None, alias="AI_API_BASE")
    ai_api_key: str | None = Field(None, alias="AI_API_KEY", repr=False)
    ai_daily_budget_usd: Decimal = Field(
        Decimal(5),
        alias="AI_DAILY_BUDGET_USD",
        ge=0,
        allow_inf_nan=False,
        description="an amount in USD that is not negative, e.g. 5 or 2.50",
    )
    ai_evaluation_budget_usd: Decimal = Field(
        Decimal(0),
        alias="AI_EVALUATION_BUDGET_USD",
        ge=0,
        allow_inf_nan=False,
        description="an amount in USD that is not negative, e.g. 0 or 1.50",
    )
    orchestrator_mode: Mode = Field(
        "manual", alias="ORCHESTRATOR_MODE", description="autonomous, semi_auto or manual"
    )
    orchestrator_home: Annotated[Path, BeforeValidator(values.state_folder)] = Field(
        PROJECT_FOLDER / ".orchestrator", alias="ORCHESTRATOR_HOME"
    )
    orchestrator_metrics: Literal["local", "token"] = Field(
        "local", alias="ORCHESTRATOR_METRICS", description="local or token"
    )
    venue_data: Annotated[Path, BeforeValidator(values.data_folder)] | None = Field(None, alias="VENUE_DATA")
    apprise_urls: Annotated[tuple[str, ...], BeforeValidator(values.apprise_urls)] = Field(
        (), alias="APPRISE_URLS", repr=False
    )
    otel_exporter_otlp_endpoint: WebUrl | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")

    @property
    def venue_enabled(self) -> bool:
        """True unless a real broker or market name is set: simulated prices never meet a real account."""
        return all(getattr(self, name) is None for name in _OF_REAL_MARKETS)

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """Whose word counts on who asks, and whether by TLS: this machine's where a public address is named alone."""
        return self.django_trusted_proxies or (("127.0.0.1", "::1") if self.django_public_url else ())

    def masked(self) -> list[tuple[str, str]]:
        """Return every name with its value for people to read, secrets masked."""
        return [
            (_alias(name), values.masked(_alias(name), _as_text(getattr(self, name))))
            for name in type(self).model_fields
        ]


def load_environment(environ: Mapping[str, str]) -> Environment:
    """Check the process environment against the contract.

    Args:
        environ: usually ``os.environ``; names outside the contract are ignored, save those that begin
            like ours and are none: a misspelt name would otherwise be no setting at all.

    Raises:
        BadEnvironmentError: with every problem, not only the first.
    """
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    problems = [
        _unknown_name(name)
        for name in sorted(environ)
        if name.startswith(PREFIXES) and name not in KNOWN_NAMES
    ]
    problems += _half_pairs(given)
    try:
        environment = Environment.model_validate({k: v for k, v in given.items() if k in KNOWN_NAMES})
    except ValidationError as error:
        problems += [_problem(given, dict(detail)) for detail in error.errors(include_url=False)]
        raise BadEnvironmentError(problems) from None  # the cause would show the values
    if problems:
        raise BadEnvironmentError(problems)
    if environment.events_url is None:
        environment = environment.model_copy(update={"events_url": environment.redis_url})
    return environment


def near_misses(environ: Mapping[str, str]) -> list[str]:
    """Return a line for each name that nothing reads and that looks like one of ours, values left out.

    Names with our prefixes stop the start instead (``load_environment``). Other people's names are other
    people's business, so these lines only warn: ``XAI_API_KEY`` and its like, which end in one of ours, are
    a provider's own and are not named.
    """
    lines = []
    for name in sorted(environ):
        if name in KNOWN_NAMES or name.startswith(PREFIXES) or not environ[name].strip():
            continue
        nearest = SDK_NAMES.get(name) or _near(name.upper())
        if nearest:
            lines.append(f"{name}: is set and nothing reads it, did you mean {nearest}?")
    return lines


def _near(name: str) -> str | None:
    """Return the name of ours that this one probably was meant to be."""
    if name in KNOWN_NAMES:
        return name
    if name in PROVIDER_NAMES or name.endswith(tuple(f"AI_{rest}" for rest in ("API_KEY", "API_BASE"))):
        return None
    return next(iter(difflib.get_close_matches(name, KNOWN_NAMES, n=1, cutoff=NEAR)), None)


def _alias(name: str) -> str:
    return str(Environment.model_fields[name].alias)


_OF_REAL_MARKETS = tuple(
    name for name in Environment.model_fields if _alias(name).startswith(REAL_MARKET_PREFIXES)
)
KNOWN_NAMES = tuple(_alias(name) for name in Environment.model_fields)


def _unknown_name(name: str) -> str:
    nearest = difflib.get_close_matches(name, KNOWN_NAMES, n=1, cutoff=0.5)
    hint = f"; the nearest is {nearest[0]}" if nearest else f"; the names are {', '.join(KNOWN_NAMES)}"
    return f"{name}: was '***', expected a name that this project knows{hint}"


def _half_pairs(given: Mapping[str, str]) -> list[str]:
    pair = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
    missing = [name for name in pair if name not in given]
    if len(missing) != 1:
        return []
    other = pair[1 - pair.index(missing[0])]
    return [f"{missing[0]}: was not set, expected a value because {other} is set (they come in pairs)"]


def _problem(given: Mapping[str, str], detail: dict[str, Any]) -> str:
    name = str(detail["loc"][0])
    if detail["type"] == "value_error":
        expected = str(detail["ctx"]["error"])
    else:
        fields = {_alias(field): field for field in Environment.model_fields}
        expected = Environment.model_fields[fields[name]].description or str(detail["msg"])
    return f"{name}: was '{values.masked(name, given[name])}', expected {expected}"


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
