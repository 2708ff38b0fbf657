"""A shadow strategy decides on what cycles saw, fills at later prices, and leaves what trades as it is."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from django.utils import timezone
from pytest_django import Settings

from ai import builtin
from ai.domain.prompt import read_facts
from ai.models import ModelCall, ModelPrice
from ai.routing import breaker_of
from evaluation.errors import SelectionError
from evaluation.models import ShadowBook, ShadowDecision, ShadowFill, ShadowPoint
from evaluation.services.shadow import asking, running
from evaluation.services.shadow.books import open_book
from evaluation.services.shadow.due import SHADOWS
from evaluation.services.shadow.ledger import from_json
from tests.ai.chat_server import ChatServer, envelope
from tests.ai.factories import make_question
from tests.evaluation.services.replay.scenes import LIVE, deciding, use_models
from tests.evaluation.services.shadow.recomputed import CENT, recomputed
from tests.evaluation.services.shadow.scenes import ALL, next_cycle
from tests.factories import make_asset, make_strategy, make_symbol_lock
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import change
from trading.analysis.strategies import save_strategy
from trading.core.settings import set_runtime_setting
from trading.models import AgentStatus, AIDecision, Asset, BarHistory, MarketSnapshot, Order, Strategy

SHADOW = "openai/shadow"
AT = {STOCK: 100, OTHER_STOCK: 50, COIN: 20_000}


@pytest.fixture
def served(account: Outside, chat_server: ChatServer, settings: Settings) -> ChatServer:
    """A server at which the live model holds everything, and the shadow's buys a stock surely."""
    make_strategy(name="Live", model_names=[LIVE])
    for symbol in ALL:
        make_asset(symbol)
    chat_server.handlers["live"] = deciding({})
    chat_server.handlers["shadow"] = deciding({STOCK: ("buy", 0.9), OTHER_STOCK: ("buy", 0.6)})
    settings.ENVIRONMENT = settings.ENVIRONMENT  # put back afterwards, whatever is set here
    use_models(chat_server, LIVE, budget="5")
    return chat_server


def shadow(**overrides: Any) -> Strategy:
    values = {"name": "Shadow", "is_shadow": True, "model_names": [SHADOW], "size_percent": Decimal(2)}
    return make_strategy(**(values | overrides))


def decided(symbol: str = STOCK) -> ShadowDecision:
    return ShadowDecision.objects.filter(symbol=symbol).earliest("created_at")


def asked_shadow(server: ChatServer) -> list[dict[str, Any]]:
    return [body for body in server.requests if body["model"] == "shadow"]


def test_it_is_asked_with_what_the_cycle_saw_and_its_own_book(served: ChatServer) -> None:
    strategy = shadow()
    next_cycle(AT)
    running.catch_up(strategy)
    next_cycle(AT)
    running.catch_up(strategy)

    live, own = (read_facts(body["messages"]) for body in served.requests[-2:])

    theirs, its = ({fact["symbol"]: fact for fact in facts["symbols"]} for facts in (live, own))
    assert theirs[OTHER_STOCK] == its[OTHER_STOCK]
    assert theirs[COIN] == its[COIN]
    assert theirs[STOCK] != its[STOCK], "it holds it"
    assert live["portfolio"]["position_count"] == 0
    assert own["portfolio"]["position_count"] == 1


def test_what_it_decides_waits_for_a_later_price(served: ChatServer) -> None:
    strategy = shadow()
    next_cycle(AT)

    running.catch_up(strategy)

    row = decided()
    assert (row.status, row.action, row.model) == ("waiting", "buy", SHADOW)
    assert decided(OTHER_STOCK).reason == "low_confidence"
    assert not ShadowFill.objects.exists()
    assert row.quantity > 0

    cycle = next_cycle(AT | {STOCK: 110})
    running.catch_up(strategy)

    fill = ShadowFill.objects.get()
    seen = MarketSnapshot.objects.get(cycle=cycle, symbol=STOCK)
    assert (fill.decision, fill.snapshot_price, fill.at) == (row, Decimal(110), seen.quoted_at)
    assert fill.at > row.decided_at >= row.as_of
    assert Decimal(110) < fill.price < Decimal(110) * (1 + Decimal(4) / 10_000)
    row.refresh_from_db()
    assert row.status == "filled"


def test_time_that_an_answer_took_passes_before_its_price(served: ChatServer) -> None:
    strategy = shadow()
    next_cycle(AT)
    AgentStatus.objects.update(market_rate=100_000)  # a millisecond is more than a minute of the market

    running.catch_up(strategy)
    next_cycle(AT)
    served.handlers["shadow"] = deciding({})
    running.catch_up(strategy)

    assert decided().decided_at - decided().as_of > timedelta(minutes=1)
    assert decided().status == "waiting"
    assert not ShadowFill.objects.exists(), "its price was gone when it answered"


def test_nothing_of_it_reaches_the_account(served: ChatServer, account: Outside) -> None:
    strategy = shadow()
    for _ in range(3):
        next_cycle(AT)
        running.catch_up(strategy)

    assert ShadowFill.objects.exists()
    assert not AIDecision.objects.filter(strategy=strategy).exists()
    assert not Order.objects.exists()
    assert account.posts() == []
    assert set(ModelCall.objects.filter(model=SHADOW).values_list("purpose", "cycle_id")) == {
        ("shadow", None)
    }


def test_book_begins_with_what_the_account_is_worth(served: ChatServer) -> None:
    strategy = shadow()
    next_cycle(AT)

    running.catch_up(strategy)

    book, point = ShadowBook.objects.get(), ShadowPoint.objects.get()
    assert book.origin == "account"
    assert book.start_equity == book.start_account_equity == point.account_equity == point.equity
    assert point.outcome == "decided"


def test_book_of_a_stated_sum(served: ChatServer) -> None:
    strategy = shadow()
    open_book(strategy, Decimal(5000))

    next_cycle(AT)
    running.catch_up(strategy)

    assert ShadowBook.objects.get().start_equity == 5000
    assert abs(decided().quantity * 100 - 100) < 1, "2 % of it"
    with pytest.raises(SelectionError, match="has a book already, of 5000 USD"):
        open_book(strategy, Decimal(1))
    with pytest.raises(SelectionError, match="expected a shadow"):
        open_book(Strategy.objects.get(name="Live"), Decimal(1))


def test_limits_of_account_and_strategy_hold_on_its_own_book(served: ChatServer) -> None:
    served.handlers["shadow"] = deciding({STOCK: ("buy", 0.9), OTHER_STOCK: ("buy", 0.8)})
    strategy = shadow(max_positions=1)
    next_cycle(AT)

    running.catch_up(strategy)

    assert decided(STOCK).status == "waiting"
    assert (decided(OTHER_STOCK).status, decided(OTHER_STOCK).reason) == ("denied", "max_positions_reached")


def test_a_persons_lock_holds_for_it_too(served: ChatServer) -> None:
    make_symbol_lock(STOCK)
    next_cycle(AT)

    running.catch_up(shadow())

    assert (decided().status, decided().reason) == ("denied", "symbol_locked")


def test_sale_of_what_it_does_not_hold_is_denied(served: ChatServer) -> None:
    served.handlers["shadow"] = deciding({STOCK: ("sell", 0.9)})
    next_cycle(AT)

    running.catch_up(shadow())

    assert (decided().status, decided().reason) == ("denied", "no_position")


def held(served: ChatServer, strategy: Strategy, **prices: Any) -> None:
    """Have the shadow hold the stock, bought at 100, and hold from then on."""
    next_cycle(AT)
    running.catch_up(strategy)
    served.handlers["shadow"] = deciding({})
    next_cycle(AT)
    running.catch_up(strategy)
    assert [fill.side for fill in ShadowFill.objects.all()] == ["buy"]


def test_sale_fills_and_pays_into_cash(served: ChatServer) -> None:
    strategy = shadow()
    held(served, strategy)
    served.handlers["shadow"] = deciding({STOCK: ("sell", 0.9)})
    next_cycle(AT)
    running.catch_up(strategy)
    next_cycle(AT | {STOCK: 101})
    running.catch_up(strategy)

    buy, sale = ShadowFill.objects.order_by("created_at")
    state = from_json(ShadowBook.objects.get().ledger)
    start = ShadowBook.objects.get().start_equity
    assert (sale.side, sale.quantity, sale.cause) == ("sell", buy.quantity, "decision")
    assert state.book.holdings == {}
    gained = buy.quantity * (sale.price - buy.price)
    assert abs(state.book.cash - start - gained) < CENT
    assert abs(sale.realised - gained) < CENT


@pytest.mark.parametrize(("price", "cause"), [("94", "stop_loss"), ("111", "take_profit"), ("99", None)])
def test_stop_and_target_sell_at_the_snapshot_that_crosses_them(
    served: ChatServer, price: str, cause: str | None
) -> None:
    strategy = shadow(stop_percent=Decimal(5), reward_to_risk=Decimal(2))
    held(served, strategy)

    next_cycle(AT | {STOCK: price})
    running.catch_up(strategy)

    sales = list(ShadowFill.objects.filter(side="sell"))
    assert [sale.cause for sale in sales] == ([cause] if cause else [])
    for sale in sales:
        assert (sale.snapshot_price, sale.decision) == (Decimal(price), None)
        assert sale.price < Decimal(price)


def test_trailing_stop_follows_the_highest(served: ChatServer) -> None:
    strategy = shadow(trailing_percent=Decimal(3), reward_to_risk=None)
    held(served, strategy)
    for price in (120, 117, 116):
        next_cycle(AT | {STOCK: price})
        running.catch_up(strategy)

    sale = ShadowFill.objects.get(side="sell")
    assert (sale.cause, sale.snapshot_price) == ("trailing_stop", 116)


def test_split_multiplies_units_and_moves_the_stop(served: ChatServer) -> None:
    strategy = shadow(stop_percent=Decimal(5))
    next_cycle(AT)
    bars(closes={"1": 99, "0": 100})
    running.catch_up(strategy)
    served.handlers["shadow"] = deciding({})
    next_cycle(AT)
    running.catch_up(strategy)
    bought = ShadowFill.objects.get().quantity
    bars(closes={"1": "24.75", "0": 25})

    next_cycle(AT | {STOCK: 25})
    running.catch_up(strategy)

    state = from_json(ShadowBook.objects.get().ledger)
    assert state.book.held(STOCK) == bought * 4
    assert ShadowPoint.objects.first().notes == [f"{STOCK}: split, 4 for 1"]  # type: ignore[union-attr]
    assert not ShadowFill.objects.filter(side="sell").exists()
    assert Decimal("23.7") < state.watched[STOCK].stop_price < Decimal("23.8")
    assert abs(state.equity - ShadowBook.objects.get().start_equity) < 10


def bars(*, closes: Mapping[str, Any]) -> None:
    """Write whole days that end so many days before the market's own."""
    from trading.market.market_time import market_now

    now = market_now()
    assert now is not None
    told = [
        [
            (now - timedelta(days=1 + int(ago))).isoformat(),
            str(close),
            str(close),
            str(close),
            str(close),
            "1000",
        ]
        for ago, close in closes.items()
    ]
    values = {"market_date": now.date(), "bars": told, "fetched_at": now}
    BarHistory.objects.update_or_create(symbol=STOCK, defaults=values)


def test_what_is_listed_no_more_is_closed_at_its_last_price(served: ChatServer) -> None:
    strategy = shadow()
    held(served, strategy)
    Asset.objects.filter(pk=STOCK).update(tradable=False)
    next_cycle({OTHER_STOCK: 50, COIN: 20_000})
    running.catch_up(strategy)
    assert not ShadowFill.objects.filter(side="sell").exists(), "it may be halted"
    age_marks(timedelta(days=2))

    next_cycle({OTHER_STOCK: 50, COIN: 20_000})
    running.catch_up(strategy)

    sale = ShadowFill.objects.get(side="sell")
    assert (sale.cause, sale.snapshot_price) == ("delisted", 100)
    assert "listed no more" in ShadowPoint.objects.first().notes[0]  # type: ignore[union-attr]


def age_marks(by: timedelta) -> None:
    book = ShadowBook.objects.get()
    ledger = book.ledger
    for mark in ledger["marks"].values():
        from datetime import datetime

        mark[1] = (datetime.fromisoformat(mark[1]) - by).isoformat()
    change(book, ledger=ledger)


def test_coins_pay_their_fee(served: ChatServer) -> None:
    served.handlers["shadow"] = deciding({COIN: ("buy", 0.9)})
    strategy = shadow()
    next_cycle(AT)
    running.catch_up(strategy)
    next_cycle(AT)
    running.catch_up(strategy)

    fill = ShadowFill.objects.get()
    assert abs(fill.fees - fill.price * fill.quantity * Decimal("0.0025")) < CENT
    assert abs(fill.fees) > 1


def test_cycles_that_were_missed_are_counted_and_their_prices_fill(served: ChatServer) -> None:
    strategy = shadow()
    next_cycle(AT)
    running.catch_up(strategy)
    served.handlers["shadow"] = deciding({})
    for _ in range(5):
        next_cycle(AT)

    running.catch_up(strategy)

    outcomes = list(ShadowPoint.objects.order_by("cycle_number").values_list("outcome", flat=True))
    assert outcomes == ["decided", "missed", "missed", "decided", "decided", "decided"]
    missed = ShadowPoint.objects.filter(outcome="missed").first()
    assert missed is not None
    assert missed.reason == running.LATE
    assert ShadowFill.objects.get().cycle_number == missed.cycle_number - 1, "at the first later price"
    assert len(asked_shadow(served)) == 4


def test_days_that_have_ended_are_passed_over(served: ChatServer) -> None:
    strategy = shadow()
    next_cycle(AT)
    running.catch_up(strategy)
    old = next_cycle(AT | {STOCK: 1})
    change(old, market_time=old.market_time - timedelta(days=2))
    next_cycle(AT)

    running.catch_up(strategy)

    book = ShadowBook.objects.get()
    assert book.passed_over == 1
    assert ShadowFill.objects.get().snapshot_price == 100


def test_it_is_due_until_it_has_seen_the_newest(served: ChatServer) -> None:
    assert SHADOWS.due() == []
    strategy = shadow()
    assert SHADOWS.due() == []
    next_cycle(AT)
    assert SHADOWS.due() == [str(strategy.pk)]

    SHADOWS.run(str(strategy.pk))

    assert SHADOWS.due() == []
    next_cycle(AT)
    other = shadow(name="Other")
    assert SHADOWS.due() == [str(other.pk), str(strategy.pk)], "who never saw one goes first"
    strategy.is_shadow = False
    save_strategy(strategy, author="ada")
    assert SHADOWS.due() == [str(other.pk)]
    SHADOWS.run(str(strategy.pk))
    assert ShadowPoint.objects.count() == 1


def test_cycle_under_way_is_left_alone(served: ChatServer) -> None:
    shadow()
    cycle = next_cycle(AT)
    change(cycle, status="running", stage="executing", ended_at=None)

    assert SHADOWS.due() == []


def test_second_evaluator_writes_nothing_twice(served: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = shadow()
    next_cycle(AT)
    running.catch_up(strategy)
    next_cycle(AT)
    decide = running.decide

    def overtaken(*args: Any) -> Any:
        found = decide(*args)
        monkeypatch.setattr(running, "decide", decide)
        running.catch_up(strategy)  # another one, at the same cycle
        return found

    monkeypatch.setattr(running, "decide", overtaken)
    running.catch_up(strategy)

    assert ShadowPoint.objects.count() == 2
    assert ShadowFill.objects.count() == 1
    assert len(asked_shadow(served)) == 2


def test_thousand_failing_calls_leave_the_live_budget_and_breakers(served: ChatServer) -> None:
    async def talks_nonsense(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(envelope("I would rather not say.", model=body["model"]))

    served.handlers["shadow"] = talks_nonsense
    ModelPrice.objects.create(model=SHADOW, input_usd_per_million=1, output_usd_per_million=1)
    use_models(served, LIVE, budget="100")
    set_runtime_setting(name="symbols_per_call", value="1", actor="test")
    began = timezone.now() - timedelta(days=1)
    symbols = [f"S{number:03}" for number in range(1000)]

    answer = asking.ask(shadow(), make_question(*symbols))

    calls = ModelCall.objects.filter(model=SHADOW)
    assert (calls.count(), len(answer.problems), answer.said) == (1000, 1000, {})
    assert set(calls.values_list("purpose", "status")) == {("shadow", "invalid")}
    assert answer.cost_usd == ModelCall.objects.evaluation_cost_since(began) > 0
    assert ModelCall.objects.cost_since(began) == 0
    assert breaker_of(SHADOW).open_until is None
    served.handlers["shadow"] = deciding({})
    Strategy.objects.filter(name="Live").update(model_names=[SHADOW])
    set_runtime_setting(name="symbols_per_call", value="10", actor="test")
    next_cycle(AT)
    assert set(AIDecision.objects.values_list("model", "reason")) == {(SHADOW, "hold")}


def test_failed_answers_are_no_decision_and_said(served: ChatServer) -> None:
    async def refuses(request: Any, body: Any) -> Any:
        return web.json_response({"error": {"message": "no such key"}}, status=401)

    served.handlers["shadow"] = refuses
    next_cycle(AT)

    running.catch_up(shadow())

    point = ShadowPoint.objects.get()
    assert (point.outcome, point.reason.startswith("3 of 3 symbols: openai/shadow")) == ("unanswered", True)
    assert not ShadowDecision.objects.exists()


def test_empty_purse_asks_nothing(served: ChatServer) -> None:
    ModelPrice.objects.create(model=SHADOW, input_usd_per_million=10, output_usd_per_million=20)
    use_models(served, LIVE, budget="0")
    next_cycle(AT)

    running.catch_up(shadow())

    assert asked_shadow(served) == []
    assert "AI budget of the day has 0.0000 USD left" in ShadowPoint.objects.get().reason


def test_next_model_is_asked_what_the_first_did_not_answer(served: ChatServer) -> None:
    async def fails(request: Any, body: Any) -> Any:
        return web.Response(status=400)

    served.handlers["broken"] = fails
    set_runtime_setting(name="symbols_per_call", value="1", actor="test")
    next_cycle(AT)

    running.catch_up(shadow(model_names=["openai/broken", SHADOW]))

    assert decided().model == SHADOW
    assert ShadowPoint.objects.get().outcome == "decided"


def test_built_in_analyst_is_free_and_reaches_nobody(served: ChatServer) -> None:
    use_models(served, LIVE, budget="0")
    next_cycle(AT)
    before = len(served.requests)

    running.catch_up(shadow(model_names=[builtin.MODEL]))

    assert len(served.requests) == before
    assert ShadowPoint.objects.get().outcome == "decided"


def test_tables_add_up_to_the_ledger(served: ChatServer) -> None:
    """Every fill again, out of decisions and snapshots alone, by other code."""
    strategy = shadow(stop_percent=Decimal(2))
    for place in range(14):
        says = [("buy", 0.9), ("hold", 0.5), ("sell", 0.9)][place % 3]
        served.handlers["shadow"] = deciding({STOCK: says, COIN: ("buy", 0.8)})
        next_cycle(AT | {STOCK: 100 + (place * 7) % 5, COIN: 20_000 + (place * 731) % 900})
        running.catch_up(strategy)

    found = recomputed(ShadowBook.objects.get())
    assert found.problems == []
    assert (found.points, found.fills > 6) == (14, True)
    assert found.largest < CENT
