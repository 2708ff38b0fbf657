"""Who may do what: the permissions of the console, by method."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from trading.access.api_callers import may

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module through its settings


class HasPermission(BasePermission):
    """Holds a view's ``permissions``: one by method, or several of which one is enough."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether the user's groups allow the method; 401 is said before where nobody logged in."""
        user = request.user
        if not user or not user.is_authenticated:
            return False
        method = "GET" if request.method == "HEAD" else str(request.method)
        if not hasattr(view, method.lower()):
            return True  # 405 says more
        allowed: Mapping[str, str | tuple[str, ...]] = getattr(view, "permissions", {})
        names = allowed.get(method, ())
        return any(may(user, name) for name in ([names] if isinstance(names, str) else names))
