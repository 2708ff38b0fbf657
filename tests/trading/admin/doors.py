"""Every address of the console, from the pages that are registered: what a new page adds is here by itself."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import NoReverseMatch, URLPattern, reverse

STANDARD = ("changelist", "add", "history", "delete", "change")


def pages() -> list[admin.ModelAdmin[Any]]:
    """Return the registered pages."""
    reverse("admin:index")  # the addresses, read for the first time, register the pages
    return list(admin.site._registry.values())


def label_of(page: admin.ModelAdmin[Any]) -> str:
    """Return what rows.py calls the page's table."""
    return page.model._meta.label_lower


def url_of(page: admin.ModelAdmin[Any], name: str, *args: Any) -> str:
    """Return the address of one of a table's usual pages."""
    return reverse(f"admin:{page.model._meta.app_label}_{page.model._meta.model_name}_{name}", args=args)


def own_pages(page: admin.ModelAdmin[Any]) -> list[URLPattern]:
    """Return what a table has beside the usual pages."""
    usual = {f"{page.model._meta.app_label}_{page.model._meta.model_name}_{name}" for name in STANDARD}
    return [one for one in page.get_urls() if one.name and one.name not in usual]


def address(name: str, row: Any) -> str:
    """Return the address of a page beside the usual ones, about the row."""
    try:
        return reverse(f"admin:{name}", args=[row.pk])
    except NoReverseMatch:
        return f"{reverse(f'admin:{name}')}?id={row.pk}"
