"""What the server of tests/forked.py loads before it forks: libraries alone, nothing that reads our settings."""

# ruff: noqa: E402, F401 - loading them is what this is for
import gc
import os

gc.disable()  # nothing here is garbage; tests/image.py sets it aside
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",  # it reads its level when it is loaded
    "OPENBLAS_NUM_THREADS": "1",
}

import alpaca.data.historical.crypto
import alpaca.data.historical.news
import alpaca.data.historical.stock
import alpaca.trading.client
import alpaca.trading.stream
import celery.apps.beat
import celery.apps.worker
import celery.bin.worker
import celery.concurrency.prefork
import cron_descriptor
import django.core.management
import django.db.backends.postgresql.base
import django.db.models
import django.forms
import drf_spectacular
import exchange_calendars
import finnhub
import kombu.transport.redis
import litellm
import pandas
import pycoingecko
import rich.traceback
import structlog
import tenacity
import uvicorn
