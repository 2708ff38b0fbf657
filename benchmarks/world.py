"""What a measurement runs on: engines, a database with seeds, a zero-latency venue."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def measured_world() -> Iterator[None]:
    """Start engines in a temporary folder, migrate and seed a database there, and run a quick venue.

    Django is set up inside: import models only after this was entered.
    """
    with contextlib.ExitStack() as ending:
        home = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp")))
        os.environ |= {
            "ORCHESTRATOR_HOME": str(home),
            "DJANGO_SETTINGS_MODULE": "orchestrator_project.settings",
        }
        from orchestrator_project.runtime.engines import joined_engines

        urls = ending.enter_context(joined_engines(home))
        os.environ |= {"DATABASE_URL": str(urls.database_url), "REDIS_URL": str(urls.redis_url)}
        import django

        django.setup()
        from orchestrator_project.runtime.prepare import prepare
        from tests.venue_process import VenueProcess

        prepare()
        venue = ending.enter_context(VenueProcess(fill_latency=0))
        address = {"url": venue.url, "pid": venue.pid, "world": "synthetic:7"}
        (home / "venue.json").write_text(json.dumps(address))
        from trading.execution.portfolio import sync_portfolio
        from trading.market.assets import refresh_assets

        sync_portfolio(None)
        refresh_assets()
        yield
