"""Read a folder of prices in a process that ends with the reading.

The library that reads the files, and the memory in which it sorts their rows, are of no use to a venue that then
only looks prices up: together they are twice as large as the prices themselves.
"""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

from connectors.venue.errors import VenueInputError
from connectors.venue.world.model import World

FORK = "fork"


def read_world(folder: Path, seed: int, *, books_actions: bool = False) -> World:
    """Return what ``loader.load_world`` returns.

    Raises:
        VenueInputError: the folder or a file cannot be used; the text names it and the remedy.
    """
    can_fork = FORK in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(FORK if can_fork else "spawn")
    answers, telling = context.Pipe(duplex=False)
    told = (folder, seed, books_actions, telling)
    reader = context.Process(target=_read, args=told, name="reader", daemon=True)  # type: ignore[attr-defined]  # both contexts have it
    reader.start()
    telling.close()
    try:
        answer = answers.recv()
    except EOFError:
        reader.join()
        raise VenueInputError(
            f"The data folder {folder} could not be read: the reading process ended with exit code {reader.exitcode}; "
            "expected enough memory for all its rows at once; free some, or take files out of the folder."
        ) from None
    finally:
        answers.close()
    reader.join()
    if isinstance(answer, BaseException):
        raise answer
    world: World = answer
    return world


def _read(folder: Path, seed: int, books_actions: bool, telling: Connection) -> None:
    from connectors.venue.world.loader import load_world

    try:
        telling.send(load_world(folder, seed, books_actions=books_actions))
    except VenueInputError as error:
        telling.send(error)
