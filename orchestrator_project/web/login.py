"""The console's login, which does not let anybody guess. Not in trading.admin, which needs the site that reads this."""

from typing import Any

from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from trading.access.login_limits import (
    by_address,
    by_user,
    count_wrong_password,
    forget_wrong_passwords,
    seconds_paused,
)

LIFT = "manage.py lift_login_pauses"


class LoginForm(AuthenticationForm):  # type: ignore[misc]  # unfold has no type hints
    """Asks for the pause before the password is looked at, which takes most of a second of a core."""

    def clean(self) -> dict[str, Any]:
        """Check name and password.

        Raises:
            ValidationError: they are wrong, or there were too many wrong ones before.
        """
        name = self.cleaned_data.get("username")
        if not name or not self.cleaned_data.get("password"):
            return dict(super().clean())
        address = (self.request.META.get("REMOTE_ADDR") or "") if self.request else ""
        guessers = by_user(name), by_address(address)
        paused = seconds_paused(*guessers)
        if paused:
            raise _too_many(paused)
        try:
            cleaned = dict(super().clean())
        except ValidationError:
            paused = count_wrong_password(*guessers)
            if paused:
                raise _too_many(paused) from None
            raise
        forget_wrong_passwords(guessers[0])
        return cleaned


def _too_many(seconds: int) -> ValidationError:
    wait = f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} minutes"
    return ValidationError(
        f"Too many wrong passwords: for {wait} nobody is let in with this name, or from this address, whatever the"
        f" password. Each further wrong one doubles the pause. `{LIFT}` on the machine ends it; tokens and the"
        " command line work meanwhile.",
        code="paused",
    )
