"""The process that xdist starts, and takes for a process of the run: it has one forked, and gives it its own pipes.

``python door.py ADDRESS``; it ends with the other one.
"""

import os
import socket
import sys

PATH = "tests/spread/door.py"
NOBODY = "gw"  # the name, among those of the run, of the process that collects and runs no test
COLLECTED = b"collected\n"  # what it writes when it can be forked


def main(address: str) -> None:
    """Hand stdin, stdout and stderr over; return when the fork has ended."""
    with socket.socket(socket.AF_UNIX) as fork:
        fork.connect(address)
        socket.send_fds(fork, [b"."], [0, 1, 2])
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1):  # whoever reads at the other end sees the fork's end, and not this one's
            os.dup2(nothing, descriptor)
        fork.recv(1)


if __name__ == "__main__":
    main(sys.argv[1])
