"""What the OpenAPI document describes: the resources, and the health of the processes."""

from django.urls import include, path

from orchestrator_project import health

urlpatterns = [
    path("health/live", health.LiveView.as_view(), name="health-live"),
    path("health/ready", health.ReadyView.as_view()),
    path("health/startup", health.StartupView.as_view()),
    path("", include("trading.api.urls")),
    path("", include("evaluation.api.urls")),
]
