"""The resources; orchestrator_project/urls.py serves them at the root and under ``/api/``."""

from django.urls import path

from trading.api.views import ai_decisions, orders

urlpatterns = [
    path("ai-decisions/enriched", ai_decisions.EnrichedDecisionsView.as_view()),
    path("orders", orders.OrdersView.as_view()),
]

# The first words of the API's addresses: errors at them are problems, whoever finds them.
ROOTS = frozenset(
    {"api", "health", "openapi.json", "docs"} | {str(each.pattern).split("/")[0] for each in urlpatterns}
)
