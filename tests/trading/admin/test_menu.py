"""The menu's names are the pages' own, and what nobody opens every day is folded."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils.text import capfirst

from tests.trading.admin.doors import label_of, pages, url_of

Login = Callable[..., Client]
# Of libraries, or whose page says more than its table is called.
OWN_NAMES = {
    "django_celery_beat.periodictask": "Schedule",
    "risk.killswitch": "Kill switch",
    "risk.risklimits": "Limits",
    "trading.approval": "Approval history",
}


def titles() -> dict[str, str]:
    groups = settings.UNFOLD["SIDEBAR"]["navigation"]
    return {str(item["link"]): item["title"] for group in groups for item in group["items"]}


def test_a_table_is_called_the_same_in_the_menu_and_on_its_page() -> None:
    named = {label_of(page): titles().get(url_of(page, "changelist")) for page in pages()}
    own = {label_of(page): capfirst(str(page.model._meta.verbose_name_plural)) for page in pages()}

    differ = {name: title for name, title in named.items() if title not in (None, own[name])}

    assert differ == OWN_NAMES


def test_lists_title_is_the_menus_word(login: Login) -> None:
    client = login()

    for page in admin.site._registry.values():
        url = url_of(page, "changelist")
        if url in titles():
            shown = client.get(url).content.decode()
            assert f"<title> {titles()[url]} | Trading Orchestrator</title>" in shown, url


def test_internals_are_folded_and_open_where_one_of_them_is_shown(login: Login) -> None:
    client = login("viewer")

    dashboard = client.get(reverse("admin:index")).content.decode()
    sagas = client.get(reverse("admin:trading_saga_changelist")).content.decode()

    assert '<details class="tc-menu-group"><summary>System<' in dashboard
    assert '<details class="tc-menu-group"><summary>System: records<' in dashboard
    assert '<details class="tc-menu-group" open><summary>System: records<' in sagas
    assert 'aria-current="page"' in sagas
