"""Enter, in every field of every form of the console, does nothing; what is done has its own button."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import NoReverseMatch, reverse
from playwright.sync_api import Page, Request

from risk.models import KillSwitch
from tests.factories import make_agent, make_approval, make_decision, make_engagement
from tests.trading.admin.rows import ROWS

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]  # a hundred pages, twice

WIDTHS = (390, 1440)
FIELDS = "form[method=post] :is(input:not([type=hidden]), textarea), [form=several]"
# A person's own password and way in: neither trades, sends, deletes nor releases.
OWN_PASSWORD = ("/login/", "/password", "/logout/")
PAGES = (
    "risk_killswitch_engage",
    "risk_killswitch_release",
    "risk_killswitch_flatten",
    "trading_agentstatus_mode",
    "trading_agentstatus_active",
    "trading_approval_queue",
    "trading_position_reconcile",
)


def addresses() -> Iterator[str]:
    for name in PAGES:
        yield reverse(f"admin:{name}")
    candidate = ROWS["trading.universecandidate"]()
    made = {"trading.universecandidate": candidate, "risk.killswitch": KillSwitch.objects.get()}
    yield f"{reverse('admin:trading_universecandidate_reject')}?id={candidate.pk}"
    for model, page in admin.site._registry.items():
        label = model._meta.label_lower
        row = made.get(label) or ROWS[label]()
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        for name, arguments in (
            ("changelist", ()),
            ("add", ()),
            ("change", (row.pk,)),
            ("delete", (row.pk,)),
        ):
            try:
                yield reverse(f"{base}_{name}", args=arguments)
            except NoReverseMatch:
                assert page.get_urls()


def press_enter_everywhere(page: Page) -> int:
    """Press Enter in each field that can be seen; return in how many."""
    open_to_keys = page.locator(FIELDS).filter(visible=True).and_(page.locator(":enabled"))
    fields = open_to_keys.all()[:40]
    for field in fields:
        field.press("Enter", no_wait_after=True)
    return len(fields)


def test_enter_in_no_field_of_any_form_sends_anything(
    enter: Callable[[str], Page], live_server: object
) -> None:
    page = enter("risk officer")
    user = User.objects.latest("pk")
    user.is_superuser = True
    user.save()
    make_agent(mode="semi_auto")
    for _ in range(2):
        make_approval(decision=make_decision(status="awaiting_approval"))
    make_engagement()
    posts: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            posts.append(f"{page.url} -> {request.url}")

    page.on("request", note)
    root, fields = page.url.split("/admin/")[0], Counter[int]()
    for address in addresses():
        if any(part in address for part in OWN_PASSWORD):
            continue
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        page.goto(root + address, wait_until="load")
        for width in WIDTHS:  # loading a page takes a browser longer than all the rest
            page.set_viewport_size({"width": width, "height": 900})
            fields[width] += press_enter_everywhere(page)
            assert posts == [], (width, posts)

    page.goto(root + reverse("admin:index"), wait_until="load")  # a request that had begun is seen by now
    assert posts == []
    assert all(fields[width] > 100 for width in WIDTHS), fields
