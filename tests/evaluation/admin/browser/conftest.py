"""A browser that is logged in, as the console's other pages have it."""

from tests.trading.admin.browser.conftest import address, browser, enter, live_server, seeded, tab

__all__ = ["address", "browser", "enter", "live_server", "seeded", "tab"]
