"""The queue's pages together show each request that waits once, however many are judged for the order."""

import pytest

from tests.factories import make_agent
from tests.trading.admin.test_page_queries import waiting
from trading.models import Approval
from trading.queries import approval_queue
from trading.queries.approval_queue import Sort, queue_page

pytestmark = pytest.mark.django_db
JUDGED, A_PAGE = 7, 5


@pytest.mark.parametrize("best", [None, 3])
@pytest.mark.parametrize("sort", list(Sort))
def test_all_that_wait_are_reached(sort: Sort, best: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_queue, "MOST_SIZED", JUDGED)
    make_agent(mode="semi_auto")
    number = len(waiting())

    pages = [queue_page(most=A_PAGE, first=first, sort=sort, best=best) for first in range(0, number, A_PAGE)]

    shown = [line.approval.pk for page in pages for line in page.lines]
    assert len(shown) == number
    assert set(shown) == set(Approval.objects.values_list("pk", flat=True))
