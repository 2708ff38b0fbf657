"""What each page asks the database: few statements, however many rows there are. Measured: ``benchmarks.pages``."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orchestrator_project import urls
from tests.factories import make_approval, make_asset, make_cycle, make_decision, make_snapshot, make_strategy
from tests.trading.admin.doors import address, label_of, own_pages, pages, url_of
from tests.trading.admin.rows import ROWS
from tests.trading.outside import Outside

MOST = 12
WAITING = 40


def addresses(rows: dict[str, Model]) -> Iterator[tuple[str, str]]:
    yield "index", reverse("admin:index")
    for one in urls.urlpatterns:
        if str(getattr(one, "name", "")).startswith("console_"):
            yield str(one.name), reverse(one.name)
    for page in pages():
        label = label_of(page)
        row = rows[label]
        yield f"{label} list", url_of(page, "changelist")
        yield f"{label} search", f"{url_of(page, 'changelist')}?q=AAPL"
        yield f"{label} change", url_of(page, "change", row.pk)
        yield from ((one.name or "", address(one.name or "", row)) for one in own_pages(page))


def asked(client: Client, url: str) -> list[str]:
    """Return the statements of a page; a savepoint of a test's transaction is none."""
    with CaptureQueriesContext(connection) as captured:
        client.get(url)
    said = (str(query["sql"]) for query in captured.captured_queries)
    return [sql for sql in said if "SAVEPOINT" not in sql]


def test_no_page_asks_for_more_than_it_may(login: Callable[..., Client]) -> None:
    client = login("superuser")
    rows = {label: make() for label, make in ROWS.items()}

    first = {(name, url): len(asked(client, url)) for name, url in addresses(rows)}
    # The first look has what is read once in a process, too: whoever asks for more is looked at again.
    counts = {name: len(asked(client, url)) for (name, url), count in first.items() if count > MOST}

    assert {name: count for name, count in counts.items() if count > MOST} == {}


@pytest.mark.parametrize("sort", ["urgency", "confidence", "size"])
def test_queue_with_many_that_wait_asks_no_more(
    sort: str, market: Outside, login: Callable[..., Client]
) -> None:
    client = login("superuser")
    decisions = waiting()

    for url in (
        reverse("admin:trading_approval_queue") + f"?sort={sort}",
        reverse("admin:trading_approval_queue") + f"?sort={sort}&best=3",
        reverse("admin:trading_aidecision_change", args=[decisions[0].pk]),
        reverse("admin:index"),
    ):
        assert client.get(url).status_code == 200  # and reads what is read once in a process
        assert len(asked(client, url)) <= MOST, url


def waiting() -> list[Model]:
    """Return so many decisions that wait for a person, each of a symbol with a price."""
    cycle, strategy = make_cycle(), make_strategy()
    found: list[Model] = []
    for number in range(WAITING):
        symbol = f"W{chr(65 + number // 26)}{chr(65 + number % 26)}"
        make_asset(symbol)
        make_snapshot(symbol=symbol, cycle=cycle)
        decision = make_decision(symbol=symbol, cycle=cycle, strategy=strategy, status="awaiting_approval")
        make_approval(decision=decision)
        found.append(decision)
    return found
