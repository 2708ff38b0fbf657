"""Each process of a run has what is its own, also where it is a fork of the one that collected the tests."""

import os

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection

from orchestrator_project import settings as project


def test_settings_are_of_this_process() -> None:
    own = os.environ["REDIS_URL"]

    assert settings.REDIS_URL == project.REDIS_URL == current_app.conf.broker_url == own
    assert str(settings.ENVIRONMENT.orchestrator_home) == os.environ["ORCHESTRATOR_HOME"]
    assert settings.ENVIRONMENT == project.ENVIRONMENT


@pytest.mark.django_db
def test_database_is_of_this_process(worker_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        (name,) = cursor.fetchone()

    assert name.endswith("" if worker_id == "master" else f"_{worker_id}")
