"""Cleaning of text that others wrote."""

import pytest

from ai.domain.text import clean_line, redacted, storable, truncated


def test_a_line_at_the_limit_is_whole() -> None:
    assert clean_line("abcde", limit=5) == "abcde"
    assert clean_line("abcdef", limit=5) == "abcd…"


def test_only_what_postgresql_cannot_hold_is_replaced() -> None:
    assert storable("a\x00b\ud800c\nd\u202e") == "a\ufffdb\ufffdc\nd\u202e"


def test_a_cut_text_says_how_long_it_was() -> None:
    cut = truncated("é" * 100, limit_bytes=120)

    assert cut.endswith("\n[truncated: the answer had 200 bytes]")
    assert len(cut.encode()) <= 120
    assert truncated("é" * 60, limit_bytes=120) == "é" * 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key s3cr/et failed", "key [redacted] failed"),
        ("url ?token=s3cr%2Fet", "url ?token=[redacted]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ("provided: sk-proj-abcdef123", "provided: [redacted]"),
        ("GET /x?key=abc123&y=1", "GET /x?key=[redacted]&y=1"),
        ("nothing here", "nothing here"),
    ],
)
def test_keys_are_redacted(text: str, expected: str) -> None:
    assert redacted(text, ["s3cr/et"]) == expected


def test_a_dummy_key_goes_only_where_it_stands_alone() -> None:
    assert redacted("no key lm-studio1, but lm-studio", ["lm-studio"]) == "no key lm-studio1, but [redacted]"
    assert redacted("11 of 1 NA", ["1", "NA", "11"]) == "11 of 1 NA"
