"""The page that the OpenAPI document shows as an example."""

from typing import Any

_AT = "2026-11-26T14:00:0{}Z"
_DECISION = "01939b3e-5a00-7c31-8d5e-0a4f5b7c1d2e"
PAGE: dict[str, Any] = {
    "results": [
        {
            "decision": {
                "id": _DECISION,
                "cycleId": "01939b3e-4f00-7a10-9b1c-2d3e4f5a6b7c",
                "strategyId": "01939b00-0000-7f00-8000-000000000001",
                "strategyName": "Balanced momentum",
                "strategyVersion": 3,
                "symbol": "AAPL",
                "action": "buy",
                "confidence": "0.82",
                "reasoning": "Rising trend, RSI 48.",
                "model": "builtin/technical-v1",
                "price": "228.4",
                "priceWarning": "",
                "status": "executed",
                "reason": "",
                "reasonDetail": "",
                "approved": False,
                "createdAt": _AT.format(0),
                "settledAt": _AT.format(4),
            },
            "linkedOrder": {
                "id": "01939b3e-5b00-7c31-8d5e-0a4f5b7c1d2f",
                "clientOrderId": f"{_DECISION}-entry-0",
                "brokerOrderId": "b1946ac9-2492-4d23-8f3b-1c5a0c6c0f5e",
                "symbol": "AAPL",
                "side": "buy",
                "purpose": "entry",
                "quantity": "13.135",
                "referencePrice": "228.4",
                "timeInForce": "day",
                "status": "filled",
                "filledQuantity": "13.135",
                "averagePrice": "228.42",
                "brokerMessage": "",
                "createdAt": _AT.format(1),
                "submittedAt": _AT.format(1),
                "acknowledgedAt": _AT.format(2),
                "endedAt": _AT.format(3),
            },
            "linkedTrade": {
                "id": "01939b3e-5c00-7c31-8d5e-0a4f5b7c1d30",
                "symbol": "AAPL",
                "side": "buy",
                "quantity": "13.135",
                "price": "228.42",
                "realisedPnl": None,
                "tradedAt": _AT.format(3),
            },
            "linkedPosition": {
                "symbol": "AAPL",
                "quantity": "13.135",
                "averageEntryPrice": "228.42",
                "marketValue": "3001.6102",
                "unrealisedPnl": "1.3135",
                "openedAt": _AT.format(3),
                "source": "broker_live",
                "fetchedAt": _AT.format(4),
                "isStale": False,
            },
            "timeline": [
                {
                    "stage": "decision",
                    "status": "completed",
                    "timestamp": _AT.format(0),
                    "details": {"action": "buy", "confidence": "0.82", "price": "228.4"},
                },
                {
                    "stage": "risk_gate",
                    "status": "completed",
                    "timestamp": _AT.format(1),
                    "details": {"quantity": "13.135", "notional": "3000.034"},
                },
                {
                    "stage": "order",
                    "status": "completed",
                    "timestamp": _AT.format(2),
                    "details": {"status": "filled", "side": "buy", "quantity": "13.135"},
                },
                {
                    "stage": "fill",
                    "status": "completed",
                    "timestamp": _AT.format(3),
                    "details": {"filledQuantity": "13.135", "filledPercent": "100", "averagePrice": "228.42"},
                },
                {"stage": "position", "status": "completed", "timestamp": _AT.format(4), "details": {}},
                {"stage": "exit", "status": "pending", "timestamp": None, "details": {}},
            ],
        }
    ],
    "next": "WzAsIjIwMjYtMTEtMjZUMTQ6MDA6MDArMDA6MDAiXQ:x7Gk",
    "previous": None,
}
