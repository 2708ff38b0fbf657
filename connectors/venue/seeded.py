"""Chance that is always the same for the same seed and the same names."""

import hashlib

import numpy as np


def _digest(seed: int, parts: tuple[object, ...]) -> int:
    text = "\x1f".join([str(seed), *map(str, parts)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def unit(seed: int, *parts: object) -> float:
    """Return a number in [0, 1) that depends on ``seed`` and ``parts`` alone."""
    return _digest(seed, parts) / 2**64


def index(count: int, seed: int, *parts: object) -> int:
    """Return an integer in [0, count)."""
    return _digest(seed, parts) % count


def generator(seed: int, *parts: object) -> np.random.Generator:
    """Return a numpy generator of its own for ``parts``."""
    return np.random.Generator(np.random.PCG64(_digest(seed, parts)))
