"""What a stated confidence has earned, in the gate that trades: noted in shadow, and once on, sizes follow it."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from risk.domain.trust import Knot, Scope
from risk.models import RiskCheck, TrustCurve
from risk.services.trust import publish
from tests.factories import make_model_call, make_strategy, switch_guards_off
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import wish
from trading.core.settings import set_runtime_setting
from trading.execution.approvals import send_to_execution
from trading.execution.decision_execution import execute_batch, execute_decision
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AIDecision, Order, RuntimeSetting, Strategy
from trading.queries.gate_preview import read_scene
from trading.queries.timeline import timeline_of

MODEL, PROMPT, ANSWERED = "openai/gpt-4o-mini", "decisions-v3", "gpt-4o-mini-2024-07-18"


@pytest.fixture(autouse=True)
def market_time(account: Outside) -> None:
    """A first look at the broker, which says what time it is in the market."""
    sync_portfolio(None)


def curve(*, days: int = 30, low: str = "0.56", **scope: Any) -> TrustCurve:
    """Publish what the model's 0.7 and more is worth; at a bound of 0.56 six tenths of the size are earned."""
    now = market_now()
    assert now is not None
    return publish(
        scope=Scope(**({"model": MODEL, "answered": ANSWERED} | scope)),
        knots=[Knot(Decimal("0.7"), Decimal("0.6"), Decimal(low), Decimal(200))],
        break_even=Decimal("0.5"),
        reference=Decimal("0.6"),
        valid_until=now + timedelta(days=days),
        label_spec="excess-5s-v1",
        evidence={},
        author="ada",
    )


def stated(symbol: str = STOCK, action: str = "buy", *, answered: str = ANSWERED, **more: Any) -> AIDecision:
    call = make_model_call(model=MODEL, prompt_version=PROMPT, answered_model=answered)
    more.setdefault("strategy", None)
    more["strategy"] = more["strategy"] or buying()
    return wish(symbol, action, model=MODEL, model_call=call, **more)


def buying() -> Strategy:
    return make_strategy(size_percent=Decimal(2), allows_fractions=True)


def turn(mode: str, **more: str) -> None:
    for name, value in {"trust_sizing": mode, **more}.items():
        set_runtime_setting(name=name, value=value, actor="ada")


def check_of(decision: AIDecision) -> RiskCheck:
    return RiskCheck.objects.get(decision_id=decision.pk)


def share_of(decision: AIDecision) -> Decimal:
    """Return what was ordered of the size that the strategy wants."""
    check = check_of(decision)
    wanted = Decimal(check.figures["equity"]) * 2 / 100
    return (check.notional / wanted).quantize(Decimal("0.0001"))


def test_by_default_it_is_noted_and_nothing_changes(account: Outside) -> None:
    published = curve()
    decision = stated()

    execute_decision(decision.pk)

    figures = check_of(decision).figures
    assert share_of(decision) == 1
    assert {name: figures[name] for name in figures if name.startswith("trust")} == {
        "trust_mode": "shadow",
        "trust_factor": "0.6",
        "trust_standing": "earned",
        "trust_version": str(published.version),
    }
    assert (figures["calibrated_confidence"], figures["confidence_low"]) == ("0.6", "0.56")


def test_once_on_an_entry_has_what_its_confidence_earned(account: Outside) -> None:
    curve()
    turn("on")
    decision = stated()

    execute_decision(decision.pk)

    assert share_of(decision) == Decimal("0.6")
    assert Order.objects.get().quantity == check_of(decision).quantity


def test_off_nobody_asks(account: Outside) -> None:
    turn("off")
    decision = stated()

    execute_decision(decision.pk)

    assert share_of(decision) == 1
    assert not [name for name in check_of(decision).figures if name.startswith("trust")]


def nothing_published(strategy: Strategy) -> None:
    pass


@pytest.mark.parametrize(
    ("publishes", "standing"),
    [
        (nothing_published, "missing"),
        (lambda _: curve(model="openai/another"), "missing"),
        (lambda _: curve(answered="gpt-4o-mini-2026-01-01"), "missing"),
        (lambda _: curve(days=-1), "expired"),
        (lambda s: (curve(), curve(strategy=str(s.pk), prompt=PROMPT, days=-1)), "expired"),
    ],
    ids=["nothing", "another model", "another one behind the name", "old", "own one old"],
)
def test_who_has_no_record_has_the_floor(
    account: Outside, publishes: Callable[[Strategy], object], standing: str
) -> None:
    """A model that answers under the same name and is another one begins at the floor."""
    strategy = buying()
    publishes(strategy)
    turn("on")
    decision = stated(strategy=strategy)

    execute_decision(decision.pk)

    assert share_of(decision) == Decimal("0.25")
    assert check_of(decision).figures["trust_standing"] == standing


def test_a_floor_of_nothing_denies_by_name(account: Outside) -> None:
    turn("on", trust_floor="0")
    decision = stated()

    assert execute_decision(decision.pk) is None

    decision.refresh_from_db()
    assert (decision.status, decision.reason) == ("denied", "untrusted_confidence")
    assert decision.reason_detail == "nothing is left of its size: trust is missing, and the floor 0"


def test_exit_is_as_it_was(account: Outside) -> None:
    turn("on", trust_floor="0")
    switch_guards_off("minimum_hold")
    account.hold(COIN, "0.5")
    decision = stated(COIN, "sell")

    execute_decision(decision.pk)

    check = check_of(decision)
    assert (check.allowed, check.quantity) == (True, account.positions()[COIN])
    assert not [name for name in check.figures if name.startswith("trust")]


def test_approved_by_a_person_it_is_judged_by_the_same_trust(account: Outside) -> None:
    """What the page showed before the click is what is ordered."""
    curve()
    turn("on")
    person = User.objects.create_user("ada")
    decision = stated(status="stored", reason="mode_manual")
    sync_portfolio(decision.cycle_id)
    previewed = read_scene([decision]).alone()[decision.pk]

    report = send_to_execution(decision, user=person)

    assert report.check is not None
    assert report.check.quantity == pytest.approx(previewed.verdict.quantity)
    assert previewed.trust == "0.8 stated, 0.6 calibrated, at least 0.56: sized at 0.6"
    assert share_of(decision) == Decimal("0.6")


def test_batch_reads_the_curves_once_and_every_check_has_its_figures(account: Outside) -> None:
    """Those denied on facts of their own before the lock, too."""
    curve()
    turn("on")
    strategy = buying()
    decisions = [stated(symbol, strategy=strategy) for symbol in (STOCK, OTHER_STOCK)]
    decisions.append(stated(COIN, strategy=strategy, confidence=Decimal("0.3")))

    with CaptureQueriesContext(connection) as asked:
        execute_batch([decision.pk for decision in decisions])

    assert sum('FROM "trust_curves"' in query["sql"] for query in asked) == 1
    assert {check_of(each).figures["trust_mode"] for each in decisions} == {"on"}
    assert [share_of(each) for each in decisions[:2]] == [Decimal("0.6")] * 2
    assert check_of(decisions[2]).figures["trust_standing"] == "unseen"


def test_setting_that_cannot_be_read_holds_entries_and_no_exit(account: Outside) -> None:
    switch_guards_off("minimum_hold")
    account.hold(COIN, "0.5")
    strategy = buying()
    entry, leaving = stated(strategy=strategy), stated(COIN, "sell", strategy=strategy)
    RuntimeSetting.objects.update_or_create(
        name="trust_sizing", defaults={"value": "maybe", "unit": "word", "description": ""}
    )

    execute_batch([entry.pk, leaving.pk])

    entry.refresh_from_db()
    assert entry.status == "claimed"
    assert check_of(leaving).allowed
    assert not Order.objects.filter(decision=entry).exists()


def test_timeline_says_in_words_what_trust_made_of_it(account: Outside) -> None:
    curve()
    decision = stated()

    execute_decision(decision.pk)

    stages = timeline_of(decision.pk)
    assert stages is not None
    said = "0.8 stated, 0.6 calibrated, at least 0.56: would be sized at 0.6"
    assert stages[1].details["trust"] == said
