"""The embedded engines: our own PostgreSQL and Valkey where no server is named.

The one place that knows the wheels they come from; it runs before settings are loaded and imports no
Django. ``joined_engines`` for every command, ``ensure_running`` for whoever supervises.
"""

from orchestrator_project.runtime.engines.errors import EngineError
from orchestrator_project.runtime.engines.home import prepare_home
from orchestrator_project.runtime.engines.join import (
    EngineUrls,
    ensure_running,
    joined_engines,
    stop_if_unused,
)

__all__ = ["EngineError", "EngineUrls", "ensure_running", "joined_engines", "prepare_home", "stop_if_unused"]
