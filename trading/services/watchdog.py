"""The watchdog: engages the kill switch without a person, by the day's loss, the account or errors."""

from connectors.base import Account


def after_sync(account: Account) -> None:
    """Look at the account just stored."""
