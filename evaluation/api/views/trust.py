"""What models' stated confidence has been worth, as the gate reads it."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evaluation.errors import NotPublishedError
from evaluation.models import CalibrationReport
from evaluation.services.calibration.publishing import PUBLISH, publish_newest
from risk.models import TrustCurve
from risk.services.trust import rows_in_force
from trading.api.idempotency import idempotent
from trading.api.problems import Problem, invalid
from trading.api.serializers import ApiSerializer, PlainDecimalField, RowSerializer, StrictSerializer
from trading.api.views.base import ApiView, columns_of
from trading.core import settings


class TrustCurveSerializer(RowSerializer):
    """A published version: `*` is any strategy, any prompt's version; `validUntil` is market time.

    `knots` are confidence, calibrated probability, its lower bound, and how many independent decisions say so.
    """

    knots = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    evidence = serializers.DictField()

    class Meta:
        model = TrustCurve
        fields = columns_of(TrustCurve)


class TrustSerializer(ApiSerializer):
    """What is done with trust, and the curves in force."""

    mode = serializers.CharField(
        help_text="`off`, `shadow` (noted with each check) or `on` (entries are shrunk)."
    )
    floor = PlainDecimalField(help_text="What is left of an entry without a record.")
    curves = TrustCurveSerializer(many=True, help_text="One of each scope: its highest version.")


class PublishSerializer(StrictSerializer):
    """Whose confidences."""

    report = serializers.UUIDField(
        help_text="A report of `GET /evaluation/calibration`: its scope is published."
    )


class TrustView(ApiView):
    """Serve the curves in force, and put one in force."""

    permissions = {"GET": "risk.view_trustcurve", "POST": PUBLISH}

    @extend_schema(summary="What stated confidence has been worth", responses=TrustSerializer)
    def get(self, request: Request) -> Response:
        """One curve of each model, answering model, strategy and prompt version; `validUntil` may be over."""
        told = {
            "mode": settings.word("trust_sizing"),
            "floor": settings.runtime_value("trust_floor"),
            "curves": rows_in_force(),
        }
        return Response(TrustSerializer(told).data)

    @extend_schema(
        summary="Publish a trust curve", request=PublishSerializer, responses={201: TrustCurveSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """The next version of the report's scope, of all its outcomes until now; valid for thirty sessions, and

        renewed as outcomes come. It can only shrink entries, and only with `trust_sizing` `on`. 409: these outcomes
        cannot carry a curve.
        """
        pk = self.read_body(PublishSerializer, request)["report"]
        report = CalibrationReport.objects.filter(pk=pk).first()
        if report is None:
            raise invalid(
                "report", f"There is no report {pk}; expected the id of one of /evaluation/calibration."
            )
        try:
            row = publish_newest(report, author=request.user.get_username())
        except NotPublishedError as error:
            raise Problem(409, f"Nothing was published: {error}.", kind="not-published") from error
        return Response(TrustCurveSerializer(row).data, status=201)
