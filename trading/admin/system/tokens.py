"""API tokens: whose they are and until when; never their text, which is stored nowhere."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from trading.access.api_tokens import revoke_token
from trading.admin.base import RecordAdmin, labelled
from trading.models import ApiToken


@admin.register(ApiToken)
class ApiTokenAdmin(RecordAdmin):
    """``manage.py api_token`` makes them."""

    list_display = ["prefix", "user", "state", "created_at", "expires_at", "last_used_at", "revoked_by"]
    list_select_related = ["user"]
    search_fields = ["prefix", "user__username"]
    exclude = ["digest"]
    actions = ["revoke_selected"]

    @labelled(
        description="state", colours={"in force": "success", "expired": "default", "revoked": "default"}
    )
    def state(self, token: ApiToken) -> str:
        """Show whether it still opens anything."""
        if token.revoked_at:
            return "revoked"
        return "expired" if token.expires_at and token.expires_at <= timezone.now() else "in force"

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether the user may end other people's tokens."""
        return request.user.has_perm("trading.revoke_apitoken")

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: "QuerySet[ApiToken]") -> None:
        """End them at once."""
        revoked = [
            token for token in queryset if revoke_token(token=token, actor=request.user.get_username())
        ]
        for token in revoked:
            self.log_change(request, token, "Revoked.")
        messages.success(
            request, f"Revoked: {', '.join(map(str, revoked)) or 'none, they had ended before'}."
        )
