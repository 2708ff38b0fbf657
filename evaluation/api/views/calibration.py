"""Is what was stated true: the newest report of each scope."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ai.domain.text import LONGEST_MODEL_NAME
from evaluation.api.calibration_reports import CalibrationReportSerializer
from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.models import CalibrationReport
from evaluation.services.calibration.reading import newest
from trading.api.schema import page_of
from trading.api.serializers import ListQuery
from trading.api.views.base import ListView
from trading.models import Strategy
from trading.queries.reading.keyset import ListOrder


class CalibrationQuery(ListQuery):
    """Whose reports, each optional."""

    model = serializers.CharField(
        required=False, max_length=LONGEST_MODEL_NAME, help_text="As it is asked for, or as it answers."
    )
    strategy = serializers.CharField(
        required=False, max_length=80, help_text="A strategy's name; left out: of any strategy."
    )
    label = serializers.ChoiceField(list(LabelSpec), required=False)  # type: ignore[assignment]  # the base has an attribute of this name
    window = serializers.ChoiceField(list(Window), required=False)

    def validate_strategy(self, name: str) -> Strategy:
        """Return the strategy of a name.

        Raises:
            ValidationError: there is none.
        """
        found = Strategy.objects.filter(name=name).first()
        if found is None:
            raise serializers.ValidationError("There is no such strategy; expected the name of one.")
        return found


class CalibrationView(ListView):
    """Serve the reports."""

    permissions = {"GET": "evaluation.view_calibrationreport"}
    queries = {"GET": CalibrationQuery}
    row_serializer = CalibrationReportSerializer
    order = ListOrder(("created_at", "id"))

    def rows(self, filters: Mapping[str, Any]) -> QuerySet[CalibrationReport]:
        """Return the newest report of each scope that is asked for."""
        found = newest()
        if model := filters.get("model"):
            found = found.filter(Q(model=model) | Q(answered_model=model))
        if strategy := filters.get("strategy"):
            found = found.filter(strategy_id=strategy.pk)
        if label := filters.get("label"):
            found = found.filter(label_spec=label)
        if window := filters.get("window"):
            found = found.filter(window=window)
        return found

    @extend_schema(
        summary="Whether stated confidences are true, and worth anything",
        responses=page_of(CalibrationReportSerializer),
    )
    def get(self, request: Request) -> Response:
        """The newest report of each model, strategy, prompt version, label and window; made once a day, and by

        `manage.py calibrate`. Every figure has its interval, n, effective n and window, or the reason why it is null.
        """
        return self.page()
