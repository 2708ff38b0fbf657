"""The trading room's tables."""

from trading.models.control import AgentStatus, Approval, Heartbeat, Mode, RuntimeSetting
from trading.models.cycle import Cycle
from trading.models.decision import AIDecision
from trading.models.event import Event
from trading.models.market import (
    Asset,
    BarHistory,
    MarketSnapshot,
    Strategy,
    SymbolLook,
    UniverseCandidate,
)
from trading.models.metric import MetricTotals
from trading.models.order import Fill, Order, Trade
from trading.models.portfolio import EquitySnapshot, Position
from trading.models.record import DecisionRecord, StrategyVersion
from trading.models.saga import Saga, SagaStep

__all__ = [
    "AIDecision",
    "AgentStatus",
    "Approval",
    "Asset",
    "BarHistory",
    "Cycle",
    "DecisionRecord",
    "EquitySnapshot",
    "Event",
    "Fill",
    "Heartbeat",
    "MarketSnapshot",
    "MetricTotals",
    "Mode",
    "Order",
    "Position",
    "RuntimeSetting",
    "Saga",
    "SagaStep",
    "Strategy",
    "StrategyVersion",
    "SymbolLook",
    "Trade",
    "UniverseCandidate",
]
