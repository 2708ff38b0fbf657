"""The paper exchange: the account, its orders and how they fill; nothing of HTTP."""
