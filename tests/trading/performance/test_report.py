"""The report of a time: sums that are the change of equity to the cent, and figures with what they rest on."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.factories import make_decision, make_equity, make_model_call, make_position, make_strategy
from tests.trading.performance.booked import traded
from trading.models import BarHistory, Position, Strategy, SymbolBook
from trading.performance.comparison import begin_comparison
from trading.performance.rendering import as_csv, as_json, as_lines
from trading.performance.report import GROUPS, Report, performance

D = Decimal
CENT = D("0.01")
pytestmark = pytest.mark.django_db
DAYS = [date(2026, 11, day) for day in (2, 3, 4, 5, 6, 9, 10)]  # sessions; 7 and 8 are a weekend


def at(day: int, hour: int = 15, minute: int = 0) -> datetime:
    return datetime.combine(DAYS[day], datetime.min.time(), UTC) + timedelta(hours=hour, minutes=minute)


class World:
    """An account whose books and positions are made from trades and marks, as the broker would tell them."""

    def __init__(self, cash: str = "100000") -> None:
        self.cash = D(cash)
        self.marks: dict[str, Decimal] = {}

    def trade(self, side: str, quantity: str, price: str, *, symbol: str = "AAPL", **more: object) -> None:
        before = SymbolBook.objects.filter(symbol=symbol).values_list("cash_flow", flat=True).first() or D(0)
        traded(side, quantity, price, symbol=symbol, **more)  # type: ignore[arg-type]
        self.cash += SymbolBook.objects.get(symbol=symbol).cash_flow - before
        self.marks[symbol] = D(price)

    def sync(self, moment: datetime, **marks: str) -> None:
        """Store positions at these marks, and the account's money."""
        self.marks |= {symbol: D(price) for symbol, price in marks.items()}
        Position.objects.all().delete()
        value = D(0)
        for book in SymbolBook.objects.exclude(quantity=0):
            worth = (book.quantity * self.marks[book.symbol]).quantize(D("0.0001"))
            value += worth
            make_position(book.symbol, quantity=book.quantity, average_entry_price=D(1), market_value=worth)
        make_equity(market_time=moment, cash=self.cash, equity=self.cash + value)


def agree(report: Report) -> None:
    """Assert that what is said to have been earned is the change of equity."""
    equity = report.equity
    parts = (equity.realised, equity.unrealised, equity.brought_in, equity.unexplained)
    assert equity.change.value is not None
    assert abs(sum(D(part.value or 0) for part in parts) - equity.change.value) < CENT


@pytest.fixture
def two_strategies() -> None:
    """Three sessions: one strategy wins and loses, another holds what it bought; a third sells for the first."""
    winner, holder = make_strategy(name="winner"), make_strategy(name="holder")
    world = World()
    world.sync(at(0, 14, 35))
    begin_comparison()
    world.trade("buy", "10", "100", at=at(0), decision=make_decision(strategy=winner, price=D("99.5")))
    world.trade(
        "buy", "20", "50", symbol="MSFT", at=at(0), decision=make_decision(strategy=holder, price=D(50))
    )
    world.sync(at(0, 20, 59), AAPL="101")
    world.trade(
        "sell", "10", "110", at=at(1), decision=make_decision(strategy=holder, action="sell", price=D(110))
    )
    world.trade("buy", "5", "200", at=at(1, 16), decision=make_decision(strategy=winner, price=D(200)))
    world.sync(at(1, 20, 59), MSFT="49")
    world.trade(
        "sell", "5", "190", at=at(2), purpose="stop_loss", decision=make_decision(strategy=winner, price=None)
    )
    world.sync(at(2, 20, 59), MSFT="52")


@pytest.mark.usefixtures("two_strategies")
def test_each_strategy_gets_what_its_own_entries_earned() -> None:
    report = performance(by="strategy")

    rows = {row.label: row for row in report.rows}
    assert (rows["winner"].trades.realised, rows["winner"].profit.value) == (D(50), D(50))
    assert (rows["holder"].trades.trades, rows["holder"].unrealised.value) == (0, D(40))
    assert (report.equity.realised.value, report.equity.unrealised.value) == (D(50), D(40))
    assert (report.equity.change.value, report.equity.unexplained.value) == (D(90), D(0))
    agree(report)


@pytest.mark.usefixtures("two_strategies")
def test_exit_reasons_symbols_and_days_add_up_to_the_same() -> None:
    change = performance().equity.change.value

    by = {group: performance(by=group) for group in GROUPS}

    assert {group: sum(D(row.profit.value or 0) for row in report.rows) for group, report in by.items()} == (
        dict.fromkeys(GROUPS, change)
    )
    assert {row.key: row.trades.realised for row in by["exit"].rows} == {
        "": 0,
        "signal": 100,
        "stop_loss": -50,
    }
    assert [(row.key, row.equity_change.value) for row in by["day"].rows if row.equity_change] == [
        ("2026-11-02", D(10)),
        ("2026-11-03", D(70)),
        ("2026-11-04", D(10)),
    ]


@pytest.mark.usefixtures("two_strategies")
def test_one_session_has_its_own_change_and_leaves_open_what_nobody_knows() -> None:
    report = performance(first=DAYS[1], last=DAYS[1])

    assert (report.equity.realised.value, report.equity.unrealised.value) == (D(100), D(-30))
    assert report.equity.change.value == D(70)
    (row,) = report.rows
    assert (row.trades.realised, row.unrealised.value) == (D(100), None)
    assert "not on record" in row.unrealised.reason
    agree(report)


@pytest.mark.usefixtures("two_strategies")
def test_figures_say_on_how_much_they_rest_or_why_they_are_not_known() -> None:
    """Worked by hand: a trade won 100, one lost 50."""
    found = performance().figures

    assert (found["win_rate"].value, found["win_rate"].n) == (0.5, 2)
    assert (found["profit_factor"].value, found["payoff"].value, found["expectancy"].value) == (
        2.0,
        2.0,
        25.0,
    )
    # 10 at 100 instead of 99.5 are 5 USD; 10 at 99.5, 20 at 50, 10 at 110 and 5 at 200 were to be traded.
    assert found["slippage_bps"].value == pytest.approx(5 / 4095 * 10_000)
    assert found["slippage_bps"].n == 4
    # From the first close to the second; the third session has not ended.
    assert (found["max_drawdown"].value, found["max_drawdown"].n) == (0.0, 1)
    assert (found["calmar"].value, found["beta"].value) == (None, None)
    assert found["beta"].reason == "no daily bars are on record"


def test_an_empty_account_has_a_report_that_knows_nothing() -> None:
    report = performance()

    assert report.equity.change.value is None
    assert {figure.value for figure in report.figures.values()} == {None}
    assert all(figure.reason for figure in report.figures.values())
    assert "not known" in "\n".join(as_lines(report))


def test_dividends_are_unexplained_and_shares_that_were_there_before_are_no_profit() -> None:
    make_position("AAPL", quantity=D(10), average_entry_price=D(90), market_value=D(1000))
    make_equity(market_time=at(0, 14, 35), cash=D(1000), equity=D(2000))
    begin_comparison()
    Position.objects.update(market_value=D(1100))
    make_equity(market_time=at(0, 20), cash=D("1012.50"), equity=D("2112.50"))

    report = performance(by="strategy")

    equity = report.equity
    assert (equity.realised.value, equity.unrealised.value) == (D(0), D(100))
    assert (equity.brought_in.value, equity.unexplained.value) == (D(0), D("12.50"))
    (row,) = report.rows
    assert (row.label, row.profit.value) == ("unknown origin", D(100))
    agree(report)


@pytest.mark.usefixtures("two_strategies")
def test_models_cost_is_a_line_of_its_own_by_model_strategy_and_day() -> None:
    call = make_model_call(model="openai/gpt-4o-mini", cost_usd=D("0.25"), charged_usd=D("0.25"))
    make_model_call(model="unknown/model", cost_usd=None)
    make_decision(strategy=Strategy.objects.get(name="winner"), model_call=call)

    by_model, by_strategy = performance(by="model"), performance(by="strategy")

    assert (by_model.model_cost.usd, by_model.model_cost.calls, by_model.model_cost.unpriced) == (
        D("0.25"),
        2,
        1,
    )
    costs = {row.key: row.model_cost.usd for row in by_model.rows if row.model_cost and row.model_cost.usd}
    assert costs == {"openai/gpt-4o-mini": D("0.25")}
    winner = next(row for row in by_strategy.rows if row.label == "winner")
    assert winner.model_cost is not None
    assert winner.model_cost.usd == D("0.25")
    assert as_json(by_model)["afterModelCost"]["usd"] is None


@pytest.mark.usefixtures("two_strategies")
@pytest.mark.parametrize(
    ("symbol", "name"), [("SPY", "SPY"), ("QQQ", "equal weight of 1 symbols, rebalanced daily")]
)
def test_the_benchmark_is_spy_where_its_bars_are_here_else_the_universe(symbol: str, name: str) -> None:
    closes = {DAYS[0]: "400", DAYS[1]: "404", DAYS[2]: "404"}
    bars = [[f"{day}T05:00:00+00:00", "1", "1", "1", close, "1"] for day, close in closes.items()]
    BarHistory.objects.create(symbol=symbol, market_date=DAYS[3], bars=bars, fetched_at=at(3))

    report = performance()

    assert report.benchmark.name == name
    assert report.figures["benchmark_return"].value == pytest.approx(0.01)
    assert report.figures["benchmark_return"].n == 1


@pytest.mark.usefixtures("two_strategies")
def test_command_prints_lines_json_and_csv(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("performance", "--by", "exit", "--json")
    told = json.loads(capsys.readouterr().out)
    call_command("performance", "--from", "2026-11-03", "--to", "2026-11-03", "--csv", "--by", "symbol")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    call_command("performance")
    lines = capsys.readouterr().out

    assert told == json.loads(json.dumps(as_json(performance(by="exit"))))
    assert told["equity"]["change"] == {"usd": "90", "reason": ""}
    assert [(row["key"], row["realised"], row["unrealised"]) for row in rows] == [("AAPL", "100", "")]
    assert "equity 100000.00 -> 100090.00 USD, change 90.00" in lines
    with pytest.raises(CommandError, match="expected no day before"):
        call_command("performance", "--from", "2026-11-03", "--to", "2026-11-02")


def test_a_csv_of_nothing_has_its_header() -> None:
    assert as_csv(performance()).startswith("key,label,trades,open_lots,realised,fees,")


ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "buy", "sell"]),
        st.decimals("0.01", "50", places=4),
        st.decimals("1", "900", places=2),
        st.sampled_from(["AAPL", "MSFT", "BTC/USD"]),
        st.integers(0, 2),
        st.sampled_from(["exit", "stop_loss", "take_profit", "flatten", "external"]),
    ),
    min_size=1,
    max_size=7,
)


class TestSums(TestCase):
    """Whatever is traded by whomever, at whatever marks."""

    @given(ORDERS, st.decimals("1", "900", places=2), st.integers(1, 6))
    @settings(max_examples=20)
    def test_every_grouping_sums_to_the_change_of_equity(
        self,
        orders: list[tuple[str, Decimal, Decimal, str, int, str]],
        mark: Decimal,
        a_day: int,
    ) -> None:
        strategies = [make_strategy() for _ in range(3)]
        world = World()
        make_position("AAPL", quantity=D(3), average_entry_price=D(40), market_value=D(150))
        world.marks["AAPL"] = D(50)
        make_equity(market_time=at(0, 14, 35), cash=world.cash, equity=world.cash + 150)
        begin_comparison()
        for number, (side, quantity, price, symbol, who, purpose) in enumerate(orders):
            held = SymbolBook.objects.filter(symbol=symbol).values_list("quantity", flat=True).first() or D(0)
            amount = quantity if side == "buy" else min(quantity, held)
            if amount <= 0:
                continue
            decided = side == "buy" or purpose not in ("flatten", "external")
            decision = (
                make_decision(strategy=strategies[who], action=side, symbol=symbol) if decided else None
            )
            kind = "entry" if side == "buy" else purpose
            moment = at(number * a_day % len(DAYS) if a_day == 1 else min(number, len(DAYS) - 1), 15, number)
            world.trade(
                side, str(amount), str(price), symbol=symbol, at=moment, purpose=kind, decision=decision
            )
            world.sync(moment + timedelta(minutes=1))
        last = at(len(DAYS) - 1, 20)
        world.sync(last, MSFT=str(mark))

        reports = {group: performance(by=group) for group in GROUPS}

        change = reports["day"].equity.change.value
        assert change is not None
        for group, report in reports.items():
            agree(report)
            assert report.equity.unexplained.value is not None
            assert abs(report.equity.unexplained.value) < CENT
            total = sum((D(row.profit.value or 0) for row in report.rows), D(0))
            assert abs(total - change) < CENT, group
        part = performance(first=DAYS[1], last=DAYS[2])
        if part.equity.change.value is not None:
            agree(part)


@pytest.mark.usefixtures("two_strategies")
def test_a_time_beyond_the_record_is_the_record() -> None:
    found = performance(first=date.min, last=date.max, by="day")

    assert [row.key for row in found.rows] == ["2026-11-02", "2026-11-03", "2026-11-04"]
    assert found.equity.change.value == D(90)
    agree(found)
    assert performance(first=date(2030, 1, 1)).rows == []
    assert performance(last=date(2020, 1, 1)).equity.change.value is None
