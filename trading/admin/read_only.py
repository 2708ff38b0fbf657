"""How the pages of single rows show what is stored: figures, moments, links and JSON as people read them."""

from collections.abc import Mapping
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString


def facts_block(stored: Any) -> SafeString:
    """Show stored JSON: names and values as a table, what is nested folded and with its line breaks."""
    if isinstance(stored, Mapping):
        flat = {name: value for name, value in stored.items() if not isinstance(value, Mapping | list)}
        nested = {name: value for name, value in stored.items() if name not in flat}
    else:
        flat, nested = {}, {"": stored}
    return render_to_string("console/facts.html", {"flat": flat, "nested": nested})
