"""Store facts under the SHA-256 of their text, compressed; reading them back checks the fingerprint."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from trading.errors import RecordError
from trading.models import DecisionRecord


def sealed(content: Mapping[str, Any], *, seen: Mapping[str, Any] | None = None) -> DecisionRecord:
    """Return the content as a record, unsaved.

    Args:
        seen: what of it is the same whenever and wherever the same is seen; None: all of it.
    """
    text = _text(content)
    fingerprint, body = _packed(text)
    return DecisionRecord(
        sha256=fingerprint,
        seen_sha256=fingerprint if seen is None else fingerprint_of(seen),
        body=body,
        size=len(text),
    )


@lru_cache(maxsize=256)  # a symbol's bars are the same in every cycle of a day: 10 KB each
def _packed(text: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(text).hexdigest(), zlib.compress(text)


def fingerprint_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the content's text."""
    return hashlib.sha256(_text(content)).hexdigest()


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


def _text(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
