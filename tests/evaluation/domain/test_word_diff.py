"""Texts are compared word by word, and both can be read out of the difference again."""

from hypothesis import given
from hypothesis import strategies as st

from evaluation.domain.word_diff import MOST_WORDS, Part, word_diff

TEXTS = st.lists(st.sampled_from(["buy", "sell", "momentum", "is", "strong", "weak", "."]), max_size=12)


def test_what_changed_stands_where_it_changed() -> None:
    assert word_diff("Momentum is strong today", "Momentum is weak today") == [
        (Part.SAME, "Momentum is"),
        (Part.GONE, "strong"),
        (Part.NEW, "weak"),
        (Part.SAME, "today"),
    ]


def test_same_texts_and_none() -> None:
    assert word_diff("as it was", "as it was") == [(Part.SAME, "as it was")]
    assert word_diff("", "") == []
    assert word_diff("", "new") == [(Part.NEW, "new")]


def test_long_texts_are_not_compared() -> None:
    long = "word " * (MOST_WORDS + 1)

    assert [words.part for words in word_diff(long, f"{long} more")] == [Part.GONE, Part.NEW]


@given(TEXTS, TEXTS)
def test_both_can_be_read_out_of_it(old: list[str], new: list[str]) -> None:
    found = word_diff(" ".join(old), " ".join(new))

    assert " ".join(text for part, text in found if part is not Part.NEW).split() == old
    assert " ".join(text for part, text in found if part is not Part.GONE).split() == new
