"""Published events held against their schemas in docs/events/."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from tests.paths import ROOT

FOLDER = ROOT / "docs" / "events"


@lru_cache(maxsize=1)
def validators() -> Mapping[str, Draft202012Validator]:
    """Return a validator by each schema's ``$id``."""
    schemas = [json.loads(file.read_text()) for file in FOLDER.glob("*.json")]
    for schema in schemas:
        validator_for(schema).check_schema(schema)
    checker = Draft202012Validator.FORMAT_CHECKER
    return {schema["$id"]: Draft202012Validator(schema, format_checker=checker) for schema in schemas}


def problems(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an event by the schemas, a line each."""
    envelope = validators()["urn:trading-orchestrator:schema:envelope:v1"]
    found = [*envelope.iter_errors(event)]
    data = validators().get(str(event.get("dataschema")))
    if data is None:
        return [f"dataschema {event.get('dataschema')!r} is no file of docs/events/"]
    found += data.iter_errors(event.get("data"))
    return [f"{event.get('type')}: {error.json_path}: {error.message}" for error in found]


def problems_of_the_log() -> list[str]:
    """Return what is wrong with the published rows that the test's database holds."""
    from trading.events.outbox import published_form
    from trading.models import Event

    rows = Event.objects.filter(public_sequence__isnull=False)
    return [line for row in rows for line in problems(published_form(row, source="urn:test"))]
