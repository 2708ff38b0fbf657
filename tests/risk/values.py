"""The gate's inputs with defaults under which an entry of 3 % of 100,000 USD passes."""

from decimal import Decimal
from typing import Any

from risk.domain.types import (
    AssetRules,
    LimitValues,
    OrderIntent,
    PriceBand,
    PriceFacts,
    Reference,
    RiskBook,
    TradingState,
)

NANO = Decimal("0.000000001")


def make_rules(**overrides: Any) -> AssetRules:
    """Return the rules of a fractionable stock."""
    values: dict[str, Any] = {
        "tradable": True,
        "fractionable": True,
        "quantity_step": NANO,
        "min_quantity": Decimal(0),
        "min_notional": Decimal(1),
    }
    return AssetRules(**(values | overrides))


def make_band(**overrides: Any) -> PriceBand:
    """Return the default band: 20 % or eight daily volatilities; sources agree to 2 % and may differ by 10 %."""
    values: dict[str, Any] = {
        "floor": Decimal("0.2"),
        "sigmas": Decimal(8),
        "agreement": Decimal("0.02"),
        "disagreement": Decimal("0.1"),
    }
    return PriceBand(**(values | overrides))


def make_facts(close: object = 100, **overrides: Any) -> PriceFacts:
    """Return what is known of an asset that closed at 100 USD; ``close`` None: nothing is known of its close."""
    closed = None if close is None else Reference(Decimal(str(close)), "daily bar")
    return PriceFacts(**({"band": make_band(), "close": closed} | overrides))


def make_intent(**overrides: Any) -> OrderIntent:
    """Return the wish to buy AAPL at 100 USD for 3 % of equity."""
    values: dict[str, Any] = {
        "symbol": "AAPL",
        "reducing": False,
        "confidence": Decimal("0.8"),
        "min_confidence": Decimal("0.7"),
        "size_percent": Decimal(3),
        "price": Decimal(100),
        "price_age_seconds": 1.0,
        "max_price_age_seconds": 90.0,
        "market_open": True,
        "rules": make_rules(),
    } | overrides
    values.setdefault("price_facts", make_facts(close=values["price"]))
    return OrderIntent(**values)


def make_exit(**overrides: Any) -> OrderIntent:
    """Return the wish to sell what is held of AAPL."""
    return make_intent(**({"reducing": True} | overrides))


def make_book(**overrides: Any) -> RiskBook:
    """Return an account of 100,000 USD in cash without positions."""
    values: dict[str, Any] = {
        "switch_engaged": False,
        "trading_state": TradingState.ACTIVE,
        "equity": Decimal(100_000),
        "session_start_equity": Decimal(100_000),
        "buying_power": Decimal(100_000),
    }
    return RiskBook(**(values | overrides))


def make_limit_values(**overrides: Any) -> LimitValues:
    """Return the default limits: 10 % a position, 50 % in all, 15 positions, 5 % loss a day."""
    values: dict[str, Any] = {
        "version": 4,
        "max_position_percent": Decimal(10),
        "max_exposure_percent": Decimal(50),
        "max_positions": 15,
        "max_daily_loss_percent": Decimal(5),
    }
    return LimitValues(**(values | overrides))
