"""A signed link leads to one decision, for ten minutes, and answers once; a stored message bears none."""

from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.core import signing
from uuid6 import uuid7

from tests.factories import make_user
from tests.risk.threads import at_once
from trading.access.approval_links import (
    NOBODYS,
    SALT,
    ApprovalLink,
    path_of,
    read_link,
    used,
    whose_link,
    with_links,
)
from trading.errors import LinkError
from trading.models import UsedLink

DECISION = UUID("01a22a54-3ac2-797d-9d80-ccc42d19c787")


def token_of(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


@pytest.mark.django_db
def test_link_names_its_decision_and_each_is_its_own() -> None:
    first, second = (read_link(token_of(path_of(DECISION))) for _ in range(2))

    assert first.decision_id == second.decision_id == DECISION
    assert first.number != second.number


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("nonsense", "not one of this system's"),
        (signing.dumps({"number": str(uuid7()), "decision": str(DECISION)}, salt="other"), "not one of this"),
        (signing.dumps({"decision": "x"}, salt=SALT), "not one of this system's"),
    ],
    ids=["nonsense", "another salt", "no number"],  # a signature is another in each process of a run
)
def test_what_is_no_link_of_ours_is_refused(token: str, problem: str) -> None:
    with pytest.raises(LinkError, match=problem):
        read_link(token)


@pytest.mark.django_db
def test_link_is_good_for_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = signing.time.time()  # type: ignore[attr-defined]  # the clock that signing reads
    monkeypatch.setattr(signing.time, "time", lambda: now - 601)  # type: ignore[attr-defined]
    old = token_of(path_of(DECISION))
    monkeypatch.setattr(signing.time, "time", lambda: now - 595)  # type: ignore[attr-defined]
    young = token_of(path_of(DECISION))
    monkeypatch.setattr(signing.time, "time", lambda: now)  # type: ignore[attr-defined]

    assert read_link(young).decision_id == DECISION
    with pytest.raises(LinkError, match="older than ten minutes"):
        read_link(old)


@pytest.mark.django_db
def test_link_is_used_once_and_good_again_where_the_answer_failed() -> None:
    token, user = token_of(path_of(DECISION)), make_user("ada")
    link = read_link(token)

    with pytest.raises(ZeroDivisionError), used(link, user):
        raise ZeroDivisionError
    with used(read_link(token), user):
        pass

    with pytest.raises(LinkError, match="was used already"):
        read_link(token)
    with pytest.raises(LinkError, match="was used already"), used(link, user):
        pass
    assert UsedLink.objects.get().used_by == user


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_at_once_one_counts() -> None:
    link, user = ApprovalLink(uuid7(), DECISION), make_user("ada")

    def use(_: int) -> bool:
        try:
            with used(link, user):
                return True
        except LinkError:
            return False

    assert sorted(at_once(2, use)) == [False, True]


def test_message_gets_links_when_it_is_sent_where_an_address_is_known(settings: Any) -> None:
    body = f"- buy AAPL, until 12:00 UTC [decision {DECISION}]\nAnswer in the console."
    assert django_settings.PUBLIC_URL is None

    assert with_links(body) == "- buy AAPL, until 12:00 UTC\nAnswer in the console."
    settings.PUBLIC_URL = "https://trade.example"
    sent = with_links(body)

    assert sent.startswith("- buy AAPL, until 12:00 UTC: https://trade.example/admin/answer/")
    assert with_links(body) != sent
    assert "[decision" not in sent


@pytest.mark.django_db
def test_nobody_logs_in_as_the_link() -> None:
    user = whose_link()

    assert (user.username, user.is_active, user.has_usable_password()) == (NOBODYS, False, False)
    assert whose_link() == user
