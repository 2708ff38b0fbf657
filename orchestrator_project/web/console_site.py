"""The admin site behind the console: unfold's, without what it reckons anew for each page and nobody sees."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin import sites
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.apps import BasicAppConfig
from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    """The site all pages of the console are registered with."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the rooms with their tables once somebody reads them: few pages list them, all are handed them."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))

    def _call_permission_callback(
        self, callback: str | Callable[[HttpRequest], bool] | None, request: HttpRequest
    ) -> bool:
        """Ask at once: unfold has Django make a lazy class for each item of the menu, a tenth of a page's CPU."""
        if callable(callback):
            return bool(callback(request))
        return bool(super()._call_permission_callback(callback, request))


class ConsoleTheme(BasicAppConfig):  # type: ignore[misc]  # unfold has no types
    """The theme with this site in the place of its own."""

    def ready(self) -> None:
        """Put the site in its place, before pages are registered."""
        admin.site = sites.site = ConsoleSite()
