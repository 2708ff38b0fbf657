"""What decided a denial stands in the fewest words: both numbers, told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.domain.deciding_words import deciding_words
from risk.domain.reasons import DenyReason


@pytest.mark.parametrize(
    ("reason", "figures", "words"),
    [
        ("low_confidence", {"confidence": "0.66", "min_confidence": "0.7"}, "0.66 < 0.70"),
        ("low_confidence", {"confidence": "0.6999", "min_confidence": "0.7"}, "0.6999 < 0.7000"),
        ("low_confidence", {"confidence": "NaN", "min_confidence": "0.7"}, ""),
        ("low_confidence", {}, ""),
        ("stale_price", {"price_age_seconds": "120.2", "max_price_age_seconds": "90.0"}, "121 s old > 90 s"),
        ("stale_price", {"price_age_seconds": "-400", "max_price_age_seconds": "90"}, "400 s in the future"),
        ("max_positions_reached", {"open_positions": "15", "max_positions": "15"}, "15 of 15 positions"),
        (
            "exposure_limit_exceeded",
            {"room_exposure_limit_exceeded": "-3", "wanted_notional": "3000"},
            "room for 0.00 of 3,000.00 USD",
        ),
        (
            "daily_loss_limit",
            {"daily_loss_percent": "5.1", "max_daily_loss_percent": "5"},
            "5.10 % ≥ 5.00 %",
        ),
        (
            "implausible_price",
            {"price": "130", "price_low": "80", "price_high": "110"},
            "130.00 is not within 80.00 to 110.00",
        ),
        ("market_closed", {"confidence": "0.9"}, ""),
        ("no such reason", {}, ""),
    ],
)
def test_figures_that_decided(reason: str, figures: dict[str, str], words: str) -> None:
    assert deciding_words(reason, figures) == words


@given(
    st.sampled_from(list(DenyReason)), st.dictionaries(st.text(max_size=20), st.text(max_size=8), max_size=4)
)
def test_no_figures_are_too_odd(reason: DenyReason, figures: dict[str, str]) -> None:
    assert isinstance(deciding_words(reason, figures), str)
