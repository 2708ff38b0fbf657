"""``python -m benchmarks.screenshots``: what the console looks like, page by page, from a seeded demo.

Runs some cycles on the local venue, fills what they leave empty, opens each page as an operator does, at 1440 and at
390 px, light and dark, and writes WebP.
"""

import argparse
import logging
import os
import sys
from pathlib import Path


def main() -> int:
    """Take the pictures; return 1 where a page fails."""
    options = _options()
    os.environ |= {"ORCHESTRATOR_MODE": "autonomous", "DJANGO_ALLOW_ASYNC_UNSAFE": "true"}
    from benchmarks.screenshots import index, pages, seed, taking
    from benchmarks.world import measured_world

    with measured_world({"fill_latency": 0}) as venue:
        logging.disable(logging.WARNING)
        seed.seed(venue)
        words = options.only.split(",")
        wanted = [one for one in pages.every_page() if any(word in one.name for word in words)]
        paths = (sys.prefix, str(Path.cwd()), os.environ["ORCHESTRATOR_HOME"])
        problems = taking.take(options.into, wanted, paths=paths, is_whole=options.whole)
        if not options.only and not options.whole:
            index.write(options.into, wanted)
    sys.stderr.write("".join(f"{one}\n" for one in problems))
    return int(bool(problems))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screenshots", description=__doc__)
    parser.add_argument(
        "--into", type=Path, default=Path("docs/console"), help="folder (default %(default)s)"
    )
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="pages with one of these, by commas, in their name"
    )
    whole = "at the pages' own scale and in more detail, to be looked at: not for the repository"
    parser.add_argument("--whole", action="store_true", help=whole)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
