"""What a measurement runs on: engines, a database with seeds, a zero-latency venue."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.venue_process import VenueProcess


@contextlib.contextmanager
def measured_world(
    venue_options: Mapping[str, object] | None = None, *, folder: Path | None = None
) -> Iterator["VenueProcess"]:
    """Start engines in a temporary folder, migrate and seed a database there, and run a venue; yield the venue.

    Django is set up inside: import models only after this was entered.

    Args:
        venue_options: of ``tests.venue_process.VenueProcess``; None: a venue without latency.
        folder: where the database stays once this is left; None: it does not.
    """
    options = {"fill_latency": 0} if venue_options is None else venue_options
    with contextlib.ExitStack() as ending:
        home = folder or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp")))
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
        _without_guards()
        venue = ending.enter_context(VenueProcess(**options))
        world = "replay" if options.get("data") else "synthetic:7"
        address = {"url": venue.url, "pid": venue.pid, "world": world}
        address["rate_limit"] = options.get("rate_limit", 0)
        (home / "venue.json").write_text(json.dumps(address))
        from trading.execution.portfolio import sync_portfolio
        from trading.market.assets import refresh_assets

        sync_portfolio(None)
        refresh_assets()
        yield venue


def _without_guards() -> None:
    """Switch off what bounds how often a model trades: the machine is measured, not the model."""
    from trading.core.settings import set_runtime_setting
    from trading.domain.guards.rules import ALL_OFF

    for name, value in ALL_OFF.items():
        set_runtime_setting(name=name, value=value, actor="benchmark")
