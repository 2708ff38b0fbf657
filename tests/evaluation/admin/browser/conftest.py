"""A browser that is logged in, as the console's other pages have it."""

from tests.trading.admin.browser.conftest import browser, enter, live_server, seeded

__all__ = ["browser", "enter", "live_server", "seeded"]
