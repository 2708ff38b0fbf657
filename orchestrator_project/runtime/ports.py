"""Whether a TCP port can be had."""

import socket


def port_is_free(host: str, port: int) -> bool:
    """Tell whether ``host:port`` can be bound right now; a port in TIME_WAIT counts as free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
