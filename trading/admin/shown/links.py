"""Links to the pages of rows."""

from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def change_url(app: str, model: str, pk: object) -> str:
    """Return the address of a row's page."""
    return reverse(f"admin:{app}_{model}_change", args=[pk])


def linked(model: str, pk: UUID | str) -> SafeString:
    """Link to a row of the trading room by the end of its id, where two made in the same moment differ."""
    return format_html('<a class="tc-link" href="{}">…{}</a>', change_url("trading", model, pk), str(pk)[-8:])
