"""Run the venue: ``python -m connectors.venue --help``."""

import sys

from connectors.venue.cli import main

if __name__ == "__main__":
    sys.exit(main())
