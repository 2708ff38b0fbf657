"""Composition: settings, Celery app, URLs, logging, processes. Decides nothing."""
