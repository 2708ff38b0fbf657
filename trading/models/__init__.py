"""The trading room's tables."""

from trading.models.api_token import ApiToken
from trading.models.control import AgentStatus, Approval, Heartbeat, Mode, RuntimeSetting
from trading.models.cycle import Cycle
from trading.models.decision import AIDecision, StageChange
from trading.models.event import Event
from trading.models.follow_up import SwitchFollowUp
from trading.models.guard import SymbolLock
from trading.models.lots import AccountActivity, BookCheck, CashLine, Lot, RoundTrip, SymbolBook
from trading.models.market import (
    Asset,
    BarHistory,
    MarketSnapshot,
    Strategy,
    SymbolLook,
    UniverseCandidate,
)
from trading.models.metric import MetricTotals
from trading.models.notice import NoticeMessage, NoticeTopic
from trading.models.order import Fill, Order, Trade
from trading.models.portfolio import EquitySnapshot, Position, SetAsideRow
from trading.models.record import DecisionRecord, StrategyVersion
from trading.models.request_key import RequestKey, UsedLink
from trading.models.saga import Saga, SagaStep
from trading.models.subscription import HandledEvent, ParkedEvent, TradeProposal
from trading.models.thesis import Thesis
from trading.models.visit import ConsolePreference, ConsoleVisit

__all__ = [
    "AIDecision",
    "AccountActivity",
    "AgentStatus",
    "ApiToken",
    "Approval",
    "Asset",
    "BarHistory",
    "BookCheck",
    "CashLine",
    "ConsolePreference",
    "ConsoleVisit",
    "Cycle",
    "DecisionRecord",
    "EquitySnapshot",
    "Event",
    "Fill",
    "HandledEvent",
    "Heartbeat",
    "Lot",
    "MarketSnapshot",
    "MetricTotals",
    "Mode",
    "NoticeMessage",
    "NoticeTopic",
    "Order",
    "ParkedEvent",
    "Position",
    "RequestKey",
    "RoundTrip",
    "RuntimeSetting",
    "Saga",
    "SagaStep",
    "SetAsideRow",
    "StageChange",
    "Strategy",
    "StrategyVersion",
    "SwitchFollowUp",
    "SymbolBook",
    "SymbolLock",
    "SymbolLook",
    "Thesis",
    "Trade",
    "TradeProposal",
    "UniverseCandidate",
    "UsedLink",
]
