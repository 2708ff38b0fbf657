"""What a sale earned is money received less money spent, fees included."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trading.domain.profit import Execution, cost_per_unit, realised_pnl

D = Decimal
FEE = D("0.0025")


def buy(quantity: str, price: str) -> Execution:
    return Execution(True, D(quantity), D(price))


def sell(quantity: str, price: str) -> Execution:
    return Execution(False, D(quantity), D(price))


def test_fee_in_the_coin_makes_the_held_units_dearer() -> None:
    """docs/lessons.md#lesson-38: bought 1, held 0.9975."""
    assert cost_per_unit([buy("1", "100")], D("0.9975")) == D(100) / D("0.9975")


def test_sales_take_their_share_of_the_cost() -> None:
    executions = [buy("2", "100"), buy("2", "200"), sell("1", "500")]

    assert cost_per_unit(executions, D(3)) == D(150)


def test_closing_starts_the_cost_anew() -> None:
    executions = [buy("1", "100"), sell("0.9975", "90"), buy("1", "300")]

    assert cost_per_unit(executions, D(1)) == D(300)


def test_position_that_fills_do_not_explain_has_no_cost_of_ours() -> None:
    assert cost_per_unit([], D(1)) is None
    assert cost_per_unit([buy("1", "100")], D(2)) is None
    assert cost_per_unit([buy("1", "100")], D("0.5")) is None
    assert cost_per_unit([buy("1", "100")], D(0)) is None


@given(
    bought=st.decimals("0.01", "1000", places=4),
    entry=st.decimals("1", "50000", places=2),
    exit_price=st.decimals("1", "50000", places=2),
)
def test_round_trip_earns_what_the_cash_changed(bought: Decimal, entry: Decimal, exit_price: Decimal) -> None:
    held = bought * (1 - FEE)
    cost = cost_per_unit([Execution(True, bought, entry)], held)
    assert cost is not None

    pnl = realised_pnl(quantity=held, price=exit_price, cost_per_unit=cost, is_coin=True)

    cash = held * exit_price * (1 - FEE) - bought * entry
    assert abs(pnl - cash) < D("0.0001")
