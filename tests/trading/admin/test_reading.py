"""What pages say is written for people: no machine's times, numbers or words, in lists and on the pages of rows."""

import html
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests import factories as make
from tests.trading.admin.doors import label_of, pages, url_of
from tests.trading.admin.rows import ROWS
from trading.labels import indicators_of

Login = Callable[..., Client]
UNREAD = re.compile(
    r"<(script|style|head|template)\b.*?</\1>|<textarea\b.*?</textarea>|<select\b.*?</select>|<pre\b.*?</pre>|<[^>]+>",
    re.S,
)
MACHINES = {
    "a time": re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d"),
    "a number": re.compile(r"\b\d+\.\d*0{4,}\b"),
    "a value": re.compile(r"^(None|True|False)$|Decimal\(|UUID\(", re.M),
    "a word": re.compile(
        r"\b(stop_loss|take_profit|broker_live|fixed_fraction|exposure_limit_exceeded|position_synced)\b"
    ),
}


def read(page: str) -> str:
    """Return what a reader sees of a page, without what lies folded as it was stored."""
    return html.unescape("\n".join(part.strip() for part in UNREAD.sub("\n", page).split("\n")))


def test_pages_of_all_tables_are_written_for_people(login: Login) -> None:
    make.make_agent(mode="semi_auto")
    client = login()
    found = {}

    for page in pages():
        row = ROWS[label_of(page)]()
        for url in (url_of(page, "changelist"), url_of(page, "change", row.pk)):
            text = read(client.get(url).content.decode())
            for kind, pattern in MACHINES.items():
                if met := sorted({match.group() for match in pattern.finditer(text)}):
                    found[f"{url}: {kind}"] = met

    assert found == {}


@pytest.mark.parametrize(
    ("table", "of", "said"),
    [
        ("trading.order", lambda: make.make_order(purpose="stop_loss", side="sell"), "stop loss"),
        ("trading.equitysnapshot", lambda: make.make_equity(), "broker live"),
        ("trading.cycle", lambda: make.make_cycle(mode="semi_auto"), "semi auto"),
        ("trading.tradeproposal", lambda: make.make_proposal(confidence=Decimal("0.9")), "0.90"),
    ],
)
def test_a_lists_plain_columns_are_written_as_those_of_a_row(
    table: str, of: Callable[[], object], said: str, login: Login
) -> None:
    client = login()
    of()
    page = next(one for one in pages() if label_of(one) == table)

    text = read(client.get(url_of(page, "changelist")).content.decode())

    assert said in text


def test_headings_name_rows_by_what_they_are(login: Login) -> None:
    client = login()
    decision = make.make_decision(symbol="MSFT", status="awaiting_approval")
    approval = make.make_approval(decision=decision)
    saga = make.make_saga(order=make.make_order(symbol="KO", quantity=Decimal(3)))
    setting = reverse("admin:trading_runtimesetting_change", args=["max_coins"])

    headings = [heading(client.get(url).content.decode()) for url in (
        reverse("admin:trading_approval_change", args=[approval.pk]),
        reverse("admin:trading_saga_change", args=[saga.pk]),
        setting,
        reverse("admin:trading_order_changelist"),
    )]  # fmt: skip

    assert headings == ["Buy MSFT: requested", "Buy 3 KO (created): running", "max_coins = 20", "Orders"]


def heading(page: str) -> str:
    """Return the last part of a page's heading."""
    parts = re.findall(r"<(?:span|a)[^>]*tracking-tight[^>]*>\s*(.*?)\s*</", page, re.S)
    return html.unescape(parts[-1])


def test_a_lock_is_told_with_a_time_that_people_write(login: Login) -> None:
    client = login()
    until = timezone.now().replace(microsecond=123)
    make.make_event(
        aggregate_type="symbol_lock",
        aggregate_id="TSLA",
        type="symbol_lock.locked",
        payload={"symbol": "TSLA", "actor": "ann", "reason": "earnings", "until": until.isoformat()},
    )

    text = read(client.get(reverse("admin:trading_event_changelist")).content.decode())

    assert f"until {until:%Y-%m-%d %H:%M:%S} UTC" in text


def test_indicators_have_names_units_and_two_decimals() -> None:
    stored = {"rsi_14": 62.5819, "change_5d_percent": 3.4876, "volatility_percent": 18.6091, "new_one": 1.0}

    assert indicators_of(stored) == [
        ("RSI of 14 days", "62.58"),
        ("5 days", "+3.49 %"),
        ("volatility a year", "18.61 %"),
        ("new one", "1.00"),
    ]
