"""The venue's command line: ``python -m connectors.venue`` and ``manage.py venue``."""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import logging
import math
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from connectors.venue.app import VenueOptions, build_app, build_venue
from connectors.venue.context import Venue
from connectors.venue.errors import VenueInputError
from connectors.venue.replay.timeline import DEFAULT_START, parse_start
from connectors.venue.wire import stamp

log = logging.getLogger("connectors.venue")

PRIVATE = 0o077  # state and address are its user's alone
_SHUTDOWN_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the venue's arguments to ``parser``."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="loopback address to listen on (default %(default)s)"
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0: a free one (default)")
    parser.add_argument("--data", help="folder of CSV or CSV.gz bars (default: a synthetic market)")
    parser.add_argument(
        "--state", default=".orchestrator/venue", help="folder of the state (default %(default)s)"
    )
    parser.add_argument(
        "--start",
        help=f"market time of a new state, New York (default: {DEFAULT_START}, else a day within the data)",
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="market seconds per second (default %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=7, help="seed of everything left to chance (default %(default)s)"
    )
    parser.add_argument("--address-file", help="file to write the address to, as JSON, while listening")
    parser.add_argument(
        "--fill-latency", type=float, default=0.15, help="seconds to a fill (default %(default)s)"
    )
    parser.add_argument(
        "--slippage-bps", type=float, default=3.0, help="worst slippage (default %(default)s)"
    )
    parser.add_argument(
        "--partial-rate", type=float, default=0.1, help="share of partial fills (default %(default)s)"
    )
    parser.add_argument(
        "--rate-limit",
        type=int,
        default=200,
        help="Alpaca requests a window; 0: no limit (default %(default)s)",
    )
    parser.add_argument(
        "--rate-window",
        type=int,
        default=60,
        help="seconds of a window of --rate-limit (default %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code: 0, or 2 for what it cannot run on."""
    os.umask(PRIVATE)
    try:
        _check(options)
        venue = build_venue(_venue_options(options))
    except VenueInputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _announce(venue)
    try:
        asyncio.run(_serve(venue, options))
    except VenueInputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(
            f"The venue cannot listen on {options.host}:{options.port} (--port: {error.strerror}); expected "
            "a free port; choose another, or 0 for any.\n"
        )
        return 2
    return 1 if venue.has_failed else 0


def _check(options: argparse.Namespace) -> None:
    host = "127.0.0.1" if options.host == "localhost" else options.host
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise VenueInputError(
            f"The host {options.host} (--host) is not a loopback address; expected 127.0.0.1, ::1 or "
            "localhost: the venue has no protection of its own; leave --host out."
        )
    limits = {
        "--port": (options.port, 0, 65_535),
        "--speed": (options.speed, 1e-6, 100_000),
        "--fill-latency": (options.fill_latency, 0, 3_600),
        "--slippage-bps": (options.slippage_bps, 0, 1_000),
        "--partial-rate": (options.partial_rate, 0, 1),
        "--rate-limit": (options.rate_limit, 0, 1_000_000),
        "--rate-window": (options.rate_window, 1, 3_600),
    }
    for name, (value, low, high) in limits.items():
        if not math.isfinite(value) or not low <= value <= high:
            raise VenueInputError(
                f"The value {value} ({name}) is out of range; expected {low} to {high}; correct it."
            )


def _venue_options(options: argparse.Namespace) -> VenueOptions:
    return VenueOptions(
        data=Path(options.data) if options.data else None,
        state=Path(options.state),
        start=parse_start(options.start) if options.start else None,
        speed=options.speed,
        seed=options.seed,
        fill_latency=options.fill_latency,
        slippage_bps=options.slippage_bps,
        partial_rate=options.partial_rate,
        rate_limit=options.rate_limit,
        rate_window=options.rate_window,
    )


def _announce(venue: Venue) -> None:
    refused = sum(venue.world.refused.values())
    log.info(
        "%s market %s: %d instruments, %d rows refused %s, market time %s, data to %s",
        venue.world.kind,
        venue.world.name,
        len(venue.world.instruments),
        refused,
        venue.world.refused if refused else "",
        stamp(venue.clock.now()),
        stamp(venue.market.timeline.end),
    )
    if venue.clock.has_ended:
        log.warning("the data of this state has ended: the market stays closed; start with a new --state")


async def _serve(venue: Venue, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(build_app(venue), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    address_file: Path | None = None
    try:
        site = web.TCPSite(runner, options.host, options.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        if options.address_file:
            _write_address(Path(options.address_file), url, venue)
            address_file = Path(options.address_file)
        log.info("the venue listens on %s", url)
        await stop.wait()
    finally:
        await runner.cleanup()
        if address_file is not None:
            address_file.unlink(missing_ok=True)


def _write_address(path: Path, url: str, venue: Venue) -> None:
    """Write the address whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        said = {"url": url, "pid": os.getpid(), "world": venue.world.name}
        draft.write_text(json.dumps(said | {"rate_limit": venue.limits.per_minute}))
        if os.geteuid() == 0:  # in an ordinary user's folder, who must be able to read it
            owner = path.parent.stat()
            os.chown(draft, owner.st_uid, owner.st_gid)
        draft.replace(path)
    except OSError as error:
        raise VenueInputError(
            f"The address file {path} (--address-file) cannot be written ({error.strerror}); expected a "
            "writable place; name another."
        ) from error


def main() -> int:
    """Run the command line of ``python -m connectors.venue``."""
    parser = argparse.ArgumentParser(prog="python -m connectors.venue", description=(__doc__ or "").strip())
    add_arguments(parser)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s venue %(message)s", stream=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        return run(parser.parse_args())
    return 0
