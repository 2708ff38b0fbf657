"""What was fetched becomes one decision per symbol, each with its reason where it does not trade."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from ai import gateway
from ai.domain.prompt import read_facts
from ai.models import ModelCall, ModelPrice
from tests.ai.factories import calls_overlap
from tests.factories import make_cycle, make_decision, make_position, make_snapshot, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change, events_of
from trading.analysis.cycle_analysis import analyse_cycle
from trading.core import cycle_log
from trading.core.settings import set_runtime_setting
from trading.cycle import cycles, fetching
from trading.domain.statuses import CycleStage
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AgentStatus, AIDecision, BarHistory, Cycle, Event, Strategy
from trading.protection.wanted import plan_for
from trading.queries.event_words import line_of

CHAT = "POST /ai/v1/chat/completions"
ALL = [STOCK, OTHER_STOCK, COIN]


@pytest.fixture
def strategy(account: Outside) -> Strategy:
    return make_strategy(name="Momentum", instructions="Prefer to hold.")


@pytest.fixture
def opening(account: Outside) -> None:
    """A session's first minutes, in which more is believed; before the cycle's prices."""
    account.venue.clock(to="open")


@pytest.fixture
def cycle(strategy: Strategy) -> Cycle:
    """A cycle that has just fetched its three prices."""
    cycle = make_cycle(status="running", symbols=ALL)
    sync_portfolio(cycle.pk)
    for symbol in ALL:
        make_snapshot(cycle=cycle, symbol=symbol, quoted_at=market_now())
    return cycle


@pytest.fixture
def model(account: Outside, settings: Settings) -> Any:
    """A language model at the venue; call it with what it shall answer."""
    gateway.load()  # what the first call would load, within the analysis's time: half a minute on a busy machine
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={
            "ai_models": ("openai/venue-analyst",),
            "ai_api_base": f"{account.venue.url}/ai/v1",
            "ai_api_key": "key",
        }
    )

    def answer(*decisions: tuple[str, str, float], **more: Any) -> None:
        rows = [
            {"symbol": symbol, "action": action, "confidence": confidence, "reasoning": "Because.", **more}
            for symbol, action, confidence in decisions
        ]
        account.venue.fault(kind="content", route=CHAT, body={"decisions": rows})

    return answer


def decided(cycle: Cycle) -> dict[str, tuple[str, str, str]]:
    rows = AIDecision.objects.filter(cycle=cycle)
    return {row.symbol: (row.action, row.status, row.reason) for row in rows}


def test_every_symbol_of_real_fetches_gets_its_decision(account: Outside, strategy: Strategy) -> None:
    cycle = make_cycle(status="running", symbols=ALL)
    fetching.fetch_account(cycle.pk)
    fetching.fetch_stocks(cycle.pk, [STOCK, OTHER_STOCK], batch_count=1)
    fetching.fetch_coins(cycle.pk, [COIN])

    pending = analyse_cycle(cycle.pk)

    rows = list(AIDecision.objects.filter(cycle=cycle))
    assert {row.symbol for row in rows} == set(ALL)
    assert pending == [row.pk for row in rows if row.status == "pending"]
    for row in rows:
        assert row.model == "builtin/technical-v1"
        assert row.model_call is not None
        assert row.reasoning
        assert 0 <= row.confidence <= 1
        assert row.price is not None
    cycle.refresh_from_db()
    assert (cycle.stage, cycle.lease_until) == ("executing", None)
    assert "cycle.step.analysis" in events_of(cycle)


@pytest.mark.parametrize("length", [121, 201, 500])
def test_a_long_name_of_a_model_is_stored_whole_and_asked_once(
    cycle: Cycle, model: Any, settings: Settings, length: int
) -> None:
    name = "openai/" + "/models/a-folder" * 40
    long_name = name[:length]
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"ai_models": (long_name,)})
    model(*((symbol, "buy", 0.9) for symbol in ALL))

    pending = analyse_cycle(cycle.pk)

    assert pending is not None
    assert len(pending) == len(ALL)
    assert set(AIDecision.objects.values_list("model", flat=True)) == {long_name}
    assert ModelCall.objects.get().model == long_name


def test_a_hostile_exit_reaches_no_decision_and_is_noted(cycle: Cycle, model: Any) -> None:
    model(
        (STOCK, "buy", 0.9), stop_percent=-5, target_percent=500, horizon_sessions=5, invalidation="It falls."
    )

    pending = analyse_cycle(cycle.pk)

    row = AIDecision.objects.get(symbol=STOCK)
    assert pending == [row.pk]
    assert (row.stop_percent, row.target_percent, row.horizon_sessions) == (None, None, 5)
    assert (row.invalidation, row.as_of is not None) == ("It falls.", True)
    assert row.proposal_note == (
        "stop_percent: was -5, expected a number above 0 and below 100;"
        " target_percent: was 500, expected a number above 0 and below 100"
    )
    plan = plan_for(row, Decimal(100))
    assert plan is not None
    assert (plan.stop_price, plan.target_price) == (95, 110)


def test_answers_become_decisions_and_only_trades_stay_pending(cycle: Cycle, model: Any) -> None:
    make_position(OTHER_STOCK)
    model((STOCK, "buy", 0.9), (OTHER_STOCK, "sell", 0.8), (COIN, "hold", 0.5))

    pending = analyse_cycle(cycle.pk)

    assert decided(cycle) == {
        STOCK: ("buy", "pending", ""),
        OTHER_STOCK: ("sell", "pending", ""),
        COIN: ("hold", "held", "hold"),
    }
    buy = AIDecision.objects.get(symbol=STOCK)
    assert (buy.confidence, buy.reasoning, buy.price) == (Decimal("0.9"), "Because.", 100)
    assert buy.model == "openai/venue-analyst"
    assert pending is not None
    assert set(pending) == {row.pk for row in AIDecision.objects.filter(status="pending")}
    assert events_of(buy) == ["decision.created"]


def test_sale_of_what_is_not_held_is_skipped(cycle: Cycle, model: Any) -> None:
    """docs/lessons.md#lesson-9."""
    model((STOCK, "sell", 0.9), (OTHER_STOCK, "hold", 0.5), (COIN, "hold", 0.5))

    assert analyse_cycle(cycle.pk) == []

    assert decided(cycle)[STOCK] == ("sell", "skipped", "no_position")
    assert not AIDecision.objects.exclude(settled_at=F("created_at")).exists(), (
        "made and settled at one moment"
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((STOCK, "BUY NOW", 0.9), "invalid_answer"),
        ((STOCK, "buy", 1.5), "invalid_answer"),
        ((OTHER_STOCK, "hold", 0.9), "missing_answer"),
    ],
)
def test_answer_that_cannot_be_used_is_a_hold_with_its_reason(
    cycle: Cycle, model: Any, answer: tuple[str, str, float], reason: str
) -> None:
    """docs/lessons.md#lesson-3, #lesson-19: an action outside the enum never becomes an order."""
    model(answer)

    assert analyse_cycle(cycle.pk) == []

    assert decided(cycle)[STOCK] == ("hold", "held", reason)


def test_symbol_nobody_asked_for_gets_no_decision(cycle: Cycle, model: Any) -> None:
    """docs/lessons.md#lesson-19."""
    model(("EVIL", "buy", 0.9), *((symbol, "hold", 0.5) for symbol in ALL))

    analyse_cycle(cycle.pk)

    assert set(decided(cycle)) == set(ALL)


def test_model_that_fails_holds_everything_and_is_recorded(
    account: Outside, cycle: Cycle, model: Any
) -> None:
    """docs/lessons.md#lesson-13, #lesson-28: a failed call is a hold, said so, and no trade."""
    set_runtime_setting(name="analysis_timeout", value="5", actor="test")
    account.venue.fault(kind="error", route=CHAT)

    assert analyse_cycle(cycle.pk) == []

    assert {(action, status) for action, status, _ in decided(cycle).values()} == {("hold", "held")}
    assert {reason for _, _, reason in decided(cycle).values()} <= {"analysis_failed", "analysis_timeout"}
    cycle.refresh_from_db()
    assert [error["operation"] for error in cycle.errors] == ["analyse"]


def test_closed_market_skips_stocks_and_not_coins(cycle: Cycle, model: Any) -> None:
    change(AgentStatus.objects.get(), market_open=False)
    model((STOCK, "buy", 0.9), (COIN, "buy", 0.9))

    analyse_cycle(cycle.pk)

    assert decided(cycle) == {
        STOCK: ("hold", "skipped", "market_closed"),
        OTHER_STOCK: ("hold", "skipped", "market_closed"),
        COIN: ("buy", "pending", ""),
    }


def test_symbols_without_a_fresh_price_are_skipped(cycle: Cycle, model: Any) -> None:
    """docs/lessons.md#lesson-7, #lesson-18."""
    change(cycle.snapshots.get(symbol=STOCK), quoted_at=market_now() - (ago() - ago(seconds=100)))
    cycle.snapshots.get(symbol=OTHER_STOCK).delete()
    model((COIN, "hold", 0.5))

    analyse_cycle(cycle.pk)

    assert decided(cycle)[STOCK] == ("hold", "skipped", "stale_price")
    assert decided(cycle)[OTHER_STOCK] == ("hold", "skipped", "no_price")
    stale = AIDecision.objects.get(symbol=STOCK)
    assert "the price of alpaca is stale, 10" in stale.reason_detail


def test_decision_says_what_was_doubtful_about_its_price(cycle: Cycle, model: Any) -> None:
    change(cycle.snapshots.get(symbol=COIN), warning="alpaca says 1, coingecko 2: 100.0 % apart")
    model((COIN, "hold", 0.5))

    analyse_cycle(cycle.pk)

    assert AIDecision.objects.get(symbol=COIN).price_warning == "alpaca says 1, coingecko 2: 100.0 % apart"
    assert AIDecision.objects.get(symbol=STOCK).price_warning == ""


def test_skipped_symbol_says_what_every_source_answered(cycle: Cycle, model: Any) -> None:
    """docs/lessons.md#lesson-13."""
    cycle.snapshots.all().delete()
    words = "alpaca: stale, 120 s old; finnhub: no positive price"
    cycle_log.record_step(cycle.pk, "stocks", reasons={STOCK: ["stale_price", words]})

    analyse_cycle(cycle.pk)

    skipped = AIDecision.objects.get(symbol=STOCK)
    assert (skipped.reason, skipped.reason_detail) == ("stale_price", words)
    assert decided(cycle)[OTHER_STOCK] == ("hold", "skipped", "no_price")


def test_clock_that_cannot_be_read_skips_everything(account: Outside, cycle: Cycle) -> None:
    unread = {"market_time": datetime(2020, 10, 15, 14, tzinfo=UTC), "market_time_read_at": ago(minutes=6)}
    change(AgentStatus.objects.get(), **unread)

    assert analyse_cycle(cycle.pk) == []

    assert {reason for _, _, reason in decided(cycle).values()} == {"no_market_clock"}
    assert not any(r["path"].startswith("/ai/") for r in account.requests())


def test_calendar_says_what_is_closed_where_the_clock_cannot_be_read(cycle: Cycle) -> None:
    thanksgiving = datetime(2026, 11, 26, 15, tzinfo=UTC)
    change(AgentStatus.objects.get(), market_time=thanksgiving, market_time_read_at=ago(minutes=6))

    assert analyse_cycle(cycle.pk) == []

    assert {symbol: reason for symbol, (_, _, reason) in decided(cycle).items()} == {
        STOCK: "market_closed",
        OTHER_STOCK: "market_closed",
        COIN: "no_market_clock",
    }


def test_model_is_told_positions_headlines_and_money(account: Outside, cycle: Cycle, model: Any) -> None:
    make_position(COIN, quantity=Decimal(2), market_value=Decimal(220), unrealised_pnl=Decimal(20))
    headline = {"source": "wire", "symbols": [STOCK], "title": "Strong quarter"}
    change(cycle, headlines=[headline | {"published_at": ago(hours=1).isoformat()}])
    change(cycle.snapshots.get(symbol=STOCK), previous_close=Decimal(80))
    model(*((symbol, "hold", 0.5) for symbol in ALL))

    analyse_cycle(cycle.pk)

    call = AIDecision.objects.filter(cycle=cycle).first().model_call
    assert call is not None
    told = str(call.prompt)
    assert "Prefer to hold." in told
    assert COIN in told


def test_model_is_told_no_fall_on_the_morning_of_a_split(opening: None, cycle: Cycle, model: Any) -> None:
    """The source tells the close as it was traded, ten times today's price; the bars are adjusted."""
    price = cycle.snapshots.get(symbol=STOCK)
    change(price, previous_close=price.price * 10)
    change(cycle.snapshots.get(symbol=OTHER_STOCK), previous_close=Decimal(1000))
    day = price.quoted_at.date()
    row = [f"{day - timedelta(days=1)}T04:00:00+00:00", *["80"] * 4, "1000"]
    BarHistory.objects.update_or_create(
        symbol=STOCK, defaults={"market_date": day, "bars": [row], "fetched_at": timezone.now()}
    )
    BarHistory.objects.filter(symbol=OTHER_STOCK).delete()
    model(*((symbol, "hold", 0.5) for symbol in ALL))

    analyse_cycle(cycle.pk)

    call = AIDecision.objects.filter(cycle=cycle).first().model_call
    assert call is not None
    facts = {row["symbol"]: row for row in read_facts(call.prompt)["symbols"]}
    assert facts[STOCK]["change_percent"] == 25
    assert facts[OTHER_STOCK]["change_percent"] is None
    warnings = Event.objects.filter(
        aggregate_id=str(cycle.pk), type="cycle.warning", payload__operation="prices"
    )
    told = {warning.payload["message"].split(":")[0] for warning in warnings}
    assert told == {STOCK, OTHER_STOCK}


def test_execution_cycle_asks_no_model_and_returns_what_was_approved(account: Outside) -> None:
    make_strategy()
    approved = make_decision(approved=True)
    make_decision(symbol="MSFT")
    cycle = make_cycle(status="running", cycle_type="execution", symbols=[])
    sync_portfolio(cycle.pk)

    assert analyse_cycle(cycle.pk) == [approved.pk]

    assert not AIDecision.objects.filter(cycle=cycle).exists()


def test_inactive_strategies_are_not_asked(cycle: Cycle, model: Any) -> None:
    make_strategy(is_active=False)
    model(*((symbol, "hold", 0.5) for symbol in ALL))

    analyse_cycle(cycle.pk)

    assert AIDecision.objects.filter(cycle=cycle).count() == len(ALL)


def test_strategies_are_asked_together_and_each_decision_carries_its_own(
    cycle: Cycle, strategy: Strategy, model: Any
) -> None:
    coins = make_strategy(universe="coins", version=5)
    model(*((symbol, "buy", 0.9) for symbol in ALL))

    pending = analyse_cycle(cycle.pk)

    rows = AIDecision.objects.filter(cycle=cycle)
    assert {(row.strategy_id, row.symbol, row.strategy_version) for row in rows} == {
        *((strategy.pk, symbol, 1) for symbol in ALL),
        (coins.pk, COIN, 5),
    }
    assert pending is not None
    assert len(pending) == 4


def test_all_strategies_share_the_time_of_one_analysis(account: Outside, cycle: Cycle, model: Any) -> None:
    """docs/lessons.md#lesson-20: three strategies whose model hangs take no longer than one."""
    for _ in range(2):
        make_strategy()
    set_runtime_setting(name="analysis_timeout", value="3", actor="test")
    account.venue.fault(kind="hang", route=CHAT)

    assert analyse_cycle(cycle.pk) == []

    assert ModelCall.objects.count() >= 3
    assert calls_overlap()
    rows = AIDecision.objects.filter(cycle=cycle)
    assert {row.reason for row in rows} == {"analysis_timeout"}
    assert rows.count() == 3 * len(ALL)


def test_strategy_with_models_of_its_own_asks_those(cycle: Cycle, strategy: Strategy, model: Any) -> None:
    change(strategy, model_names=["builtin/technical-v1"])

    analyse_cycle(cycle.pk)

    assert {row.model for row in AIDecision.objects.filter(cycle=cycle)} == {"builtin/technical-v1"}


def test_symbols_of_no_strategy_are_said(cycle: Cycle, strategy: Strategy, model: Any) -> None:
    """docs/lessons.md#lesson-13."""
    change(strategy, universe="coins")
    model((COIN, "hold", 0.5))

    analyse_cycle(cycle.pk)

    said = Event.objects.filter(cycle_id=cycle.pk, type="cycle.warning").order_by("sequence")[0].payload
    assert said["message"] == f"no strategy that trades looks at 2 symbols: {STOCK}, {OTHER_STOCK}"


def test_switch_of_models_is_an_event_and_a_line(
    account: Outside, cycle: Cycle, model: Any, settings: Settings
) -> None:
    names = ("openai/venue-analyst", "builtin/technical-v1")
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"ai_models": names})
    account.venue.fault(kind="error", route=CHAT, status=503)

    analyse_cycle(cycle.pk)

    event = Event.objects.get(cycle_id=cycle.pk, type="cycle.model_switched")
    assert (event.payload["from_model"], event.payload["to_model"]) == names
    assert (event.payload["cause"], event.payload["batches"]) == ("failed", 1)
    line = str(line_of(event))
    assert "model openai/venue-analyst -> builtin/technical-v1 for 1 calls of Momentum (failed)" in line


def test_three_cycles_without_an_answer_reduce_and_the_next_answer_ends_it(
    account: Outside, cycle: Cycle, model: Any
) -> None:
    account.venue.fault(kind="error", route=CHAT, status=401)
    for _ in range(3):
        change(cycle, stage="fetching", lease_until=None)
        AIDecision.objects.filter(cycle=cycle).delete()
        analyse_cycle(cycle.pk)
    assert AgentStatus.objects.get().trading_state == "reducing"

    account.venue.clear_faults()
    model((STOCK, "hold", 0.9))
    change(cycle, stage="fetching", lease_until=None)
    AIDecision.objects.filter(cycle=cycle).delete()
    analyse_cycle(cycle.pk)

    assert AgentStatus.objects.get().trading_state == "active"


def test_closed_market_is_no_failed_analysis(cycle: Cycle) -> None:
    change(AgentStatus.objects.get(), market_open=False, failed_analyses=2)
    change(cycle, symbols=[STOCK])

    analyse_cycle(cycle.pk)

    assert AgentStatus.objects.get().failed_analyses == 2


def test_spent_budget_is_no_failed_analysis(cycle: Cycle, model: Any) -> None:
    ModelPrice.objects.create(
        model="openai/venue-analyst", input_usd_per_million=10**5, output_usd_per_million=0
    )

    analyse_cycle(cycle.pk)

    assert {reason for _, _, reason in decided(cycle).values()} == {"ai_budget_exhausted"}
    assert AgentStatus.objects.get().failed_analyses == 0


def test_second_delivery_does_nothing(account: Outside, cycle: Cycle, model: Any) -> None:
    model((STOCK, "buy", 0.9))
    analyse_cycle(cycle.pk)
    asked = len(account.requests())

    assert analyse_cycle(cycle.pk) is None

    assert len(account.requests()) == asked
    assert AIDecision.objects.filter(cycle=cycle).count() == len(ALL)


def test_analysis_whose_worker_died_is_taken_over(cycle: Cycle, model: Any) -> None:
    model((STOCK, "buy", 0.9))
    change(cycle, stage="analysing", lease_until=ago(seconds=1))

    assert len(analyse_cycle(cycle.pk) or []) == 1


def test_analysis_under_way_elsewhere_is_left_alone(cycle: Cycle) -> None:
    change(cycle, stage="analysing", lease_until=ago(seconds=-20))

    assert analyse_cycle(cycle.pk) is None

    assert decided(cycle) == {}


def test_analysis_that_lost_its_lease_stores_nothing(
    cycle: Cycle, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model((STOCK, "buy", 0.9))
    really_move = cycles.move_stage

    def move_and_lose(*args: Any, **options: Any) -> Any:
        token = really_move(*args, **options)
        Cycle.objects.filter(pk=cycle.pk).update(lease_until=ago(seconds=-99))
        return token

    monkeypatch.setattr(cycles, "move_stage", move_and_lose)

    assert analyse_cycle(cycle.pk) is None

    assert decided(cycle) == {}
    cycle.refresh_from_db()
    assert cycle.stage == CycleStage.ANALYSING


def test_cycle_aborted_during_its_analysis_gets_no_decisions(
    cycle: Cycle, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model((STOCK, "buy", 0.9))
    really_move = cycles.move_stage

    def move_and_abort(*args: Any, **options: Any) -> Any:
        token = really_move(*args, **options)
        cycles.abort_cycle(Cycle.objects.get(pk=cycle.pk), reason="deadline")
        return token

    monkeypatch.setattr(cycles, "move_stage", move_and_abort)

    assert analyse_cycle(cycle.pk) is None

    assert decided(cycle) == {}
