"""The console's site: a menu by permission, tables where they are read."""

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory
from django.urls import reverse

from orchestrator_project.web.console_site import ConsoleSite
from tests.factories import make_user


def test_pages_are_registered_with_this_site() -> None:
    assert isinstance(admin.site, ConsoleSite)
    assert admin.site._registry


def test_menu_asks_for_the_permission_of_each_item(prepared: None) -> None:
    request = RequestFactory().get("/admin/")
    shown = {}
    for name, user in (("viewer", make_user(group="viewer")), ("nobody", make_user())):
        request.user = user
        groups = admin.site.get_sidebar_list(request)
        shown[name] = {item["title"] for group in groups for item in group["items"] if item["has_permission"]}

    assert shown["viewer"] - shown["nobody"] >= {"Positions", "Orders", "Strategies"}
    assert "Users" not in shown["viewer"]


def test_tables_are_listed_when_somebody_reads_them(prepared: None) -> None:
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    listed = admin.site.get_app_list(request)
    request.user = make_user(is_superuser=True)

    assert {room["app_label"] for room in listed} >= {"trading", "risk", "evaluation"}


def test_pages_that_list_tables_still_do(prepared: None) -> None:
    client = Client()
    client.force_login(make_user(is_superuser=True))

    listed = client.get(reverse("admin:app_list", args=["risk"]))

    assert listed.status_code == 200
    assert "Limits" in listed.content.decode()
    assert client.get("/admin/nothing/").status_code == 404
