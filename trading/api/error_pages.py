"""What is answered where no view was reached: problems at the addresses of the API (orchestrator_project/urls.py)."""

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views import defaults
from rest_framework import status

from trading.api.problems import MEDIA_TYPE, problem_body
from trading.api.urls import ROOTS


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refused before any view."""
    if is_rest(request.path_info):
        return _problem(status.HTTP_400_BAD_REQUEST, "The request was refused before it was looked at.")
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest) -> HttpResponse:
    """Answer what nobody may do at an address of the API."""
    return _problem(status.HTTP_403_FORBIDDEN, "It is not allowed.")


def not_found(request: HttpRequest) -> HttpResponse:
    """Answer an address of the API that no view has."""
    return _problem(status.HTTP_404_NOT_FOUND, f"There is nothing at {request.path}.")


def broken(request: HttpRequest) -> HttpResponse:
    """Answer what no view caught."""
    if is_rest(request.path_info):
        return _problem(status.HTTP_500_INTERNAL_SERVER_ERROR, "It was logged.")
    return defaults.server_error(request)


def is_rest(path: str) -> bool:
    """Return whether an address belongs to the API, although no view of it was reached."""
    return path.strip("/").split("/")[0] in ROOTS


def _problem(status_code: int, detail: str) -> HttpResponse:
    body = orjson.dumps(problem_body(status_code, detail))
    response = HttpResponse(body, status=status_code, content_type=MEDIA_TYPE)
    patch_vary_headers(response, ["Accept"])
    return response
