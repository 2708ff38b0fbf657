"""Splits and dividends, as a broker books them: nothing of value appears or vanishes."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from connectors.venue.app import VenueOptions, build_venue
from connectors.venue.errors import VenueInputError
from connectors.venue.paper.orders import STOP_LOSS, TAKE_PROFIT
from connectors.venue.world.actions import HEADER
from connectors.venue.world.loader import load_world
from connectors.venue.world.model import Action, World, epoch_day
from tests.connectors.venue.falling import falling
from tests.connectors.venue.paper.bench import Bench, bench
from tests.connectors.venue.tiny import SESSIONS, STOCK_HEADER, write_csv

# a split of four for one at 2020-10-19, a dividend of one dollar at 2020-10-16, as their files have them
QUOTED = (
    ("400", "0", "1"),
    ("400", "0", "1"),
    ("400", "0", "1"),
    ("400", "0", "1"),
    ("399", "1", "1"),
    ("99.75", "0", "4"),
)
ADJUSTED = ("99.75", "99.75", "99.75", "99.75", "99.75", "99.75")


def splitting_rows() -> list[str]:
    rows = []
    for day, (price, dividend, split), adjusted in zip(SESSIONS, QUOTED, ADJUSTED, strict=True):
        rows.append(f"AAA,{day},{price},{price},{price},{price},{adjusted},1000,{dividend},{split}")
    return rows


@pytest.fixture
def splitting(tmp_path: Path) -> Iterator[Bench]:
    """A stock that pays a dollar on Friday and splits on Monday; the clock stands on Thursday."""
    write_csv(tmp_path / "data", "s.csv", STOCK_HEADER, splitting_rows())
    with bench(tmp_path, world=load_world(tmp_path / "data", 7, books_actions=True)) as one:
        yield one


def equity(one: Bench) -> Decimal:
    return one.exchange.ledger.cash + one.exchange.market_value()


def test_value_stays_over_a_dividend_and_a_split(splitting: Bench) -> None:
    splitting.submit(qty="3")
    splitting.wait()
    before = equity(splitting)

    splitting.go("2020-10-16T13:30:00Z")
    assert (splitting.held, equity(splitting)) == (3, before)
    splitting.go("2020-10-19T13:30:00Z")

    assert (splitting.held, equity(splitting)) == (12, before)
    booked = splitting.venue.store.activities(
        ["DIV", "SPLIT"], after="0", until="9", token=None, descending=False, limit=9
    )
    assert [(a["activity_type"], a["qty"], a["net_amount"]) for a in booked] == [
        ("DIV", "3", "3"),
        ("SPLIT", "-3", "0"),
        ("SPLIT", "12", "0"),
    ]
    assert (booked[0]["per_share_amount"], booked[1]["price"], booked[2]["price"]) == ("1", "399", "99.75")
    assert splitting.exchange.ledger.holdings["AAA"].average_price == Decimal("100.01")


def test_a_split_is_booked_in_the_morning_before_the_open(splitting: Bench) -> None:
    splitting.submit(qty="3")
    splitting.wait()
    splitting.go("2020-10-16T14:00:00Z")
    before = equity(splitting)

    splitting.go("2020-10-19T07:59:00Z")
    assert splitting.held == 3
    splitting.go("2020-10-19T08:00:00Z")

    assert (splitting.held, equity(splitting)) == (12, before)
    splitting.go("2020-10-19T13:31:00Z")
    assert (splitting.held, equity(splitting)) == (12, before)


def test_orders_of_one_part_follow_a_split_and_groups_do_not(splitting: Bench) -> None:
    splitting.submit(qty="2")
    group = splitting.bracket("500", "300", qty="4")
    stop = splitting.submit(side="sell", type="stop", stop_price="350", qty="2")
    splitting.wait()

    splitting.go("2020-10-16T14:00:00Z")
    assert (stop.stop_price, stop.status) == (Decimal(349), "new")  # a dollar less: the dividend
    splitting.go("2020-10-19T13:29:00Z")
    exits = splitting.part(group, STOP_LOSS), splitting.part(group, TAKE_PROFIT)
    splitting.go("2020-10-19T14:00:00Z")

    assert (stop.stop_price, stop.quantity, stop.status) == (Decimal("87.25"), 8, "new")
    assert [(one.stop_price, one.limit_price, one.quantity) for one in exits] == [
        (300, None, 4),
        (None, 500, 4),
    ]
    assert [one.status for one in exits] == ["filled", "canceled"]  # its stop stands above the new price
    assert splitting.held == 6 * 4 - 4


def test_actions_are_booked_once_also_after_a_kill(splitting: Bench) -> None:
    splitting.submit(qty="3")
    splitting.wait()
    splitting.go("2020-10-16T13:30:00Z")
    cash = splitting.exchange.ledger.cash
    with splitting.venue.store.transaction():
        splitting.venue.store.set_fact("market_time", repr(splitting.venue.clock.now() - 3_600))
    splitting.close()

    splitting.open()
    splitting.go("2020-10-16T14:00:00Z")

    assert splitting.exchange.ledger.cash == cash


def test_files_with_columns_are_quoted_and_adjusted_bars_are_as_of_the_day(splitting: Bench) -> None:
    market, aaa = splitting.venue.market, splitting.venue.world.instruments["AAA"]

    def closes(adjustment: str) -> list[float]:
        now = splitting.venue.clock.now()
        rows = market.daily_bars(aaa, 0, now)
        return [market.told(aaa, row, now, adjustment).close for row in rows]

    assert closes("raw") == closes("split") == [400.0] * 4
    splitting.go("2020-10-19T14:00:00Z")
    assert closes("raw") == [400.0, 400.0, 400.0, 400.0, 399.0, 99.75]
    assert closes("split") == [100.0, 100.0, 100.0, 100.0, 99.75, 99.75]
    np.testing.assert_allclose(closes("all"), 99.75)
    assert market.previous_close(aaa) == 99.75


def test_file_beside_the_prices_gives_the_same_market(tmp_path: Path) -> None:
    columns, beside = tmp_path / "columns", tmp_path / "beside"
    write_csv(columns, "s.csv", STOCK_HEADER, splitting_rows())
    bare = [",".join(row.split(",")[:8]) for row in splitting_rows()]
    write_csv(beside, "s.csv", STOCK_HEADER.removesuffix(",dividend,split"), bare)
    actions = ["AAA,2020-10-16,dividend,1", "AAA,2020-10-19,split,4"]
    write_csv(beside, "corporate_actions.csv", ",".join(HEADER), actions)

    one, two = (load_world(folder, 7, books_actions=True) for folder in (columns, beside))

    assert (
        set(one.actions)
        == set(two.actions)
        == {
            Action("AAA", epoch_day_of("2020-10-16"), "dividend", Decimal("1")),
            Action("AAA", epoch_day_of("2020-10-19"), "split", Decimal("4")),
        }
    )
    np.testing.assert_allclose(one.daily["AAA"].close, two.daily["AAA"].close)
    assert load_world(columns, 7).actions == ()
    assert one.name == f"{load_world(columns, 7).name}:actions"


def epoch_day_of(text: str) -> int:
    return epoch_day(date.fromisoformat(text))


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        (
            "symbol,day",
            "AAA,2020-10-16",
            r"has another header \(line 1\); expected symbol,ex_date,kind,value",
        ),
        (",".join(HEADER), "AAA,someday,split,4", r"line 2: 'AAA,someday,split,4'\); expected a stock"),
        (",".join(HEADER), "AAA,2020-10-16,merger,4", "cannot be read"),
        (",".join(HEADER), "AAA,2020-10-16,split,0", "cannot be read"),
        (",".join(HEADER), "BTC/USD,2020-10-16,split,2", "cannot be read"),
        (",".join(HEADER), "ZZZ,2020-10-16,split,2", "names ZZZ, whose actions are in no file of prices"),
        (",".join(HEADER), "AAA,2020-10-16,split,2", "names AAA, whose actions are in the columns"),
    ],
)
def test_file_of_actions_that_cannot_be_used_is_refused(
    tmp_path: Path, header: str, row: str, said: str
) -> None:
    write_csv(tmp_path / "d", "s.csv", STOCK_HEADER, splitting_rows())
    write_csv(tmp_path / "d", "corporate_actions.csv", header, [row])

    with pytest.raises(VenueInputError, match=said):
        load_world(tmp_path / "d", 7, books_actions=True)


@pytest.mark.parametrize(
    ("kind", "value", "held"), [("split", "2", "8"), ("split", "0.5", "2"), ("dividend", "2", "4")]
)
def test_announced_action_comes_at_the_next_open(tmp_path: Path, kind: str, value: str, held: str) -> None:
    with bench(tmp_path) as one:
        one.submit()
        resting = one.submit("AAA", type="limit", limit_price="60")
        one.wait()
        one.exchange.announce("AAA", kind, Decimal(value))
        one.close()
        one.open()

        one.go("2020-10-15T19:59:50Z")
        before = equity(one)
        one.go("2020-10-16T13:30:00Z")

        assert one.held == Decimal(held)
        assert abs(equity(one) - before) < Decimal("0.10")
        told = one.exchange.book.orders[resting.order_id]
        expected = (
            {"2": ("new", 30, 8), "0.5": ("canceled", 60, 4)}[value] if kind == "split" else ("new", 58, 4)
        )
        assert (told.status, told.limit_price, told.quantity) == expected


def test_announcing_over_http(tmp_path: Path) -> None:
    with falling(tmp_path) as desk:
        desk.filled("AAA", qty="4")
        said = desk.venue.request(
            "POST", "/venue/corporate_actions", {"symbol": "AAA", "kind": "split", "value": "4"}
        )
        desk.venue.clock(to="close")
        desk.venue.clock(to="open")

        position = desk.position("AAA")
        assert said == {"symbol": "AAA", "kind": "split", "value": "4", "ex_date": "2020-10-16"}
        assert position is not None
        assert (position["qty"], position["lastday_price"]) == ("16", "25")
        bars = desk.get(
            "/v2/stocks/bars", symbols="AAA", timeframe="1Day", start="2020-10-12", adjustment="split"
        )
        assert [bar["c"] for bar in bars["bars"]["AAA"]][:3] == [25.0, 25.0, 25.0]
        refused = desk.send(
            "POST", "/venue/corporate_actions", json={"symbol": "BTC/USD", "kind": "split", "value": 2}
        )
        assert refused.status_code == 400


def test_state_of_before_goes_on_with_adjusted_prices(tmp_path: Path) -> None:
    write_csv(tmp_path / "data", "s.csv", STOCK_HEADER, splitting_rows())
    options = VenueOptions(data=tmp_path / "data", state=tmp_path / "state", start=None)
    old: World = load_world(tmp_path / "data", 7)
    fresh = build_venue(options)
    assert fresh.world.actions
    with fresh.store.transaction():
        fresh.store.set_fact("world", old.name)
    fresh.store.close()

    again = build_venue(options)

    assert (again.world.name, again.world.actions) == (old.name, ())
    again.store.close()
