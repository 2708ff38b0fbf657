"""The risk book: what parallel tasks may pass together, they could have passed in turn."""

import threading
from decimal import Decimal

import pytest
from django.db import transaction
from uuid6 import uuid7

from risk.domain.types import RiskBook
from risk.models import RiskCheck, RiskReservation
from risk.services import book as risk_book
from risk.services import locks
from tests.factories import make_limits, make_reservation
from tests.risk.threads import THREAD_SECONDS, at_once
from tests.risk.values import make_book, make_exit, make_intent, make_rules

THREADS, SYMBOLS_EACH = 16, 4


def book_now() -> RiskBook:
    return make_book(
        reserved=risk_book.reserved_by_symbol(), pending_symbols=risk_book.read_reserved().symbols
    )


def violations() -> list[str]:
    """The monitor: what the counting reservations break of 50 % of 100,000 USD, 10 % and 15 positions."""
    counting = list(RiskReservation.objects.counting())
    total = sum((r.notional for r in counting), Decimal(0))
    found = [f"{r.symbol} has {r.notional}" for r in counting if r.notional > 10_000]
    found += [f"exposure {total}"] if total > 50_000 else []
    found += [f"{len(counting)} positions"] if len(counting) > 15 else []
    return found


def reserve(symbol: str, *, size_percent: int = 7) -> risk_book.Judgement:
    with transaction.atomic():
        locks.lock_book()
        return risk_book.check_and_reserve(
            intent=make_intent(symbol=symbol, size_percent=Decimal(size_percent)),
            book=book_now(),
            decision_id=uuid7(),
            cycle_id=uuid7(),
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size_percent", [2, 7], ids=["positions bind", "exposure binds"])
def test_parallel_entries_hold_the_limits(size_percent: int) -> None:
    make_limits()

    def work(number: int) -> list[str]:
        seen = []
        for turn in range(SYMBOLS_EACH):
            reserve(f"S{turn}X{number}", size_percent=size_percent)
            seen += violations()
        return seen

    seen = at_once(THREADS, work)

    assert [word for words in seen for word in words] == []
    counting = RiskReservation.objects.counting()
    assert counting.count() == (15 if size_percent == 2 else 8)
    assert RiskCheck.objects.count() == THREADS * SYMBOLS_EACH
    assert RiskCheck.objects.filter(allowed=True).count() == counting.count()


@pytest.mark.django_db(transaction=True)
def test_monitor_catches_a_gate_that_checks_and_then_inserts() -> None:
    make_limits()
    all_have_checked = threading.Barrier(THREADS)

    def naive(number: int) -> bool:
        intent = make_intent(symbol=f"S{number}", size_percent=Decimal(7))
        book = book_now()
        all_have_checked.wait(THREAD_SECONDS)
        judgement = risk_book.check_and_reserve(
            intent=intent, book=book, decision_id=uuid7(), cycle_id=uuid7()
        )
        return judgement.verdict.allowed

    allowed = at_once(THREADS, naive)

    assert all(allowed)
    assert violations() == ["exposure 112000.0000", "16 positions"]


@pytest.mark.django_db(transaction=True)
def test_one_of_many_gets_the_symbol() -> None:
    """docs/lessons.md#lesson-9."""
    make_limits()

    judgements = at_once(THREADS, lambda _: reserve("AAPL"))

    reasons = [j.check.reason for j in judgements]
    assert sorted(reasons) == ["", *["pending_order"] * (THREADS - 1)]
    assert RiskReservation.objects.get().symbol == "AAPL"


@pytest.mark.django_db
def test_denied_intent_stores_its_check_and_reserves_nothing() -> None:
    judgement = reserve("AAPL")

    assert judgement.reservation is None
    check = RiskCheck.objects.get()
    assert (check.allowed, check.reason, check.limits_version) == (False, "no_limits", None)
    assert not RiskReservation.objects.exists()


@pytest.mark.django_db
def test_check_names_the_version_of_the_limits_in_force() -> None:
    make_limits()
    make_limits(max_position_percent=Decimal(1))

    judgement = reserve("AAPL")

    assert judgement.check.limits_version == 2
    assert judgement.reservation is not None
    assert judgement.reservation.notional == 1000
    assert judgement.check.figures["room_position_too_large"] == "1000"


@pytest.mark.django_db
def test_exit_reserves_its_symbol_but_takes_no_room() -> None:
    make_limits()
    book = make_book(held_quantity=Decimal(2))
    with transaction.atomic():
        locks.lock_book()
        judgement = risk_book.check_and_reserve(
            intent=make_exit(), book=book, decision_id=uuid7(), cycle_id=uuid7()
        )

    assert judgement.reservation is not None
    assert judgement.reservation.side == "sell"
    assert risk_book.reserved_by_symbol() == {}
    assert risk_book.read_reserved().symbols == {"AAPL"}


@pytest.mark.django_db
def test_exit_of_dust_is_reserved_although_it_is_worth_less_than_the_column_can_say() -> None:
    make_limits()
    intent = make_exit(symbol="DOGE/USD", price=Decimal("0.004"), rules=make_rules())
    book = make_book(held_quantity=Decimal("0.000000005"))

    judgement = risk_book.check_and_reserve(intent=intent, book=book, decision_id=uuid7(), cycle_id=uuid7())

    assert judgement.reservation is not None
    judgement.reservation.refresh_from_db()
    assert judgement.reservation.quantity == Decimal("0.000000005")


@pytest.mark.django_db(transaction=True)
def test_reservation_is_released_exactly_once() -> None:
    reservation = make_reservation()

    released = at_once(THREADS, lambda number: risk_book.release(reservation.pk, reason=f"caller {number}"))

    assert sorted(released) == [False] * (THREADS - 1) + [True]
    reservation.refresh_from_db()
    assert reservation.release_reason == f"caller {released.index(True)}"
    assert risk_book.read_reserved().symbols == frozenset()


@pytest.mark.django_db
def test_released_room_can_be_taken_again() -> None:
    make_limits()
    first = reserve("AAPL").reservation
    assert first is not None
    risk_book.release(first.pk, reason="order_canceled")

    second = reserve("AAPL").reservation

    assert second is not None
    assert risk_book.reserved_by_symbol() == {"AAPL": Decimal(7000)}
