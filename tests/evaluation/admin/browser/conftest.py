"""The browser of the console's tests."""

from tests.trading.admin.browser.conftest import browser, enter, live_server, seeded

__all__ = ["browser", "enter", "live_server", "seeded"]
