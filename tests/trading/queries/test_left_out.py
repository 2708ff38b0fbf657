"""What was left out of the broker's lists is said wherever somebody would look."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors.rows import UnreadableRow
from orchestrator_project.runtime.doctor import records
from orchestrator_project.runtime.doctor.finding import Status
from tests.factories import make_agent, make_position
from tests.trading.admin.conftest import login  # noqa: F401 - a fixture
from tests.trading.api.conftest import Api, api  # noqa: F401 - a fixture
from trading.core.set_aside import Listing, note

DELISTED = UnreadableRow("market_value", "None", symbol="SIVBQ")
OPTION = UnreadableRow("asset_class", "us_option", symbol="SPY201218C00350000", other_kind="us_option")


@pytest.fixture
def odd_account(prepared: None) -> None:
    make_agent()
    make_position("SIVBQ", market_value=None, unrealised_pnl=None)
    note(Listing.POSITIONS, [DELISTED, OPTION], at=timezone.now())


def test_status_and_positions_over_rest_say_what_is_not_known(
    odd_account: None,
    api: Api,  # noqa: F811 - the fixture
) -> None:
    viewer = api("viewer")
    status = viewer.get("/status").json()
    positions = viewer.get("/positions").json()

    assert [(row["listing"], row["name"], row["detail"], row["otherKind"]) for row in status["setAside"]] == [
        ("positions", "SIVBQ", "market_value is None", ""),
        ("positions", "SPY201218C00350000", "is another kind (us_option), not traded here", "us_option"),
    ]
    (row,) = positions["results"]
    assert (row["symbol"], row["marketValue"], row["isValueKnown"]) == ("SIVBQ", None, False)


@pytest.mark.parametrize("page", ["admin:index", "admin:trading_position_changelist"])
def test_pages_say_value_unknown_and_name_what_is_left_out(
    odd_account: None,
    login: Callable[..., Client],  # noqa: F811 - the fixture
    page: str,
) -> None:
    shown = login("viewer").get(reverse(page)).content.decode()

    assert "value unknown" in shown
    assert "SPY201218C00350000</b> is another kind (us_option), not traded here" in shown


def test_page_of_one_position_without_a_value_opens(
    odd_account: None,
    login: Callable[..., Client],  # noqa: F811 - the fixture
) -> None:
    answer = login("viewer").get(reverse("admin:trading_position_change", args=["SIVBQ"]))

    assert answer.status_code == 200


def test_doctor_warns_of_what_cannot_be_read_and_only_tells_of_other_kinds(odd_account: None) -> None:
    wounded = records.brokers_lists()
    note(Listing.POSITIONS, [OPTION], at=timezone.now())
    told = records.brokers_lists()
    note(Listing.POSITIONS, [], at=timezone.now())

    assert (wounded.status, wounded.found) == (Status.WARNING, "positions: SIVBQ: market_value is None")
    assert (told.status, told.found.split(":")[0]) == (Status.OK, "1 of other kinds, left alone")
    assert records.brokers_lists().found == "every row could be read"
