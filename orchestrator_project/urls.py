"""URLs: the console, the API at the root and under ``/api/``, its document and a page to read it."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView

from orchestrator_project.console_health import health_view
from orchestrator_project.observability.metrics import metrics
from orchestrator_project.web.openapi import DocsView, DocumentView
from trading.access.approval_links import PATH
from trading.admin.frame import refused
from trading.admin.frame.find import find_view
from trading.admin.frame.zone import zone_view
from trading.admin.hands.linked import linked_view
from trading.admin.taking_away import list_as_csv
from trading.api import error_pages

admin.autodiscover()

api: list[URLPattern | URLResolver] = [
    path("openapi.json", DocumentView.as_view(), name="openapi"),
    path("docs", DocsView.as_view(), name="docs"),
    path("", include("orchestrator_project.api_urls")),
]
urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("admin/health/", admin.site.admin_view(health_view), name="console_health"),
    path("admin/time-zone/", admin.site.admin_view(zone_view), name="console_zone"),
    path("admin/find/", admin.site.admin_view(find_view), name="console_find"),
    path("admin/<str:app>/<str:model>/csv/", admin.site.admin_view(list_as_csv), name="list_csv"),
    path(f"{PATH}<str:token>/", linked_view, name="approval_link"),
    path("admin/", admin.site.urls),
    path("api/", include(api)),
    # Without CSRF protection, which would answer with a page: there is nothing here to protect.
    re_path(r"^api(?:/.*)?$", csrf_exempt(error_pages.not_found)),
    path("", include(api)),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path(
        "favicon.ico", RedirectView.as_view(url=static("console/favicon.svg"))
    ),  # asked for beside every page
]


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what nobody may do: a problem at the addresses of the API, a page elsewhere."""
    at_api = error_pages.is_rest(request.path_info)
    return error_pages.forbidden(request) if at_api else refused.not_permitted(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that no view has, likewise."""
    at_api = error_pages.is_rest(request.path_info)
    return error_pages.not_found(request) if at_api else refused.not_there(request, exception)


handler400 = error_pages.bad_request
handler403 = forbidden
handler404 = not_found
handler500 = error_pages.broken
