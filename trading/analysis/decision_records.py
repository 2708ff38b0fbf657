"""Store what a decision saw, once per content, and rebuild the question a model was asked from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ai.domain.prompt import PROMPT_VERSION, Message, render_messages
from ai.domain.question_json import question_from_json, question_to_json
from ai.domain.types import AnalysisQuestion
from risk.domain.limits import LIMIT_NAMES
from risk.services.limits import limits_in_force
from trading.analysis.model_questions import Scene
from trading.analysis.sealed_facts import fingerprint_of, sealed, unsealed
from trading.analysis.strategies import content_of
from trading.core import settings
from trading.errors import RecordError
from trading.models import DecisionRecord, Strategy

FORMAT = 1
SETTINGS_KEPT = (
    "confidence_threshold",
    "exit_confidence_threshold",
    "price_max_age",
    "symbols_per_call",
)


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A record, read: the question as it was, and everything beside it by name."""

    question: AnalysisQuestion
    facts: Mapping[str, Any]


def make_record(
    strategy: Strategy, question: AnalysisQuestion, *, models: Sequence[str], scene: Scene
) -> DecisionRecord:
    """Return the record of a question, unsaved; store it with the decisions, by ``store_records``."""
    account = limits_in_force()
    limits = None
    if account is not None:
        limits = {"version": account.version} | {name: str(getattr(account, name)) for name in LIMIT_NAMES}
    agent = scene.agent
    content = {
        "format": FORMAT,
        "prompt_version": PROMPT_VERSION,
        "question": question_to_json(question),
        "models": list(models),
        "strategy": {"id": str(strategy.pk), "version": strategy.version, **content_of(strategy)},
        "limits": limits,
        "market": agent.world,
        "mode": agent.mode,
        "settings": {name: str(value) for name, value in settings.several(*SETTINGS_KEPT).items()},
        "prices": {facts.symbol: _price(scene, facts.symbol) for facts in question.symbols},
    }
    return sealed(content, seen=_seen(content))


def store_records(records: Sequence[DecisionRecord]) -> None:
    """Insert what is not stored already; call in the transaction that inserts the decisions.

    Bars of whole days are the same all day long: their bodies are sent once.
    """
    names = [record.pk for record in records]
    stored = set(DecisionRecord.objects.filter(pk__in=names).values_list("pk", flat=True))
    new = {record.pk: record for record in records if record.pk not in stored}
    DecisionRecord.objects.bulk_create(new.values(), ignore_conflicts=True)


def read_record(record: DecisionRecord) -> SeenRecord:
    """Return what is in a record.

    Raises:
        RecordError: its content is not what its fingerprints say, or is of a format this version cannot read.
    """
    facts = unsealed(record)
    if facts.get("format") != FORMAT:
        raise RecordError(f"the record {record} is of format {facts.get('format')}, not of {FORMAT}")
    if record.seen_sha256 and record.seen_sha256 != fingerprint_of(_seen(facts)):
        raise RecordError(f"what the record {record} says was seen is not what its fingerprint says")
    return SeenRecord(question_from_json(facts["question"]), facts)


def messages_again(seen: SeenRecord, symbols: Sequence[str]) -> list[Message]:
    """Return what was put before a model about these of the question's symbols, byte for byte as it was.

    Raises:
        ValueError: it was asked with a version of the prompt that this program has no more.
        KeyError: the question has no such symbol.
    """
    by_symbol = {facts.symbol: facts for facts in seen.question.symbols}
    asked = replace(seen.question, symbols=tuple(by_symbol[symbol] for symbol in symbols))
    return render_messages(asked, version=seen.facts["prompt_version"])


def _seen(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a record is the same in every run that sees the same: no wall time, no id of a row.

    An old record's fingerprint is checked by it, so what is left out is a promise.
    """
    prices = {
        symbol: {name: value for name, value in price.items() if name != "fetched_at"}
        for symbol, price in content["prices"].items()
    }
    strategy = {name: value for name, value in content["strategy"].items() if name != "id"}
    return {**content, "prices": prices, "strategy": strategy}


def _price(scene: Scene, symbol: str) -> dict[str, object]:
    """Return what the question leaves out of a price: its past, its fetch and the second source's word.

    ``bars`` names the record of the daily history; None where none was known.
    """
    row = scene.snapshots[symbol]
    previous, second = row.previous_close, row.second_price
    return {
        "previous_close": None if previous is None else str(previous),
        "fetched_at": row.fetched_at.isoformat(),
        "second_source": row.second_source,
        "second_price": None if second is None else str(second),
        "warning": row.warning,
        "bars": scene.bars[symbol].pk if symbol in scene.bars else None,
    }
