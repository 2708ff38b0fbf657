"""Pages of the console that are no table: one form, its confirmation, one service behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanWidget

NEXT = "next"


@dataclass(frozen=True, slots=True)
class FormPage:
    """What a form page says: ``effects`` is what pressing the button does, a line each.

    ``link`` leads to another act of the same kind: its words and its address. ``detail`` stands above the form.
    """

    title: str
    effects: tuple[str, ...]
    button: str
    back_url: str
    is_dangerous: bool = False
    link: tuple[str, str] | None = None
    detail: str = ""


def reason_field(label: str | None = None) -> forms.CharField:
    """Return the field that asks why something is done."""
    return forms.CharField(
        label=label,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        error_messages={"required": "reason: was empty, expected why, in at most 500 characters"},
    )


class ReasonForm(forms.Form):
    """Why; stored with the act and its author."""

    reason = reason_field()


class ConfirmForm(forms.Form):
    """A box to tick before something that cannot be taken back."""

    confirmed = forms.BooleanField(
        label="I want this",
        widget=UnfoldBooleanWidget,
        error_messages={"required": "Tick “I want this” to confirm; nothing was done."},
    )


def require(request: HttpRequest, permission: str) -> None:
    """Stop here unless the user holds the permission.

    Raises:
        PermissionDenied: they do not.
    """
    if not request.user.has_perm(permission):
        raise PermissionDenied(permission)  # refused.py says it in words


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what a form is bound to: the body of a POST, however empty; None to show it fresh."""
    return request.POST if request.method == "POST" else None


def nothing_sent(request: HttpRequest, url: str) -> HttpResponse:
    """Lead on whoever comes to an address that only takes answers, as after a login in between."""
    messages.warning(request, "Nothing was done: the answer did not arrive. Give it again here.")
    return redirect(url)


def and_back(request: HttpRequest, url: str, **asked: str) -> str:
    """Return the address of a form that leads back to this page once it is sent; ``asked`` is filled in there."""
    return f"{url}?{urlencode({**asked, NEXT: request.get_full_path()})}"


def came_from(request: HttpRequest, default: str) -> str:
    """Return the page of this site that led here, which the address names; ``default`` where it names none."""
    wanted = request.GET.get(NEXT, "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else default


def add_problem(form: forms.Form, problem: object, *, field: str | None = None) -> None:
    """Say at a form's field what a service refused; at the form where the words begin with no field of it."""
    named = field or str(problem).partition(":")[0]
    form.add_error(named if named in form.fields else None, str(problem))


def form_page(request: HttpRequest, *, form: forms.Form, page: FormPage) -> TemplateResponse:
    """Render the form."""
    return console_page(request, "console/form_page.html", {"title": page.title, "page": page, "form": form})


def console_page(request: HttpRequest, template: str, context: Mapping[str, Any]) -> TemplateResponse:
    """Render a template inside the console."""
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})
