"""How a calibration report is shown: what ``manage.py calibrate --json`` prints, described."""

from typing import Any

from rest_framework import serializers

from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.domain.verdict import Confidence, Standing
from evaluation.models import CalibrationReport
from evaluation.services.calibration.rendering import report_json
from trading.api.serializers import ApiSerializer


class EstimateFigureSerializer(ApiSerializer):
    """An estimate with its 95 % interval, n, effective n and window; null with the reason where it is not known."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    n_effective = serializers.FloatField()
    window = serializers.ChoiceField(list(Window))
    reason = serializers.CharField(required=False)


class VerdictSerializer(ApiSerializer):
    """What may be said by fixed rules; `earliest`: the session from which on, `sessionsUntilTold`: in how many."""

    standing = serializers.ChoiceField(list(Standing))
    sentence = serializers.CharField()
    sessions_until_told = serializers.IntegerField(allow_null=True)
    earliest = serializers.DateField(allow_null=True)
    confidence = serializers.ChoiceField(list(Confidence))


class BinSerializer(ApiSerializer):
    """Decisions of like confidence: what was stated and observed, with the 95 % interval of the latter."""

    count = serializers.IntegerField()
    stated = serializers.FloatField()
    observed = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class CurvePointSerializer(ApiSerializer):
    """A step of the reliability curve, and the band in which it lies in 90 % where what was stated is true."""

    confidence = serializers.FloatField()
    calibrated = serializers.FloatField()
    band_low = serializers.FloatField()
    band_high = serializers.FloatField()
    count = serializers.IntegerField()


class RecalibrationSerializer(ApiSerializer):
    """The map that did best forward in time: `points` are stated and mended, `tried` methods and their log loss."""

    method = serializers.CharField()
    gain = serializers.FloatField()
    tried = serializers.ListField(child=serializers.ListField())
    points = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))


class CoverageSerializer(ApiSerializer):
    """What only the decisions stated at `threshold` or more would have been."""

    threshold = serializers.FloatField()
    coverage = serializers.FloatField()
    wrong = EstimateFigureSerializer()


class RefusalSerializer(ApiSerializer):
    """The mean gain of what was denied for one reason."""

    reason = serializers.CharField()
    gain = EstimateFigureSerializer()


class RefusalsSerializer(ApiSerializer):
    """What the gate's refusals were worth: mean gain of purchases it let through, and of those it denied."""

    passed = EstimateFigureSerializer()
    denied = EstimateFigureSerializer()
    difference = EstimateFigureSerializer()
    by_reason = RefusalSerializer(many=True)


class CalibrationReportSerializer(ApiSerializer):
    """The report of one scope; docs/metrics.md ("Figures of decisions") has the formulas of its figures by name."""

    id = serializers.UUIDField()
    model = serializers.CharField()
    answered_model = serializers.CharField(allow_blank=True)
    strategy_id = serializers.UUIDField(allow_null=True)
    strategy = serializers.CharField(allow_blank=True)
    prompt_version = serializers.CharField(help_text="`*`: any.")
    label = serializers.ChoiceField(list(LabelSpec))  # type: ignore[assignment]  # the base has an attribute of this name
    window = serializers.ChoiceField(list(Window))
    first_session = serializers.DateField()
    last_session = serializers.DateField()
    sessions = serializers.IntegerField()
    decisions = serializers.IntegerField()
    verdict = VerdictSerializer()
    figures = serializers.DictField(child=EstimateFigureSerializer())
    newey_west_t = serializers.FloatField(allow_null=True)
    bins = BinSerializer(many=True)
    curve = CurvePointSerializer(many=True)
    recalibration = RecalibrationSerializer()
    coverage_risk = CoverageSerializer(many=True)
    by_action = serializers.DictField(child=serializers.DictField(child=EstimateFigureSerializer()))
    missed = EstimateFigureSerializer()
    refusals = RefusalsSerializer()
    unresolvable = serializers.DictField(child=serializers.IntegerField())
    waiting = serializers.IntegerField(help_text="Decisions whose outcome is still to come.")
    next_at = serializers.DateTimeField(allow_null=True, help_text="Market time of the next of them.")
    created_at = serializers.DateTimeField()

    def to_representation(self, report: CalibrationReport) -> dict[str, Any]:
        """Return what the command prints: one form for both."""
        return report_json(report, report.strategy_name)  # type: ignore[attr-defined]  # newest() brings it
