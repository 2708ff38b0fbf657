"""Operators and their groups in the console's style."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

for plain in (User, Group):
    admin.site.unregister(plain)


class NewUserForm(UserCreationForm):  # type: ignore[misc]  # unfold has no type hints
    """A name, a password and the group: what somebody needs to work in the console."""

    group = forms.ModelChoiceField(
        Group.objects.order_by("name"),
        widget=UnfoldAdminSelectWidget,
        help_text="A viewer looks, an operator acts and answers, a risk officer sets limits and releases the switch.",
        error_messages={"required": "group: was not chosen, expected one: without it nothing can be seen"},
    )


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # unfold has no type hints
    """Who may enter the console; rights come from groups."""

    form = UserChangeForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "is_active", "is_superuser", "last_login"]
    add_fieldsets = ((None, {"fields": ("username", "group", "usable_password", "password1", "password2")}),)
    fieldsets = (
        (None, {"fields": ("username", "password", "groups", "is_active", "is_staff", "is_superuser")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "last_login", "date_joined")}),
        (
            "Single permissions, beside the groups'",
            {"fields": ("user_permissions",), "classes": ("collapse",)},
        ),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Let a new user log in to the console: that is what they are made for."""
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Put a new user into the group that was chosen."""
        super().save_related(request, form, formsets, change)
        if not change:
            form.instance.groups.add(form.cleaned_data["group"])


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Viewer, operator, risk officer, and what else is needed."""
