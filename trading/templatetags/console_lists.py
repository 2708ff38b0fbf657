"""What the console's lists say of themselves: their name in the menu, and which filters are set."""

import re
from functools import cache
from typing import Any
from uuid import UUID

from django import template
from django.conf import settings
from django.db.models.options import Options
from django.urls import reverse
from django.utils.text import capfirst

from trading.labels import words_of

register = template.Library()
LOOKUP = re.compile(r"(__exact|__id|_id|__pk|__isempty|__isnull|_0|_1)+$")
SENTENCE = re.compile(r"[a-z]+:? ")
BOUNDS = {"_from": "from", "_to": "until", "__gte": "from", "__lt": "until"}


@register.simple_tag
def menu_name(link: object, name: object) -> str:
    """Return what the menu calls the page at an address; its own name where the menu has no such page."""
    return str(_menu().get(str(link)) or capfirst(str(name)))


@cache
def _menu() -> dict[str, str]:
    """Return the menu's words by address; a process reckons its addresses once, some fifty."""
    groups = settings.UNFOLD["SIDEBAR"]["navigation"]
    return {str(item["link"]): item["title"] for group in groups for item in group["items"]}


@register.simple_tag
def row_name(name: object) -> str:
    """Return a row's name as a heading: a sentence begins with a capital, a name or an id stays as it is."""
    text = str(name)
    return capfirst(text) if SENTENCE.match(text) else text


@register.filter
def list_address(opts: "Options[Any]") -> str:
    """Return the address of a table's list."""
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")


@register.filter
def spoken(name: str) -> str:
    """Write a setting's name as people say it: cycle_interval is Cycle interval."""
    return capfirst(name.replace("_", " "))


@register.simple_tag
def filters_set(listed: Any) -> list[tuple[str, str]]:
    """Return what a list is narrowed to, besides its search: each filter's words and its value's."""
    found: dict[str, list[str]] = {}
    for name, values in listed.get_filters_params().items():
        said = [_value(value) for value in (values if isinstance(values, list) else [values]) if value != ""]
        if said:
            found.setdefault(_name(name), []).extend(said)
    return [(name, " ".join(said)) for name, said in found.items()]


def _name(parameter: str) -> str:
    name = LOOKUP.sub("", parameter)
    for ending, word in BOUNDS.items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')} {word}"
    return name.replace("__", " ").replace("_", " ")


def _value(value: object) -> str:
    text = str(value)
    try:
        return f"…{str(UUID(text))[-8:]}"
    except ValueError:
        return words_of(text)
