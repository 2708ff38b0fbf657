"""What models' stated confidence has been worth, as the gate reads it."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from risk.models import TrustCurve
from risk.services.trust import rows_in_force
from trading.api.serializers import ApiSerializer, PlainDecimalField, RowSerializer
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


class TrustView(ApiView):
    """Serve the curves in force."""

    permissions = {"GET": "risk.view_trustcurve"}

    @extend_schema(summary="What stated confidence has been worth", responses=TrustSerializer)
    def get(self, request: Request) -> Response:
        """One curve of each model, answering model, strategy and prompt version; `validUntil` may be over."""
        told = {
            "mode": settings.word("trust_sizing"),
            "floor": settings.runtime_value("trust_floor"),
            "curves": rows_in_force(),
        }
        return Response(TrustSerializer(told).data)
