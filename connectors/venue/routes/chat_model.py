"""The answers of the venue's chat model: seeded decisions about the symbols it is asked for."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from connectors.venue import seeded

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_ACTIONS = ("buy", "sell", "hold", "hold")


def last_user_text(messages: Sequence[object]) -> str:
    """Return the text of the last user message, its parts joined."""
    for message in reversed(messages):
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            if isinstance(content, list):
                return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return ""


def asked_symbols(text: str) -> list[str]:
    """Return the symbols of the first JSON object, fenced or bare, that has a list ``symbols``."""
    for found in _objects(text):
        listed = found.get("symbols")
        if isinstance(listed, list):
            names = [item.get("symbol") if isinstance(item, Mapping) else item for item in listed]
            return [name for name in names if isinstance(name, str)]
    return []


def _objects(text: str) -> Iterator[Mapping[str, object]]:
    """Yield every JSON object in ``text``, outer ones before those they hold, fenced ones first."""
    decoder = json.JSONDecoder()
    for part in (*_FENCE.findall(text), text):
        for at in (match.start() for match in re.finditer(r"\{", part)):
            try:
                value, _ = decoder.raw_decode(part, at)
            except ValueError:
                continue
            if isinstance(value, Mapping):
                yield value


def decide(seed: int, symbols: Sequence[str], minute: int) -> dict[str, object]:
    """Return a decision per symbol that depends on the seed, the symbol and the minute alone."""
    decisions = []
    for symbol in symbols:
        action = _ACTIONS[seeded.index(len(_ACTIONS), seed, "action", symbol, minute)]
        confidence = round(0.5 + 0.5 * seeded.unit(seed, "confidence", symbol, minute), 2)
        reasoning = f"Simulated answer of the local venue: {action} {symbol} by chance, not by judgement."
        said = {"symbol": symbol, "action": action, "confidence": confidence, "reasoning": reasoning}
        decisions.append(said | _exit(seed, symbol, minute, buys=action == "buy"))
    return {"decisions": decisions}


def _exit(seed: int, symbol: str, minute: int, *, buys: bool) -> dict[str, object]:
    """Return where a purchase is to be sold, by chance as the rest; null throughout where nothing is bought."""
    stop = round(2 + 6 * seeded.unit(seed, "stop", symbol, minute), 2)
    return {
        "stop_percent": stop if buys else None,
        "target_percent": round(2 * stop, 2) if buys else None,
        "horizon_sessions": 10 if buys else None,
        "invalidation": "Chance decides otherwise." if buys else None,
    }
