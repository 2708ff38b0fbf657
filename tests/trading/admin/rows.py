"""One real row of every model that the console has a page of: a page that is new here needs its line."""

from collections.abc import Callable, Mapping
from datetime import date

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from ai.models import ModelCapability, ModelCutoff, ModelPrice
from evaluation.models import ShadowBook, ShadowDecision, ShadowFill
from risk.models import RiskLimits
from tests import factories as make
from tests.evaluation.services.agents import make_outcome, make_report
from tests.evaluation.services.shadow.scenes import traded_shadow
from trading.access.api_tokens import issue_token
from trading.analysis.sealed_facts import sealed
from trading.core.settings import CYCLE_SCHEDULE
from trading.models import (
    AgentStatus,
    BarHistory,
    HandledEvent,
    NoticeTopic,
    RuntimeSetting,
    StrategyVersion,
)


def _stored(row: Model) -> Model:
    row.save()
    return row


def _of_a_shadow(model: type[Model]) -> Model:
    if not ShadowBook.objects.exists():
        traded_shadow()
    return model._default_manager.get()


ROWS: Mapping[str, Callable[[], Model]] = {
    "ai.modelcall": lambda: make.make_model_call(),
    "ai.modelcapability": lambda: ModelCapability.objects.create(model="openai/gpt-4o-mini"),
    "ai.modelcutoff": lambda: ModelCutoff.objects.create(
        pattern="openai/gpt-4o-mini*", trained_until=date(2023, 10, 1), source="the provider's page"
    ),
    "ai.modelprice": lambda: ModelPrice.objects.create(
        model="openai/gpt-4o-mini", input_usd_per_million=1, output_usd_per_million=2
    ),
    "auth.group": lambda: Group.objects.get(name="viewer"),
    "auth.user": lambda: User.objects.get(username="admin"),
    "django_celery_beat.crontabschedule": lambda: CrontabSchedule.objects.create(minute="5"),
    "django_celery_beat.intervalschedule": lambda: IntervalSchedule.objects.create(every=7, period="hours"),
    "django_celery_beat.periodictask": lambda: PeriodicTask.objects.get(name=CYCLE_SCHEDULE),
    "evaluation.calibrationreport": lambda: make_report(),
    "evaluation.outcome": lambda: make_outcome(),
    "evaluation.run": lambda: make.make_replay_item().run,
    "evaluation.shadowbook": lambda: _of_a_shadow(ShadowBook),
    "evaluation.shadowdecision": lambda: _of_a_shadow(ShadowDecision),
    "evaluation.shadowfill": lambda: _of_a_shadow(ShadowFill),
    "risk.killswitch": lambda: make.make_engagement(),
    "risk.riskcheck": lambda: make.make_risk_check(),
    "risk.risklimits": lambda: RiskLimits.objects.latest("version"),
    "risk.riskreservation": lambda: make.make_reservation(),
    "risk.trustcurve": lambda: make.make_trust_curve(),
    "trading.accountactivity": lambda: make.make_activity(),
    "trading.agentstatus": lambda: AgentStatus.objects.get(pk=1),
    "trading.aidecision": lambda: make.make_decision(status="stored"),
    "trading.apitoken": lambda: issue_token(user=User.objects.get(username="admin")).row,
    "trading.approval": lambda: make.make_approval(decision=make.make_decision(status="awaiting_approval")),
    "trading.asset": lambda: make.make_asset("TSLA"),
    "trading.barhistory": lambda: BarHistory.objects.create(
        symbol="TSLA", market_date=timezone.now().date(), fetched_at=timezone.now()
    ),
    "trading.cycle": lambda: make.make_cycle(),
    "trading.decisionrecord": lambda: _stored(sealed({})),
    "trading.equitysnapshot": lambda: make.make_equity(),
    "trading.event": lambda: make.make_event(),
    "trading.fill": lambda: make.make_fill(),
    "trading.handledevent": lambda: HandledEvent.objects.create(
        consumer="test", source="urn:x", event_id="1"
    ),
    "trading.heartbeat": lambda: make.make_heartbeat(),
    "trading.marketsnapshot": lambda: make.make_snapshot(),
    "trading.noticemessage": lambda: make.make_notice(),
    "trading.noticetopic": lambda: NoticeTopic.objects.create(topic="approvals"),
    "trading.order": lambda: make.make_order(),
    "trading.parkedevent": lambda: make.make_parked_event(),
    "trading.position": lambda: make.make_position("TSLA"),
    "trading.runtimesetting": lambda: RuntimeSetting.objects.get(pk="price_max_age"),
    "trading.saga": lambda: make.make_saga(),
    "trading.strategy": lambda: make.make_strategy(),
    "trading.strategyversion": lambda: StrategyVersion.objects.create(
        strategy=make.make_strategy(), version=7, content={}, author="ann"
    ),
    "trading.symbollock": lambda: make.make_symbol_lock(),
    "trading.lot": lambda: make.make_lot(),
    "trading.roundtrip": lambda: make.make_round_trip(),
    "trading.thesis": lambda: make.make_thesis(),
    "trading.trade": lambda: make.make_trade(),
    "trading.tradeproposal": lambda: make.make_proposal(),
    "trading.universecandidate": lambda: make.make_candidate(symbol="TSLA"),
}
