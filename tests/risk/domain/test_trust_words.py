"""What a person reads of trust."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.domain.trust import Standing, Trust, TrustMode
from risk.domain.trust_words import FIGURES, trust_words

EARNED = Trust(Decimal("0.25"), Standing.EARNED, 3, Decimal("0.5412"), Decimal("0.5099"))
NONE = Decimal(0)


@pytest.mark.parametrize(
    ("trust", "mode", "words"),
    [
        (EARNED, TrustMode.ON, "0.82 stated, 0.54 calibrated, at least 0.51: sized at 0.25"),
        (EARNED, TrustMode.SHADOW, "0.82 stated, 0.54 calibrated, at least 0.51: would be sized at 0.25"),
        (EARNED, TrustMode.OFF, ""),
        (
            Trust(Decimal("0.25"), Standing.MISSING),
            TrustMode.ON,
            "0.82 stated, nothing is known of this model in these words: sized at 0.25",
        ),
        (
            Trust(NONE, Standing.EXPIRED, 3),
            TrustMode.ON,
            "0.82 stated, what is known of it has expired: nothing is left of its size",
        ),
        (
            Trust(NONE, Standing.UNSEEN, 3),
            TrustMode.SHADOW,
            "0.82 stated, nothing was ever stated as low: nothing would be left of its size",
        ),
        (
            Trust(Decimal(1), Standing.MALFORMED, 3),
            TrustMode.ON,
            "0.82 stated, its curve cannot be read: sized at 1",
        ),
    ],
)
def test_sentence_is_told_from_the_figures_of_a_check(trust: Trust, mode: TrustMode, words: str) -> None:
    assert trust_words(Decimal("0.82"), trust.figures(mode)) == words


def test_check_from_before_trust_says_nothing() -> None:
    assert trust_words(Decimal("0.82"), {"price": "100"}) == ""


@given(figures=st.dictionaries(st.sampled_from(FIGURES), st.none() | st.text() | st.just("on")))
def test_whatever_is_stored_is_told(figures: dict[str, str | None]) -> None:
    assert isinstance(trust_words(Decimal("0.82"), figures), str)
