"""Stored values as a person reads them."""

import pytest

from trading.domain.words import in_words, to_the_minute, without_lines


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "-"), ("", "-"), ([], "-"), (True, "yes"), (False, "no"), (["a", 1], "a, 1"), (0, "0")],
)
def test_in_words(value: object, said: str) -> None:
    assert in_words(value) == said


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("stop_loss", "stop loss"),
        ("awaiting_approval", "awaiting approval"),
        ("entry", "entry"),
        ("the file a_b is gone", "the file a_b is gone"),
        ("Ann_B", "Ann_B"),
    ],
)
def test_only_a_stable_word_loses_its_lines(stored: str, said: str) -> None:
    assert without_lines(stored) == said


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("2026-12-01T06:41:16.663521+00:00", "2026-12-01 06:41 UTC"),
        ("2026-12-01T07:41:16+01:00", "2026-12-01 06:41 UTC"),
        ("2020-10-16T13:36:00Z", "2020-10-16 13:36 UTC"),
        ("2020-10-16T13:36", "2020-10-16 13:36 UTC"),
        ("soon", "soon"),
        ("", ""),
    ],
)
def test_a_moment_is_written_to_the_minute(stored: str, said: str) -> None:
    assert to_the_minute(stored) == said
