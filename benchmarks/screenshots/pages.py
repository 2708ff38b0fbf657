"""Which pages there are, each with a name that its pictures are called by, in the order of the menu."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Of these tables not the newest row is shown, but the newest that says most.
SAYS_MOST = {
    "aidecision": {"status": "executed", "record__isnull": False},
    "approval": {"status": "rejected"},
    "asset": {"asset_class": "stock", "dollar_volume__isnull": False},
    "group": {"name": "operator"},
    "modelcall": {"status": "succeeded"},
    "order": {"status": "filled", "purpose": "entry"},
    "outcome": {"resolved_at__isnull": False, "horizon": 5},
    "position": {"asset_class": "stock"},
    "run": {"status": "completed", "figures__decisions__gt": 0},
    "runtimesetting": {"name": "confidence_threshold"},
    "symbollock": {"ended_at__isnull": True},
    "user": {"username": "ann"},
}
# Pages beside the menu's and the tables'.
MORE = {
    "approvals-ticked": "admin:trading_approval_queue?sort=confidence&best=3",
    "password": "admin:password_change",
}
ASKED = {"console_health": "?checks=1"}  # what a page is asked for so that it shows all it has
# Pages about a row of another table than the one that they stand with: whose it is.
ABOUT = {
    "evaluation_run_ask": ("trading.aidecision", "pk"),
    "evaluation_run_try": ("trading.strategy", "pk"),
    "trading_symbol": ("trading.position", "pk"),
    "trading_symbollock_unlock": ("trading.symbollock", "symbol"),
}
PIECES = {"trading_approval_sum"}  # what a page asks for to put into itself
# Read every day: their pictures are larger.
MAIN = {
    *("approvals", "cycle", "dashboard", "decision", "decisions", "health", "kill-switch", "orders"),
    *("performance", "position", "positions", "round-trips", "symbol", "calibration-report"),
}
OTHERS = "Beside the menu"


@dataclass(frozen=True, slots=True)
class Shot:
    """A page to take: what its pictures are called, its address, and under which heading of the menu it stands."""

    name: str
    url: str
    group: str
    title: str

    @property
    def is_main(self) -> bool:
        """Whether its pictures are larger."""
        return self.name in MAIN

    def file(self, width: int, theme: str) -> str:
        """Return a picture's name."""
        return f"{self.name}-{width}-{theme}.webp"


def slug(words: Any) -> str:
    """Return words as a file's name has them."""
    return re.sub(r"[^a-z0-9]+", "-", str(words).lower()).strip("-")


def of_the_menu() -> Iterator[Shot]:
    """Yield the pages that the menu leads to."""
    from django.urls import resolve

    from orchestrator_project.web.console_frame import NAVIGATION

    for group in NAVIGATION:
        for item in group["items"]:
            url = str(item["link"])
            asked = ASKED.get(resolve(url).view_name, "")
            yield Shot(
                slug(item["title"]), url + asked, str(group.get("title") or "Every day"), item["title"]
            )


def every_page() -> Iterator[Shot]:
    """Yield all pages, the menu's first; then each table's list and a row of it, and what is done to one."""
    yielded: set[str] = set()
    for shot in (*of_the_menu(), *_beside_the_menu(), *_of_tables()):
        address = shot.url if shot.name in MORE else shot.url.partition("?")[0]
        if address not in yielded:
            yielded.add(address)
            yield shot


def _beside_the_menu() -> Iterator[Shot]:
    from django.urls import reverse

    from orchestrator_project import urls

    for name, what in MORE.items():
        view, mark, query = what.partition("?")
        yield Shot(name, reverse(view) + mark + query, OTHERS, name.replace("-", " ").capitalize())
    for one in urls.urlpatterns:
        named = str(getattr(one, "name", "") or "")
        if named.startswith("console_"):
            words = named.removeprefix("console_")
            yield Shot(slug(words), reverse(named), OTHERS, words.capitalize())


def _of_tables() -> Iterator[Shot]:
    from tests.trading.admin.doors import own_pages, pages, url_of

    groups = {shot.url.partition("?")[0]: shot.group for shot in of_the_menu()}
    for page in pages():
        meta, where = page.model._meta, url_of(page, "changelist")
        many, single, group = meta.verbose_name_plural, meta.verbose_name, groups.get(where, OTHERS)
        yield Shot(slug(many), where, group, str(many).capitalize())
        row = shown_row(page.model)
        if row is None:
            continue
        own_name = slug(f"one {single}" if single == many else single)
        yield Shot(own_name, url_of(page, "change", row.pk), group, f"One {single}")
        for own in own_pages(page):
            if own.name in PIECES:
                continue
            where_it_is = _address(own.name or "", row)
            if not where_it_is:
                continue
            deed = re.sub(r"^[a-z]+_[a-z]+_", "", own.name or "").replace("_", " ")
            name = "symbol" if own.name == "trading_symbol" else f"{single} {deed}"
            yield Shot(slug(name), where_it_is, group, name.capitalize())


def _address(name: str, row: Any) -> str:
    """Return the address of a page beside the usual ones; "" where the table that it is about has no row."""
    from django.apps import apps
    from django.urls import reverse

    from tests.trading.admin.doors import address

    if name not in ABOUT:
        return address(name, row)
    label, column = ABOUT[name]
    about = shown_row(apps.get_model(label))
    return "" if about is None else reverse(f"admin:{name}", args=[getattr(about, column)])


def shown_row(model: Any) -> Any:
    """Return the row that is shown of a table, None where it has none."""
    rows = model._default_manager.order_by("-pk")
    wanted = SAYS_MOST.get(model._meta.model_name)
    return (rows.filter(**wanted).first() if wanted else None) or rows.first()
