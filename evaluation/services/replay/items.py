"""One decision's difference, and how many are written at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from uuid6 import uuid7

# One statement for a chunk, whatever its size: a month of cycles has tens of thousands. What is stored already stays.
_INSERT = """
INSERT INTO replay_items (id, run_id, decision_id, model, sample, symbol, as_of, "before", "after", request_hash,
                          from_cache, cost_usd, change, shift)
SELECT t.id, %s, t.decision_id, t.model, t.sample, t.symbol, t.as_of, t."before", t."after", t.request_hash,
       t.from_cache, t.cost_usd, t.change, t.shift
  FROM json_to_recordset(%s) AS t(id uuid, decision_id uuid, model varchar, sample smallint, symbol varchar,
       as_of timestamptz, "before" jsonb, "after" jsonb, request_hash varchar, from_cache boolean, cost_usd numeric,
       change smallint, shift numeric)
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Item:
    """What a ``ReplayItem`` is written from, by the names of its columns."""

    decision_id: UUID
    model: str
    sample: int
    symbol: str
    as_of: datetime | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    request_hash: str
    from_cache: bool
    cost_usd: Decimal
    change: int
    shift: Decimal


def store_items(run_id: UUID, items: Sequence[Item]) -> None:
    """Write the items of a run; one that is there already stays as it is."""
    if not items:
        return
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [run_id, json.dumps([_row(item) for item in items])])


def _row(item: Item) -> dict[str, Any]:
    return {
        "id": str(uuid7()),
        "decision_id": str(item.decision_id),
        "model": item.model,
        "sample": item.sample,
        "symbol": item.symbol,
        "as_of": item.as_of and item.as_of.isoformat(),
        "before": item.before,
        "after": item.after,
        "request_hash": item.request_hash,
        "from_cache": item.from_cache,
        "cost_usd": str(item.cost_usd),
        "change": item.change,
        "shift": str(item.shift),
    }
