"""The alert rules and the dashboard speak PromQL, about metrics that a real scrape has."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.paths import ROOT

FOLDER = ROOT / "docs" / "observability"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
BOARD = json.loads((FOLDER / "dashboard.json").read_text())
ENDINGS = ("_bucket", "_sum", "_count")
WANTED = {
    "switch": "KillSwitchEngaged", "no cycle": "NoCycleCompleted", "heartbeat": "HeartbeatOld",
    "saga": "SagaFailed", "queue": "QueueGrowing", "provider": "ProviderDown", "relay": "RelayBehind",
    "budget": "ModelBudgetNearlyGone", "loss": "LossNearLimit",
    "schedule": "ScheduleDisabled", "sync": "AccountNotRead", "lock": "LockStuck", "fenced": "SenderFenced",
    "disk": "DiskNearlyFull",
}  # fmt: skip


def expressions() -> Iterator[tuple[str, str]]:
    yield from ((rule["alert"], rule["expr"]) for rule in RULES)
    for panel in BOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


def scraped_names(text: str) -> set[str]:
    """Return the series a scrape has or may have: families without a sample yet count, too."""
    names = set()
    for family in text_string_to_metric_families(text):
        endings = {"histogram": ENDINGS, "counter": ("_total",)}.get(family.type, ("",))
        names |= {f"{family.name}{ending}" for ending in endings}
    return names


@pytest.mark.django_db(transaction=True)
def test_every_metric_that_rules_and_dashboard_name_is_scraped() -> None:
    scraped = scraped_names(Client().get("/metrics").content.decode())

    for where, expression in expressions():
        for name in re.findall(r"\borchestrator_\w+", expression):
            assert name in scraped, f"{where}: {name} is not scraped"


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_expression_is_promql(where: str, expression: str) -> None:
    assert promql_parser.parse(expression)


def test_the_parser_refuses_what_is_not_promql() -> None:
    with pytest.raises(ValueError, match=r"\S"):
        promql_parser.parse("increase(orchestrator_cycles_total[5m) > 0")


def test_every_rule_says_how_grave_it_is_and_what_to_do() -> None:
    assert set(WANTED.values()) <= {rule["alert"] for rule in RULES}
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "remedy"}
