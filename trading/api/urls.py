"""The resources; orchestrator_project/urls.py serves them at the root and under ``/api/``."""

from django.urls import path

from trading.api.views import (
    ai_decisions,
    closing,
    control,
    cycles,
    decisions,
    guards,
    hands,
    orders,
    performance,
    records,
    sagas,
    stream,
)

urlpatterns = [
    path("ai-decisions/enriched", ai_decisions.EnrichedDecisionsView.as_view()),
    path("status", control.StatusView.as_view()),
    path("mode", control.ModeView.as_view()),
    path("kill-switch", control.KillSwitchView.as_view()),
    path("guards", guards.GuardsView.as_view()),
    path("entries/pause", guards.PauseEntriesView.as_view()),
    path("entries/resume", guards.ResumeEntriesView.as_view()),
    # A coin's symbol has a slash: /symbols/BTC/USD/lock
    path("symbols/<path:symbol>/lock", guards.LockSymbolView.as_view()),
    path("symbols/<path:symbol>/unlock", guards.UnlockSymbolView.as_view()),
    path("cycles/current", cycles.CurrentCycleView.as_view()),
    path("cycles/history", cycles.CyclesView.as_view()),
    path("cycles/start", cycles.StartCycleView.as_view()),
    path("cycles/stop", cycles.StopCycleView.as_view()),
    path("cycles/pause", cycles.PauseCycleView.as_view()),
    path("cycles/resume", cycles.ResumeCycleView.as_view()),
    path("proposals", hands.ProposeView.as_view()),
    path("reconcile", hands.ReconcileView.as_view()),
    path("sagas/active", sagas.ActiveSagasView.as_view()),
    path("sagas/<uuid:pk>", sagas.SagaView.as_view()),
    path("decisions/<uuid:pk>", decisions.DecisionView.as_view()),
    path("approvals", decisions.ApprovalsView.as_view()),
    path("approvals/<uuid:pk>/approve", decisions.ApproveView.as_view()),
    path("approvals/<uuid:pk>/reject", decisions.RejectView.as_view()),
    path("approvals/<uuid:pk>/withdraw", hands.WithdrawView.as_view()),
    path("orders", orders.OrdersView.as_view()),
    path("fills", orders.FillsView.as_view()),
    path("trades", orders.TradesView.as_view()),
    path("positions", orders.PositionsView.as_view()),
    path("positions/<path:symbol>/close", closing.CloseView.as_view()),
    path("positions/<path:symbol>/stop", closing.StopView.as_view()),
    path("equity", orders.EquityView.as_view()),
    path("performance", performance.PerformanceView.as_view()),
    path("strategies", records.StrategiesView.as_view()),
    path("strategies/<uuid:pk>/roll-back", hands.RollBackView.as_view()),
    path("risk/limits", records.LimitsView.as_view()),
    path("universe/candidates", records.CandidatesView.as_view()),
    path("model-calls", records.ModelCallsView.as_view()),
    path("events", records.EventsView.as_view()),
    path("events/stream", stream.EventStreamView.as_view()),
]

# The first words of the API's addresses, those of the rooms above included: errors at them are problems.
ROOTS = frozenset(
    {"api", "health", "openapi.json", "docs", "evaluation"}
    | {str(each.pattern).split("/")[0] for each in urlpatterns}
)
