"""What the session reads from answers, and what importing the contracts costs."""

import subprocess
import sys

import pytest

from connectors.transport import cut, retry_after_seconds

NOW = 1602770400.0


@pytest.mark.parametrize(
    ("headers", "status", "seconds"),
    [
        ({"Retry-After": "7"}, 429, 7.0),
        ({"Retry-After": "0.5"}, 503, 0.5),
        ({"Retry-After": "Thu, 15 Oct 2020 14:00:30 GMT"}, 429, 30.0),
        ({"Retry-After": "Thu, 15 Oct 2020 14:00:30 -0000"}, 429, 30.0),
        ({"Retry-After": "Thu, 15 Oct 2020 13:00:00 GMT"}, 429, 0.0),
        ({"Retry-After": "soon"}, 429, None),
        ({"Retry-After": "-3"}, 429, None),
        ({"X-RateLimit-Reset": "1602770412"}, 429, 12.0),
        ({"X-RateLimit-Reset": "1602770388"}, 429, 0.0),
        ({"X-RateLimit-Reset": "1602770412"}, 500, None),
        ({"X-RateLimit-Reset": "later"}, 429, None),
        ({}, 429, None),
    ],
)
def test_how_long_the_provider_asks_to_wait(
    headers: dict[str, str], status: int, seconds: float | None
) -> None:
    assert retry_after_seconds(headers, status_code=status, now=NOW) == seconds


def test_long_answers_are_cut() -> None:
    assert len(cut("x" * 5000)) == 300


def test_contracts_import_no_sdk() -> None:
    """alpaca-py alone brings pandas: 0.45 s and 89 MB in every process."""
    code = (
        "import sys, connectors.base, connectors.errors, connectors.redaction, connectors.retry, "
        "connectors.alpaca.addresses; "
        "print([m for m in ('alpaca', 'pandas', 'finnhub', 'pycoingecko', 'requests') if m in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
