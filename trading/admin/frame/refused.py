"""What a person sees instead of a page: not permitted, not there. In the console's frame, with a way back."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

from trading.admin.pages import console_page

FRAME, WITHOUT_MENU = "admin/base_site.html", "unfold/layouts/unauthenticated.html"


def not_permitted(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that the account may not do this, what it would need, and who may."""
    words = _needed(str(exception or "")) or "Your account may not do this."
    return _refused(request, 403, "Not permitted", f"{words} Nothing was changed.")


def not_there(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that there is no such page."""
    words = f"There is no page at {request.path}. It may have been deleted, or the address is cut short."
    return _refused(request, 404, "Not found", words)


def session_gone(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that nothing was done, because the form's token is none of this session's (settings, CSRF_FAILURE_VIEW)."""
    shown = console_page(request, "403_csrf.html", {"title": "Nothing was done"})
    shown.status_code = 403
    return shown.render()


def _needed(permission: str) -> str:
    """Return what a permission is for and which groups have it, in words; "" for what is no permission."""
    app, dot, codename = permission.rpartition(".")
    found = Permission.objects.filter(content_type__app_label=app, codename=codename).first() if dot else None
    if found is None:
        return ""
    groups = Group.objects.filter(Q(permissions=found)).order_by("name").values_list("name", flat=True)
    who = f" The groups that may: {', '.join(groups)}." if groups else " No group may."
    needed = f"Your account may not do this: it needs the permission “{found.name}”."
    return f"{needed}{who} An administrator adds you to one."


def _refused(request: HttpRequest, status: int, title: str, words: str) -> HttpResponse:
    is_known = bool(getattr(request, "user", None) and request.user.is_staff)
    frame = FRAME if is_known else WITHOUT_MENU
    shown = console_page(request, "console/refused.html", {"title": title, "words": words, "frame": frame})
    shown.status_code = status
    return shown.render()  # handlers answer what is rendered
