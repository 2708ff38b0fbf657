#!/usr/bin/env python
"""The project's command line; see ``manage.py help``."""

import sys

from orchestrator_project.runtime.launch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
