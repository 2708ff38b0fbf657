"""``Authorization: Token …``."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from trading.services.callers import user_of_token


class TokenOfUser(TokenAuthentication):
    """DRF's, with the look-up of a service."""

    def authenticate_credentials(self, key: str) -> tuple[User, Any]:
        """Return the user and the token.

        Raises:
            AuthenticationFailed: 401.
        """
        user = user_of_token(key) if key.isalnum() else None
        if user is None or not user.is_active:
            raise AuthenticationFailed("The token is not one of ours, or its user may no longer log in.")
        return user, key
