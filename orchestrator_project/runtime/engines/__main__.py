"""``python -m orchestrator_project.runtime.engines HOME``: stop the engines there unless somebody uses them.

Run by the supervisor's warden after a kill -9, and by an operator who wants a left-over pair gone.
"""

import sys
from pathlib import Path

from orchestrator_project.runtime.engines.errors import EngineError
from orchestrator_project.runtime.engines.join import stop_if_unused

if __name__ == "__main__":
    try:
        stop_if_unused(Path(sys.argv[1]))
    except EngineError as error:
        sys.exit(str(error))
