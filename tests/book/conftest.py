"""The account every test here begins with is the trading tests' one."""

from tests.trading.conftest import account, outside, threaded_account

__all__ = ["account", "outside", "threaded_account"]
