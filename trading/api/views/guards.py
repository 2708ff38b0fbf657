"""What keeps entries back: the guards, a person's pause, locks on symbols. Exits are stopped by none of them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from trading.api.idempotency import idempotent
from trading.api.problems import Problem
from trading.api.serializers import ApiSerializer, StrictCharField, StrictSerializer
from trading.api.views.base import ApiView
from trading.errors import GuardError
from trading.guards import pause, symbol_locks
from trading.models import SymbolLock
from trading.queries.guard_report import GuardReport, guard_report

VIEW, PAUSE, LOCK = "trading.view_agentstatus", "trading.set_mode", "trading.lock_symbol"


class EntriesPauseSerializer(ApiSerializer):
    """Whether a person has paused entries."""

    is_paused = serializers.BooleanField()
    since = serializers.DateTimeField(allow_null=True, help_text="Wall time.")
    author = serializers.CharField(help_text="Empty where they are not paused, as is the reason.")
    reason = serializers.CharField()


class GuardLineSerializer(ApiSerializer):
    """One thing that is blocked."""

    guard = serializers.CharField(help_text="The reason that a decision is denied with.")
    symbol = serializers.CharField(allow_blank=True, help_text="Empty: every symbol.")
    blocks = serializers.CharField(help_text="`entries`, or `the model's own sale` (the minimum hold).")
    until = serializers.DateTimeField(
        allow_null=True, help_text="Market time; null: until a person ends it, or as the detail says."
    )
    detail = serializers.CharField()


class GuardsSerializer(ApiSerializer):
    """What is blocked now, and the settings by which the guards judge."""

    entries_pause = EntriesPauseSerializer(source="pause")
    market_time = serializers.DateTimeField(allow_null=True)
    active = GuardLineSerializer(many=True, source="lines")
    settings = serializers.DictField(child=serializers.CharField(), source="values")


class PauseSerializer(StrictSerializer):
    """Why entries are paused."""

    reason = StrictCharField(max_length=500)


class ResumeSerializer(StrictSerializer):
    """Why it is taken back; may be left out."""

    reason = StrictCharField(required=False, default="", allow_blank=True, max_length=500)


class LockSerializer(StrictSerializer):
    """Why a symbol is locked, and until when."""

    reason = StrictCharField(max_length=500)
    until = serializers.DateTimeField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Market time; left out: until it is unlocked.",
    )


class SymbolLockSerializer(ApiSerializer):
    """How a symbol stands after locking or unlocking."""

    symbol = serializers.CharField()
    is_locked = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    author = serializers.CharField(allow_blank=True)
    until = serializers.DateTimeField(allow_null=True)


class GuardsView(ApiView):
    """Say what is blocked."""

    permissions = {"GET": VIEW}

    @extend_schema(summary="What is blocked now, by which guard, until when", responses=GuardsSerializer)
    def get(self, request: Request) -> Response:
        """Guards stop entries; the minimum hold alone stops a model's own sale of what was just bought."""
        report: GuardReport = guard_report()
        return Response(GuardsSerializer(report).data)


class PauseEntriesView(ApiView):
    """Pause entries."""

    permissions = {"POST": PAUSE}

    @extend_schema(summary="Pause entries", request=PauseSerializer, responses={200: EntriesPauseSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        """Nothing is opened until they are resumed, exits go on. Paused already: the first pause stays as it is."""
        asked = self.read_body(PauseSerializer, request)
        said = pause.pause_entries(actor=request.user.get_username(), reason=asked["reason"])
        return Response(EntriesPauseSerializer(said).data)


class ResumeEntriesView(ApiView):
    """Resume entries."""

    permissions = {"POST": PAUSE}

    @extend_schema(
        summary="Let entries pass again", request=ResumeSerializer, responses={200: EntriesPauseSerializer}
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """The gate judges them again from the next decision on."""
        asked = self.read_body(ResumeSerializer, request)
        said = pause.resume_entries(actor=request.user.get_username(), reason=asked["reason"])
        return Response(EntriesPauseSerializer(said).data)


class LockSymbolView(ApiView):
    """Lock a symbol against entries."""

    permissions = {"POST": LOCK}

    @extend_schema(
        summary="Lock a symbol against entries", request=LockSerializer, responses={200: SymbolLockSerializer}
    )
    @idempotent
    def post(self, request: Request, symbol: str) -> Response:
        """Replaces the lock that it has. 400: no such symbol, or an end that is past in the market's time."""
        asked = self.read_body(LockSerializer, request)
        try:
            lock = symbol_locks.lock_symbol(symbol=symbol, actor=request.user.get_username(), **asked)
        except GuardError as error:
            raise _refused(error) from error
        return Response(SymbolLockSerializer(_locked(lock)).data)


class UnlockSymbolView(ApiView):
    """Unlock a symbol."""

    permissions = {"POST": LOCK}

    @extend_schema(summary="Unlock a symbol", request=ResumeSerializer, responses={200: SymbolLockSerializer})
    @idempotent
    def post(self, request: Request, symbol: str) -> Response:
        """A symbol that is not locked stays as it is."""
        asked = self.read_body(ResumeSerializer, request)
        symbol_locks.unlock_symbol(symbol=symbol, actor=request.user.get_username(), **asked)
        unlocked = {"symbol": symbol, "is_locked": False, "reason": "", "author": "", "until": None}
        return Response(SymbolLockSerializer(unlocked).data)


def _locked(lock: SymbolLock) -> dict[str, Any]:
    named = ("symbol", "reason", "author", "until")
    return {"is_locked": True, **{name: getattr(lock, name) for name in named}}


def _refused(error: GuardError) -> Problem:
    field, _, expected = str(error).partition(": ")
    where = "path" if field == "symbol" else "body"
    return Problem(400, str(error), errors=[{"field": field, "in": where, "expected": expected}])
