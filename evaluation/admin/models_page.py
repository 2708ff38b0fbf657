"""*Models*: what is known of each, side by side."""

from django.http import HttpRequest, HttpResponse

from evaluation.services.model_record import model_records
from trading.admin.pages import console_page, require

VIEW = "evaluation.view_run"


def models_view(request: HttpRequest) -> HttpResponse:
    """Show the table."""
    require(request, VIEW)
    return console_page(request, "evaluation/models.html", {"title": "Models", "records": model_records()})
