"""``Authorization: Token …``."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from trading.access.api_callers import user_of_token
from trading.access.login_limits import seconds_after_wrong_token


class TokenOfUser(TokenAuthentication):
    """DRF's, with the look-up of a service."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        """Return the user and the token, None where none was sent.

        Raises:
            AuthenticationFailed: 401.
            Throttled: 429, too many wrong ones came from the address; right ones go on to work.
        """
        try:
            found: tuple[User, Any] | None = super().authenticate(request)
        except AuthenticationFailed:
            wait = seconds_after_wrong_token(request.META.get("REMOTE_ADDR") or "")
            if wait:
                raise Throttled(wait, "Too many wrong tokens came from your address.") from None
            raise
        return found

    def authenticate_credentials(self, key: str) -> tuple[User, Any]:
        """Return the user and the token.

        Raises:
            AuthenticationFailed: 401.
        """
        user = user_of_token(key) if key.isalnum() else None
        if user is None or not user.is_active:
            raise AuthenticationFailed("The token is not one of ours, or its user may no longer log in.")
        return user, key
