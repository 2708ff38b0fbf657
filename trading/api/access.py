"""Who may do what: the permissions of the console, by method."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from trading.services.callers import may

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module through its settings

ALWAYS_ANSWERED = ("OPTIONS",)


class HasPermission(BasePermission):
    """Holds a view's ``permissions``: a method without one is nobody's."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether the user's groups allow the method; 401 is said before where nobody logged in."""
        user = request.user
        if not user or not user.is_authenticated:
            return False
        allowed: Mapping[str, str] = getattr(view, "permissions", {})
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method not in allowed:
            return method not in view.allowed_methods or method in ALWAYS_ANSWERED
        return may(user, allowed[method])
