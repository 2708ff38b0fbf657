"""Composition: settings, Celery app, URLs, logging, processes. Decides nothing."""

from orchestrator_project.celery import app as celery_app

__all__ = ["celery_app"]
