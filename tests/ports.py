"""Ports for the servers of tests."""

import socket


def free_port() -> int:
    """Return a loopback port that nobody has, chosen by the kernel: no two test processes are given the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
