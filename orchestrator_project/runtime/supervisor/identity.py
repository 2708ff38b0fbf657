"""Who a forked process is, where `ps` and the warden look: command line and environment as the kernel shows them.

The kernel shows the memory in which a program was started, and a fork shares its parent's: without this every child
would be called as its parent is, and would carry none of the supervisor's marks. That memory is private to a process
and may be written over, as `setproctitle` does with the first of its two parts; the warden needs the second, too.
"""

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ARGUMENTS_BEGIN = (
    48  # the first of four fields of /proc/PID/stat, counted from 1: arg_start, arg_end, env_start, env_end
)
FIRST_AFTER_NAME = 3  # the field behind the program's name, which may hold blanks
NAME_BYTES = 15
PR_SET_NAME = 15


class NoIdentityError(Exception):
    """A fork cannot be told from its parent here; programs are executed instead."""


@dataclass(frozen=True, slots=True)
class Area:
    """Addresses of what the kernel shows of this process: arguments, and behind them the environment."""

    arguments: tuple[int, int]
    environment: tuple[int, int]

    @property
    def room(self) -> int:
        """Bytes of the environment."""
        return self.environment[1] - self.environment[0]


def own_area(needed: int) -> Area:
    """Return where this process's identity stands, after moving the C library's environment away from it.

    Args:
        needed: bytes of environment that must have room.

    Raises:
        NoIdentityError: the system does not tell, there is too little room, or something still points into it.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        first = ARGUMENTS_BEGIN - FIRST_AFTER_NAME
        begin, end, env_begin, env_end = (int(word) for word in fields[first : first + 4])
    except (OSError, ValueError) as error:
        raise NoIdentityError(str(error)) from error
    area = Area((begin, end), (env_begin, env_end))
    if not begin < end <= env_begin < env_end or area.room < needed:
        raise NoIdentityError(f"{area.room} bytes of environment, {needed} are needed")
    for name, value in os.environ.items():
        os.putenv(name, value)  # the C library keeps a copy of its own from now on
    if any(begin <= pointer < env_end for pointer in _pointers()):
        raise NoIdentityError("the environment holds what is no NAME=value")
    return area


def take_on(area: Area, title: str, name: str, environment: Mapping[str, str]) -> None:
    """Show this process as ``title``, with as much of ``environment``, in its order, as there is room for.

    Args:
        name: what tools show that have room for 15 characters.
    """
    _write(area.arguments, title.encode()[: area.arguments[1] - area.arguments[0] - 1])
    block, left = b"", area.room - 1
    for key, value in environment.items():
        entry = os.fsencode(f"{key}={value}") + b"\0"
        if len(entry) <= left:
            block += entry
            left -= len(entry)
    _write(area.environment, block)
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:NAME_BYTES], 0, 0, 0)


def _write(place: tuple[int, int], text: bytes) -> None:
    begin, end = place
    ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)


def _pointers() -> list[int]:
    """Return what the C library's ``environ`` points to."""
    environ = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    found: list[int] = []
    while (pointer := environ[len(found)]) is not None:
        found.append(pointer)
    return found
