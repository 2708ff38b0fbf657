"""The environment contract: what is accepted, and what stops the start."""

from decimal import Decimal
from pathlib import Path

import pytest

from orchestrator_project.environment import (
    PREFIXES,
    PROJECT_FOLDER,
    BadEnvironmentError,
    load_environment,
    near_misses,
)

PAIR = {"ALPACA_API_KEY": "PKTEST", "ALPACA_SECRET_KEY": "sesame"}


def problems_of(**environ: str) -> list[str]:
    with pytest.raises(BadEnvironmentError, match="cannot be used") as caught:
        load_environment(environ)
    return caught.value.problems


def test_nothing_set_means_embedded_venue_manual_and_loopback() -> None:
    environment = load_environment({"PATH": "/bin"})

    assert environment.database_url is None
    assert environment.redis_url is None
    assert environment.events_url is None
    assert environment.orchestrator_mode == "manual"
    assert environment.ai_models == ()
    assert environment.ai_daily_budget_usd == Decimal(5)
    assert environment.django_debug is False
    assert environment.django_allowed_hosts == ("127.0.0.1", "localhost", "[::1]")
    assert environment.orchestrator_home == PROJECT_FOLDER / ".orchestrator"
    assert environment.venue_enabled


def test_empty_values_count_as_not_set() -> None:
    environment = load_environment({"DATABASE_URL": "", "FINNHUB_API_KEY": " ", "ORCHESTRATOR_MODE": ""})

    assert environment.database_url is None
    assert environment.orchestrator_mode == "manual"
    assert environment.venue_enabled


def test_the_environment_is_frozen() -> None:
    environment = load_environment({})

    with pytest.raises(ValueError, match="frozen"):
        environment.orchestrator_mode = "autonomous"  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://user:word@db:5432/orchestrator"),
        ("DATABASE_URL", "postgresql://user:@/orchestrator?host=/run/folder"),
        ("REDIS_URL", "redis://:word@127.0.0.1:6379/0"),
        ("REDIS_URL", "rediss://cache.example.com/1"),
        ("EVENTS_URL", "amqp://user:word@mq:5672/events"),
        ("ALPACA_TRADING_URL", "https://paper-api.alpaca.markets"),
        ("ALPACA_TRADING_URL", "http://127.0.0.1:8001"),
        ("ALPACA_DATA_URL", "https://data.alpaca.markets"),
        ("ALPACA_DATA_URL", "http://localhost:8002"),
        ("ALPACA_DATA_URL", "http://[::1]:8002"),
        ("FINNHUB_URL", "http://127.0.0.1:8003/api/v1"),
        ("COINGECKO_URL", "https://pro-api.coingecko.com/api/v3"),
        ("AI_API_BASE", "http://models.internal:9000/v1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
    ],
)
def test_addresses_of_the_contract_are_accepted(name: str, value: str) -> None:
    environment = load_environment({name: value})

    assert getattr(environment, name.lower()) == value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DATABASE_URL", "mysql://u:p@h/n", "expected postgresql://"),
        ("DATABASE_URL", "postgresql://u:p@h:port/n", "expected postgresql://"),
        ("DATABASE_URL", "postgresql://u:p@h:5432", "expected postgresql://"),
        ("DATABASE_URL", "postgresql:///n", "expected postgresql://"),
        ("REDIS_URL", "127.0.0.1:6379", "expected redis://"),
        ("EVENTS_URL", "kafka://h:1", "or amqp://"),
        ("ALPACA_TRADING_URL", "https://api.alpaca.markets", "expected https://paper-api.alpaca.markets"),
        ("ALPACA_TRADING_URL", "http://10.0.0.1:8001", "loopback"),
        ("ALPACA_TRADING_URL", "http://127.0.0.1:8001/v2", "no path"),
        ("ALPACA_TRADING_URL", "http://127.0.0.1:eight", "loopback"),
        ("ALPACA_DATA_URL", "https://data.alpaca.markets/v2", "no path"),
        ("ALPACA_DATA_URL", "http://127.0.0.1", "loopback"),
        ("ALPACA_DATA_URL", "http://data.example.com:80", "loopback"),
        ("FINNHUB_URL", "http://finnhub.example.com/api/v1", "expected an https:// address"),
        ("FINNHUB_URL", "https://finnhub.example.com/api/v1?token=x", "expected an http:// or https://"),
        ("AI_API_BASE", "models.internal/v1", "expected an http:// or https:// address"),
        ("AI_DAILY_BUDGET_USD", "-1", "not negative"),
        ("AI_DAILY_BUDGET_USD", "NaN", "not negative"),
        ("AI_DAILY_BUDGET_USD", "Infinity", "not negative"),
        ("AI_DAILY_BUDGET_USD", "five", "not negative"),
        ("AI_EVALUATION_BUDGET_USD", "-1", "not negative"),
        ("AI_MODELS", "gpt-5,,claude", "without empty items"),
        ("AI_MODELS", "openai/" + "m" * 494, "at most 500 characters, openai/mmm"),
        ("DJANGO_ALLOWED_HOSTS", "a.example.com,", "without empty items"),
        ("DJANGO_DEBUG", "maybe", "expected true or false"),
        ("ORCHESTRATOR_MODE", "auto", "expected autonomous, semi_auto or manual"),
        ("APPRISE_URLS", "somebody@example.com", "expected apprise addresses"),
    ],
)
def test_a_value_that_cannot_be_read_stops_the_start(name: str, value: str, expected: str) -> None:
    """docs/lessons.md#lesson-30."""
    (problem,) = problems_of(**{name: value})

    assert problem.startswith(f"{name}: was '")
    assert expected in problem


@pytest.mark.parametrize(("value", "flag"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_debug_is_a_boolean(value: str, flag: bool) -> None:
    assert load_environment({"DJANGO_DEBUG": value}).django_debug is flag


def test_lists_and_money_are_read() -> None:
    environment = load_environment(
        {
            "AI_MODELS": "gpt-5, claude",
            "AI_DAILY_BUDGET_USD": "2.50",
            "APPRISE_URLS": "mailto://u:p@example.com?to=a,b json://host",
            "AI_API_BASE": "http://m:1/v1/",
        }
    )

    assert environment.ai_models == ("gpt-5", "claude")
    assert environment.ai_daily_budget_usd == Decimal("2.50")
    assert environment.apprise_urls == ("mailto://u:p@example.com?to=a,b", "json://host")
    assert environment.ai_api_base == "http://m:1/v1"


def test_a_misspelt_name_stops_the_start_and_names_the_nearest() -> None:
    """docs/lessons.md#lesson-30."""
    (problem,) = problems_of(ALPACA_APIKEY="PKSECRET")

    assert problem.startswith("ALPACA_APIKEY: was '***', expected a name that this project knows")
    assert problem.endswith("the nearest is ALPACA_API_KEY")


def test_a_name_like_none_of_ours_gets_the_list() -> None:
    (problem,) = problems_of(VENUE_ZZZZZZZZZZZZZZZZ="1")

    assert "the names are DATABASE_URL" in problem


def test_half_a_key_pair_stops_the_start() -> None:
    assert problems_of(ALPACA_API_KEY="PK") == [
        "ALPACA_SECRET_KEY: was not set, expected a value because ALPACA_API_KEY is set (they come in pairs)"
    ]
    assert problems_of(ALPACA_SECRET_KEY="s")[0].startswith("ALPACA_API_KEY: was not set")


def test_all_problems_are_reported_together_without_secrets() -> None:
    problems = problems_of(
        ALPACA_API_KEY="PKSECRET",
        AI_BUDGET="7",
        DATABASE_URL="postgresql//user:topsecret@host/name",
        REDIS_URL="http://:hidden@host",
        ORCHESTRATOR_MODE="auto",
    )

    assert len(problems) == 5
    text = "\n".join(problems)
    assert not any(secret in text for secret in ("PKSECRET", "topsecret", "hidden"))


@pytest.mark.parametrize(
    "environ",
    [
        PAIR,
        {"ALPACA_TRADING_URL": "http://127.0.0.1:8001"},
        {"ALPACA_DATA_URL": "http://127.0.0.1:8001"},
        {"FINNHUB_API_KEY": "k"},
        {"FINNHUB_URL": "http://127.0.0.1:1/api/v1"},
        {"COINGECKO_API_KEY": "k"},
        {"COINGECKO_URL": "http://127.0.0.1:1/api/v3"},
    ],
)
def test_any_real_market_name_switches_the_venue_off(environ: dict[str, str]) -> None:
    assert not load_environment(environ).venue_enabled


def test_ai_names_leave_the_venue_on() -> None:
    environment = load_environment({"AI_MODELS": "gpt-5", "AI_API_KEY": "k"})

    assert environment.venue_enabled


def test_events_go_where_redis_is_unless_told_otherwise() -> None:
    redis = "redis://127.0.0.1:6379/0"

    assert load_environment({"REDIS_URL": redis}).events_url == redis
    assert load_environment({"REDIS_URL": redis, "EVENTS_URL": "amqp://mq"}).events_url == "amqp://mq"


def test_venue_data_needs_price_files(tmp_path: Path) -> None:
    (nowhere,) = problems_of(VENUE_DATA=str(tmp_path / "missing"))
    (empty,) = problems_of(VENUE_DATA=str(tmp_path))
    (tmp_path / "folder.csv").mkdir()
    (unreadable,) = problems_of(VENUE_DATA=str(tmp_path))
    (tmp_path / "prices.csv.gz").touch()

    assert "there is no such folder" in nowhere
    assert "this folder has none" in empty
    assert "none of its files may be read" in unreadable
    assert load_environment({"VENUE_DATA": str(tmp_path)}).venue_data == tmp_path


def test_the_state_folder_must_not_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    (problem,) = problems_of(ORCHESTRATOR_HOME=str(file))

    assert "this is a file" in problem
    assert (
        load_environment({"ORCHESTRATOR_HOME": str(tmp_path / "new")}).orchestrator_home == tmp_path / "new"
    )


def test_the_listing_masks_secrets() -> None:
    environment = load_environment(
        PAIR | {"DATABASE_URL": "postgresql://u:topsecret@h/n", "AI_MODELS": "a,b", "DJANGO_DEBUG": "true"}
    )

    listing = dict(environment.masked())

    assert listing["ALPACA_SECRET_KEY"] == "***"
    assert listing["DATABASE_URL"] == "postgresql://***@h/n"
    assert listing["FINNHUB_API_KEY"] == ""
    assert listing["AI_MODELS"] == "a,b"
    assert listing["DJANGO_DEBUG"] == "true"
    assert "sesame" not in repr(environment)
    assert "topsecret" not in repr(environment)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_stops_the_start_at_an_unknown_name(prefix: str) -> None:
    """docs/lessons.md#lesson-30."""
    (problem,) = problems_of(**{f"{prefix}NO_SUCH_THING": "1"})

    assert problem.startswith(
        f"{prefix}NO_SUCH_THING: was '***', expected a name that this project knows; the n"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ALPCA_API_KEY", "ALPACA_API_KEY"),
        ("ALPACCA_SECRET_KEY", "ALPACA_SECRET_KEY"),
        ("APLACA_TRADING_URL", "ALPACA_TRADING_URL"),
        ("APCA_API_KEY_ID", "ALPACA_API_KEY"),
        ("FINHUB_API_KEY", "FINNHUB_API_KEY"),
        ("COINGEKO_API_KEY", "COINGECKO_API_KEY"),
        ("IA_DAILY_BUDGET_USD", "AI_DAILY_BUDGET_USD"),
        ("ORCHESTATOR_MODE", "ORCHESTRATOR_MODE"),
        ("VENEU_DATA", "VENUE_DATA"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("REDIS_ULR", "REDIS_URL"),
        ("APPRISE_URL", "APPRISE_URLS"),
        ("DJANGO_SECRETKEY", "DJANGO_SECRET_KEY"),
        ("alpaca_api_key", "ALPACA_API_KEY"),
    ],
)
def test_near_miss_without_our_prefix_is_named_without_its_value(name: str, meant: str) -> None:
    """docs/lessons.md#lesson-30: a misspelt name would be no setting at all."""
    assert near_misses({name: "sesame", "PATH": "/bin"}) == [
        f"{name}: is set and nothing reads it, did you mean {meant}?"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "MISTRAL_API_KEY",
        "GROQ_API_KEY",
        "XAI_API_KEY",
        "AI21_API_KEY",
        "ZAI_API_KEY",
        "COHERE_API_KEY",
        "AZURE_AI_API_KEY",
        "AZURE_AI_API_BASE",
        "OPENAI_API_BASE",
        "OLLAMA_API_BASE",
        "VERTEXAI_PROJECT",
        "DJANGO_SETTINGS_MODULE",
        "HTTP_PROXY",
        "HOME",
        "PATH",
        "PYTHONPATH",
        "SUPERVISED_BY",
        "VIRTUAL_ENV",
        "OTEL_SERVICE_NAME",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "CELERY_BROKER_URL",
        "DEBUG",
    ],
)
def test_names_of_others_are_left_alone(name: str) -> None:
    assert near_misses({name: "x"}) == []


def test_our_own_names_and_empty_near_misses_are_no_warning() -> None:
    assert near_misses({"ALPACA_API_KEY": "k", "DATABASE_URL": "u", "ALPCA_API_KEY": " "}) == []
