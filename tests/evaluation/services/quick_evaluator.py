"""The evaluator as its command runs it, save that what failed is tried again in a moment; for tests/forked.py."""

import sys

from orchestrator_project.runtime import evaluator
from orchestrator_project.runtime.launch import main

if __name__ == "__main__":
    evaluator.FIRST_PAUSE_SECONDS = evaluator.LOOK_SECONDS = 0.5
    sys.argv = ["manage.py", "evaluator"]  # whose logs it writes
    sys.exit(main(sys.argv))
