"""URLs: the console, the API at the root and under ``/api/``, its document, and whether the process lives."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from trading.api import problems


def live(_: HttpRequest) -> JsonResponse:
    """Answer that the process serves; touches nothing else."""
    return JsonResponse({"status": "ok"})


urlpatterns = [
    path("health/live", live, name="health-live"),
    path("admin/", admin.site.urls),
    path("api/", include("trading.api.urls")),
    re_path(r"^api(?:/.*)?$", problems.not_found),
    path("", include("trading.api.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]

handler400 = problems.bad_request
handler403 = problems.forbidden
handler404 = problems.not_found
handler500 = problems.broken
