"""Who may ask, and how often: tokens, permissions, limits, idempotency keys."""
