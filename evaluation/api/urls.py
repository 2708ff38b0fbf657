"""The evaluation's resources; orchestrator_project/api_urls.py serves them beside trading's."""

from django.urls import path

from evaluation.api.views import calibration, experiments, replays, shadows, trust

urlpatterns = [
    path("decisions/<uuid:pk>/replay", replays.ReplayDecisionView.as_view()),
    path("evaluation/calibration", calibration.CalibrationView.as_view()),
    path("evaluation/experiments", experiments.ExperimentsView.as_view()),
    path("evaluation/replays/<uuid:pk>", replays.ReplayView.as_view()),
    path("evaluation/replays/<uuid:pk>/stop", replays.StopReplayView.as_view()),
    path("evaluation/replays/<uuid:pk>/take-up", replays.TakeUpReplayView.as_view()),
    path("evaluation/shadows", shadows.ShadowsView.as_view()),
    path("evaluation/trust", trust.TrustView.as_view()),
    # A name may have a slash.
    path("evaluation/shadows/<path:strategy>", shadows.ShadowView.as_view()),
]
