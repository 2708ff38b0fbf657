"""Answers that no decent model gives, by name: what it says of AAPL, with MSFT and T decided soundly beside it.

The expected results are the table in docs/ai.md.
"""

import json
from typing import Any

from tests.ai.chat_server import Handler, answering, envelope, replying

ASKED = ("AAPL", "MSFT", "T")
REST = ("MSFT", "T")


def decision(symbol: Any, **overrides: Any) -> dict[str, Any]:
    return {"symbol": symbol, "action": "buy", "confidence": 0.8, "reasoning": "It rose.", **overrides}


def sound() -> list[dict[str, Any]]:
    return [decision(symbol) for symbol in REST]


def said(*decisions: Any) -> Handler:
    """Answer with these and sound decisions on the rest."""
    return answering(json.dumps({"decisions": [*decisions, *sound()]}))


def of_aapl(**overrides: Any) -> Handler:
    return said(decision("AAPL", **overrides))


def raw(number: str) -> Handler:
    """Answer with a confidence written as it stands, which ``json.dumps`` would not write."""
    text = json.dumps({"decisions": [decision("AAPL", confidence="@"), *sound()]})
    return answering(text.replace('"@"', number))


OTHER = json.dumps({"decisions": [decision("AAPL", action="sell")]})
WHOLE = json.dumps({"decisions": [decision("AAPL"), *sound()]})

HOSTILE: dict[str, Handler] = {
    "sound": answering(WHOLE),
    "fenced": answering(f"```json\n{WHOLE}\n```"),
    "prose around it": answering(f"Certainly! Here it is:\n{WHOLE}\nGood luck."),
    "escaped symbol": answering(WHOLE.replace("AAPL", "\\u0041APL")),
    "sizes of its own": of_aapl(quantity=10**9, notional=10**12, leverage=50, order_type="limit"),
    "script in the reasoning": of_aapl(reasoning="<script>alert(1)</script>'; DROP TABLE orders; --"),
    "prototype keys": of_aapl(__proto__={"confidence": 1}, constructor="x"),
    # thinking aloud
    "thoughts in tags": answering(f"<think>Perhaps {OTHER}</think>\n{WHOLE}"),
    "thoughts without the opening tag": answering(f"The first is {{AAPL}}, like {OTHER}.\n</think>\n{WHOLE}"),
    "braces before it": answering(f'As {{"symbol": …}} for {{AAPL}}:\n{WHOLE}'),
    "braces behind it": answering(f'{WHOLE}\nIt follows {{"type": "object"}} as {{asked}}.'),
    "fenced twice, the same": answering(f"Draft:\n```json\n{WHOLE}\n```\nFinal:\n```json\n{WHOLE}\n```"),
    "a list of one": answering(f"[{WHOLE}]"),
    "two that differ": answering(f"{WHOLE}\nOr rather:\n{OTHER}"),
    "a thought without an end": answering(f"<think>Perhaps {WHOLE}"),
    # the whole answer
    "prose alone": answering("I like Apple; buy it."),
    "malformed": answering(WHOLE.replace(":", "=", 3)),
    "trailing comma": answering(WHOLE.replace("]}", ",]}")),
    "single quotes": answering(WHOLE.replace('"', "'")),
    "truncated": answering(WHOLE[: len(WHOLE) // 2]),
    "cut at the length limit": answering(WHOLE, finish_reason="length"),
    "empty": answering(""),
    "null": answering(None),
    "a list at the top": answering(json.dumps(sound())),
    "a map of symbols": answering(json.dumps({"decisions": {"AAPL": "buy"}})),
    "nested in itself": answering(json.dumps({"answer": {"decisions": sound()}})),
    "nested too deep": answering("[" * 100_000 + "]" * 100_000),
    "huge text": answering(WHOLE + " " * 300_000),
    "huge list": answering(json.dumps({"decisions": [decision("AAPL")] * 1001})),
    "no decisions": answering('{"decisions": []}'),
    "wrong language": answering(json.dumps({"Entscheidungen": [{"Symbol": "AAPL", "Aktion": "kaufen"}]})),
    "refusal in words": answering("I'm sorry, but I can't give financial advice."),
    "refusal as such": answering(
        None, message={"role": "assistant", "content": None, "refusal": "I cannot."}
    ),
    "filtered": answering(WHOLE, finish_reason="content_filter"),
    "decisions twice": answering(f'{{"decisions": [], {WHOLE[1:]}'),
    "no choices": replying({**envelope("x"), "choices": []}),
    "a page of HTML": replying("<html>proxy</html>", headers={"Content-Type": "text/html"}),
    "server error": replying({"error": {"message": "oops"}}, status=500),
    "rate limit": replying({"error": {"message": "slow down"}}, status=429),
    "rejected key": replying({"error": {"message": "no such key"}}, status=401),
    # the symbol
    "missing": said(),
    "unknown symbol": said(decision("EVIL")),
    "homoglyph": said(decision("\u0410APL")),
    "full width": said(decision("ＡＡＰＬ")),
    "lower case": said(decision("aapl")),
    "space behind": said(decision("AAPL ")),
    "hidden character": said(decision("AAPL\u200b")),
    "control character": said(decision("AAPL\x00")),
    "number for a symbol": said(decision(7)),
    "list for a symbol": said(decision(["AAPL"])),
    "no object": said("AAPL"),
    "duplicate, the same": said(decision("AAPL"), decision("AAPL")),
    "duplicate, contradicting": said(decision("AAPL"), decision("AAPL", action="sell")),
    # the confidence
    "above 1": of_aapl(confidence=1.5),
    "a percentage": of_aapl(confidence=80),
    "below 0": of_aapl(confidence=-0.1),
    "NaN": raw("NaN"),
    "infinity": raw("Infinity"),
    "beyond any number": raw("1e999"),
    "a number of 5,000 digits": raw("9" * 5000),
    "text for a confidence": of_aapl(confidence="0.9"),
    "true for a confidence": of_aapl(confidence=True),
    "null for a confidence": of_aapl(confidence=None),
    "confidence twice": answering(
        WHOLE.replace('"confidence": 0.8', '"confidence": 0.1, "confidence": 1', 1)
    ),
    # the action and the reasoning
    "unknown action": of_aapl(action="short"),
    "shouted action": of_aapl(action="BUY"),
    "sentence for an action": of_aapl(action="buy 100 shares at market"),
    "list for an action": of_aapl(action=["buy", "sell"]),
    "null for an action": of_aapl(action=None),
    "no reasoning": of_aapl(reasoning=None),
    "invisible reasoning": of_aapl(reasoning="\u200b\u202e\x00"),
    "object for a reasoning": of_aapl(reasoning={"why": "it rose"}),
}
