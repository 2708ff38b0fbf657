"""A command that uses the engines: says their addresses on stdout, leaves when its stdin ends."""

import json
import sys
from pathlib import Path

from orchestrator_project.runtime.engines import joined_engines

if __name__ == "__main__":
    with joined_engines(Path(sys.argv[1])) as urls:
        sys.stdout.write(json.dumps([urls.database_url, urls.redis_url]) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
