"""Where the agent stands, read once for a page."""

from django.http import HttpRequest

from trading.queries.overview import AgentStanding, agent_standing

VIEW = "trading.view_agentstatus"


def standing_of(request: HttpRequest) -> AgentStanding:
    """Read the standing once per request, however many parts of the page ask."""
    known: AgentStanding | None = getattr(request, "console_standing", None)
    if known is None:
        known = agent_standing(int(request.user.pk or 0))
        request.console_standing = known  # type: ignore[attr-defined]  # Django's way to keep per-request facts
    return known
