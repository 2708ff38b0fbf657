"""How Celery talks with Valkey here: what its settings cannot say alone."""
