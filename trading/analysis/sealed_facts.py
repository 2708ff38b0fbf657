"""Store facts under the SHA-256 of their text, compressed; reading them back checks the fingerprint."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from trading.errors import RecordError
from trading.models import DecisionRecord


def sealed(content: Mapping[str, Any]) -> DecisionRecord:
    """Return the content as a record, unsaved."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return DecisionRecord(sha256=hashlib.sha256(text).hexdigest(), body=zlib.compress(text), size=len(text))


def unsealed(record: DecisionRecord) -> dict[str, Any]:
    """Return the content of a record.

    Raises:
        RecordError: it is not what its fingerprint says.
    """
    try:
        text = zlib.decompress(bytes(record.body))
    except zlib.error as error:
        raise RecordError(f"the record {record} cannot be read: {error}") from error
    if hashlib.sha256(text).hexdigest() != record.sha256:
        raise RecordError(f"the record {record} is not what its fingerprint says")
    return dict(json.loads(text))
