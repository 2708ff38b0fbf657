"""What a person was told by APPRISE_URLS, what waits, and what could not be told."""

from django.contrib import admin

from trading.admin.base import GrowingRecordAdmin, RecordAdmin, status_label
from trading.models import NoticeMessage, NoticeTopic


@admin.register(NoticeMessage)
class NoticeMessageAdmin(GrowingRecordAdmin):
    """Messages, as they were sent."""

    list_display = ["made_at", status_label, "title", "severity", "attempts", "error", "ended_at"]
    list_filter = ["status", "topic"]
    uuid_search = ("id",)
    ordering = ["-made_at"]


@admin.register(NoticeTopic)
class NoticeTopicAdmin(RecordAdmin):
    """What is gathered and not told yet, by topic."""

    list_display = ["topic", "count", "since", "due_at", "told_at", "in_trouble"]
