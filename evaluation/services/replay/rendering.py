"""A replay in lines for a terminal."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ai.replaying import Estimate
from evaluation.models import ReplayItem, Run
from evaluation.services.replay.profits import Earned, earned_by
from risk.domain.numbers import plain_decimal

SHOWN = 40
TOLD_ORDER = ("-change", "-shift", "-id")  # what changed most first


def estimate_line(estimate: Estimate) -> str:
    """Return what asking takes, before anything is asked."""
    total = estimate.known + estimate.asked
    if not estimate.asked:
        return f"{total} of {total} requests are known: nothing is asked"
    words = (
        f"{estimate.known} of {total} requests are known; the rest costs at most {estimate.most_usd:.4f} USD"
    )
    if estimate.unpriced:
        words += f"; no price is known of {', '.join(estimate.unpriced)}: set it under Model prices"
    return words


def as_json(run: Run) -> dict[str, Any]:
    """Return the run with its items as JSON values."""
    return {
        "id": str(run.pk),
        "status": run.status,
        "reason": run.reason,
        "spec": run.experiment.spec,
        "figures": run.figures,
        "profits": [each.to_json() for each in earned_by(run)],
        "items": [item_json(item) for item in run.items.order_by("as_of", "symbol", "model", "sample")],
    }


def item_json(item: ReplayItem) -> dict[str, Any]:
    """Return one decision's difference as JSON values."""
    return {
        "decisionId": str(item.decision_id),
        "symbol": item.symbol,
        "asOf": item.as_of and item.as_of.isoformat(),
        "model": item.model,
        "sample": item.sample,
        "before": item.before,
        "after": item.after,
        "requestHash": item.request_hash,
        "fromCache": item.from_cache,
        "costUsd": str(item.cost_usd),
    }


def as_lines(run: Run) -> Iterator[str]:
    """Yield the differences, what changed most first, and then what all come to."""
    told = run.items.order_by(*TOLD_ORDER)
    for item in told[:SHOWN]:
        yield _line(item)
    if (more := told.count() - SHOWN) > 0:
        yield f"… and {more} more (--json has all)"
    yield from summary_lines(run)


def summary_lines(run: Run) -> Iterator[str]:
    """Yield what all the items come to."""
    figures = run.figures
    if not figures:
        yield f"{run.status}: {run.reason}"
        return
    asked, known = figures["requestsAsked"], figures["requestsKnown"]
    answers = (
        f": {known} answers from the store, {asked} asked, {figures['costUsd']} USD" if known + asked else ""
    )
    yield f"{figures['decisions']} decisions{answers}"
    if figures["answered"]:
        flips = _counts(figures["flips"]) or "none"
        yield f"action equal {100 * figures['agreement']:.1f} % of {figures['answered']}; flips: {flips}"
        if figures["verdictFlips"]:
            yield f"the gate's answer changes: {_counts(figures['verdictFlips'])}"
        if figures["bookMoved"]:
            yield f"{figures['bookMoved']} judged then on a book that had moved since the analysis"
    for each in earned_by(run):
        yield _earned_line(each)
    if run.status != Run.Status.COMPLETED:
        yield f"{run.status}: {_counts(figures['problems'])}"


def _earned_line(each: Earned) -> str:
    mean = each.change
    doubt = (
        f"{mean.value:+.2f} ({mean.low:+.2f} to {mean.high:+.2f}) a decision" if mean.known else mean.reason
    )
    return (
        f"after {each.sessions} session{'s' * (each.sessions > 1)}: was {each.was:+} USD, would be {each.would_be:+}"
        f" USD, {each.total_change:+} over {mean.n}; {doubt}"
    )


def _line(item: ReplayItem) -> str:
    was, now, end = item.before, item.after, str(item.decision_id)[-8:]
    if now["action"] is None:
        return f"…{end}  {item.symbol:9} {was['action'].upper()} → no answer: {now['problem']}"
    origin = "from the store" if item.from_cache else f"asked, {plain_decimal(item.cost_usd)} USD"
    if not item.request_hash:
        origin = "as recorded"
    return (
        f"…{end}  {item.symbol:9} {was['action'].upper()} → {now['action'].upper()}"
        f"  {was['confidence']} → {now['confidence']}"
        f"  {_verdict(was['verdict'])} → {_verdict(now['verdict'])}  {now['model']}, {origin}"
        f"{'  ' + now['moved'] if now.get('moved') else ''}"
    )


def _verdict(verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "not asked"
    return f"passed {verdict['quantity']}" if verdict["allowed"] else str(verdict["reason"])


def _counts(counts: Mapping[str, int] | Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in dict(counts).items())
