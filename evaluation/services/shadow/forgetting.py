"""What is not kept for good of a shadow: denials, and all but the last point of days long ended."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from evaluation.models import ShadowBook, ShadowDecision

DENIALS_KEPT = timedelta(
    days=3
)  # the built-in analyst alone has some 80,000 a day denied for want of confidence
POINTS_KEPT = timedelta(days=30)
# Of each older day in New York the last point stays: by it the curve goes.
THIN_OUT = """
DELETE FROM shadow_points USING (
    SELECT id, at, lead(at) OVER (ORDER BY cycle_number) AS next_at FROM shadow_points WHERE book_id = %s
) AS point
WHERE shadow_points.id = point.id AND shadow_points.created_at < %s
    AND (point.at AT TIME ZONE 'America/New_York')::date = (point.next_at AT TIME ZONE 'America/New_York')::date
"""


def forget_old(book: ShadowBook) -> int:
    """Delete what is not kept of a book; return how many rows. What filled, waited or was given up stays."""
    now = timezone.now()
    denied = book.decisions.filter(status=ShadowDecision.Status.DENIED, created_at__lt=now - DENIALS_KEPT)
    deleted, _ = denied.delete()
    with connection.cursor() as cursor:
        cursor.execute(THIN_OUT, [book.pk, now - POINTS_KEPT])
        return deleted + int(cursor.rowcount)
