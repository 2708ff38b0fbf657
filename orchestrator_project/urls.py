"""URLs: the console, and whether the web process lives."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.generic import RedirectView

from orchestrator_project.metrics import metrics


def live(_: HttpRequest) -> JsonResponse:
    """Answer that the process serves; touches nothing else."""
    return JsonResponse({"status": "ok"})


urlpatterns = [
    path("health/live", live, name="health-live"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
]
