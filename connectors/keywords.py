"""Which keywords a text has, as whole words."""

import re
from collections.abc import Sequence


def matched(text: str, keywords: Sequence[str]) -> tuple[str, ...]:
    """Return the keywords found in ``text`` as whole words, whatever their case, in the order given."""
    return tuple(
        keyword
        for keyword in dict.fromkeys(keywords)
        if keyword.strip() and re.search(rf"(?<!\w){re.escape(keyword.strip())}(?!\w)", text, re.IGNORECASE)
    )
