"""Events in words: what happened, for the terminal's lines and the console's news."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from risk.domain.numbers import plain_decimal
from trading.domain.statuses import DecisionStatus
from trading.domain.words import to_the_minute
from trading.models import Event

QUIET = frozenset(
    {"low_confidence", "rejected_earlier", "unanswered_earlier"}
)  # dozens a cycle: counted in the cycle's last line
MOST_NAMED = 4  # symbols of a line
Payload = Mapping[str, Any]


def lines_of(events: Iterable[Event]) -> Iterator[str]:
    """Yield what they say to an operator; what is the same of several decisions of a cycle is one line."""
    groups: dict[tuple[Any, ...], list[Event]] = {}
    for event in events:
        same = DECISIONS.get(event.type)
        words = same(event.payload) if same else ""
        key = (event.type, event.cycle_id, words) if same else (event.pk,)
        groups.setdefault(key, []).append(event)
    for group in groups.values():
        line = _line(group)
        if line:
            yield line


def line_of(event: Event) -> str | None:
    """Return one event as a line, None when it says nothing to an operator."""
    return _line([event])


def text_of(event: Event) -> str | None:
    """Return one event in words without its time, None when it says nothing to an operator."""
    return _words([event])


def _line(group: Sequence[Event]) -> str | None:
    text = _words(group)
    return f"{group[0].occurred_at:%H:%M:%S} {text}" if text else None


def _words(group: Sequence[Event]) -> str | None:
    first = group[0]
    if first.type in DECISIONS:
        said = DECISIONS[first.type](first.payload)
        return f"  {_names([event.payload['symbol'] for event in group])} {said}" if said else None
    words = WORDS.get(first.type)
    return words(first.payload) if words else None


def _names(symbols: Sequence[str]) -> str:
    if len(symbols) <= MOST_NAMED:
        return ", ".join(symbols)
    return f"{len(symbols)} ({', '.join(symbols[:MOST_NAMED])}, …)"


def _cycle_created(p: Payload) -> str:
    return f"cycle started ({p['cycle_type']}, {p['trigger']}): {p['symbol_count']} symbols, mode {p['mode']}"


def _cycle_completed(p: Payload) -> str:
    reasons = ", ".join(
        f"{reason.replace('_', ' ')} {n}"
        for reason, n in sorted(p["skipped"].items(), key=lambda item: -item[1])
    )
    return (
        f"cycle completed in {p['duration_seconds']:.1f} s: {p['decisions_count']} decisions,"
        f" {p['trades_count']} trades; not traded: {reasons or 'none'}"
    )


def _prices(p: Payload) -> str:
    if "skipped" in p:
        return f"not asked for: {p['skipped'].replace('_', ' ')}"
    missing = p["missing"]
    tail = f", missing {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}" if missing else ""
    return f"{p['count']} prices from {', '.join(p['sources']) or 'nowhere'} in {p['seconds']} s{tail}"


def _account(p: Payload) -> str:
    state = "open" if p["market_open"] else "closed"
    return (
        f"  account: equity {Decimal(p['equity']):,.2f} USD, {p['positions']} positions,"
        f" market {state} at {to_the_minute(p['market_time'])}"
    )


def _analysis(p: Payload) -> str:
    rest = ", ".join(f"{n} {word}" for word, n in p.items() if word not in ("decisions", "seconds"))
    return f"  analysis: {p['decisions']} decisions in {p['seconds']} s ({rest})"


RESTS_AS = {"stop_loss": "stop", "take_profit": "target"}


def _order_created(p: Payload) -> str:
    if p.get("external"):
        return f"  external order for {p['symbol']} adopted"
    quantity = plain_decimal(Decimal(p["quantity"]))
    if p.get("price") and p.get("purpose") in RESTS_AS:
        price = plain_decimal(Decimal(p["price"]))
        return f"  {p['symbol']}: {RESTS_AS[p['purpose']]} of {quantity} at {price} placed"
    why = f" ({p['exit_reason'].replace('_', ' ')}, {p['actor']})" if p.get("actor") else ""
    return f"  {p['side']} {quantity} {p['symbol']} ordered{why}"


def _order(verb: str) -> Callable[[Payload], str]:
    def words(p: Payload) -> str:
        price = f" at {Decimal(p['average_price']):,.4f}" if p.get("average_price") else ""
        quantity = plain_decimal(Decimal(p["filled_quantity"])) if "filled_quantity" in p else ""
        return f"  {p.get('side', '')} {quantity} {p.get('symbol', '')} {verb}{price}"

    return words


def _trading_state(p: Payload) -> str:
    if p["to"] == "reducing":
        return f"TRADING STATE REDUCING, exits only: {p['failures']} analyses in a row failed ({p['reason']})"
    return f"trading state {p['from']} -> {p['to']} by {p['actor']}: {p['reason']}"


def _strategy_changed(p: Payload) -> str:
    started = {True: ", active now", False: ", inactive now"}.get(
        p["changes"].get("is_active", [None, None])[1], ""
    )
    fields = ", ".join(name.replace("_", " ") for name in p["changes"] if name != "is_active")
    what = f" ({fields})" if fields else ""
    reason = p["reason"] or "no reason given"
    return f"strategy {p['name']} changed by {p['actor']}, version {p['version']}{what}{started}: {reason}"


def _end_of_lock(p: Payload) -> str:
    return f"{to_the_minute(p['until'])} market time" if p["until"] else "it is unlocked"


def _why(p: Payload) -> str:
    return f": {p['reason']}" if p["reason"] else ""


def _paused(p: Payload) -> str:
    waiting = "" if "actor" in p else ", waiting for the broker"
    return f"cycle PAUSED{waiting}: {p['reason']}"


def _resumed(p: Payload) -> str:
    cause = f"resumed by {p['actor']}" if "actor" in p else "the broker answers again"
    return f"cycle goes on: {cause} after {p['paused_seconds']} s"


def _expired(p: Payload) -> str:
    if p["from"] != DecisionStatus.AWAITING_APPROVAL:
        return "approved, not carried out in time" if p.get("reason") == "approval_expired" else ""
    return "no longer asked about" if p.get("reason") else "not answered in time"


def _rejected(p: Payload) -> str:  # by the broker: the order's line says it
    return f"rejected by {p['actor']}{_why(p)}" if p["from"] == DecisionStatus.AWAITING_APPROVAL else ""


def _reason(p: Payload) -> str:
    return str(p["reason"]).replace("_", " ")


# What is said after the symbol.
DECISIONS: Mapping[str, Callable[[Payload], str]] = {
    "decision.deny": lambda p: "" if p["reason"] in QUIET else f"denied: {_reason(p)}",
    "decision.store": lambda p: f"stored for review: {_reason(p)}",
    "decision.request_approval": lambda p: f"to {p['action']}: waits for an answer in the console",
    "decision.approve": lambda p: f"approved by {p['actor']}",
    "decision.reject": _rejected,
    "decision.expire": _expired,
}
WORDS: Mapping[str, Callable[[Payload], str]] = {
    "cycle.created": _cycle_created,
    "cycle.step.stocks": lambda p: f"  stocks: {_prices(p)}",
    "cycle.step.coins": lambda p: f"  coins: {_prices(p)}",
    "cycle.step.news": lambda p: f"  news: {p['count']} headlines in {p['seconds']} s",
    "cycle.step.account": _account,
    "cycle.step.analysis": _analysis,
    "cycle.step.refresh_assets": lambda _: "  asset master refreshed",
    "cycle.step.reconcile": lambda _: "  reconciled with the broker",
    "cycle.warning": lambda p: f"  note on {p['operation']}: {p['message']}",
    "cycle.model_switched": lambda p: (
        f"  model {p['from_model']} -> {p['to_model']} for {p['batches']} calls of {p['strategy']}"
        f" ({p['cause']}): {p['detail']}"
    ),
    "cycle.error": lambda p: f"  problem in {p['operation']} {p['symbol']}: {p['message']}",
    "cycle.pause": _paused,
    "cycle.resume": _resumed,
    "cycle.step.held": lambda p: f"cycle stays PAUSED: {p['reason']}",
    "cycle.complete": _cycle_completed,
    "cycle.abort": lambda p: f"cycle aborted: {_reason(p)}",
    "cycle.fail": lambda p: f"cycle failed: {_reason(p)}",
    "order.created": _order_created,
    "order.fill": _order("filled"),
    "order.partial_fill": _order("partly filled"),
    "order.cancel": _order("canceled"),
    "order.expire": _order("expired"),
    "order.reject": lambda p: f"  order rejected: {p.get('reason', '')} {p.get('symbol', '')}",
    "order.lose": lambda p: f"  order outcome unknown, looking it up: {p['error']}",
    "order.fail": lambda p: f"  order never reached the broker: {p['reason']}",
    "saga.fail": lambda p: (
        f"SAGA FAILED, look at it: {p.get('symbol', '')} {p['reason']}: {p.get('error', '')}"
    ),
    "saga.late_fill": lambda p: (
        f"  {p['symbol']} filled late ({plain_decimal(Decimal(p['filled_quantity']))}): booked"
    ),
    "proposal.made": lambda p: (
        f"{p['action']} {p['symbol']} proposed by {p['actor']}, confidence {p['confidence']}: {p['reason']}"
    ),
    "position.stop_moved": lambda p: (
        f"{p['symbol']}: stop moved by {p['actor']}, {p['before'] or 'none'} -> {p['after']}"
    ),
    "reconciliation.asked_for": lambda p: f"reconciliation asked for by {p['actor']}",
    "reconciliation.difference": lambda p: (
        f"  reconciled {p['subject']} ({p['kind']}): here {p['here']}, at the broker {p['there']}"
    ),
    "kill_switch.engaged": lambda p: f"KILL SWITCH ENGAGED by {p['actor']}: {p['reason']}",
    "clock.stepped": lambda p: (
        f"CLOCK STEPPED: the {p['clock']}'s by {p['by_seconds']:+.1f} s"
        + (
            " while nothing ran: what is stored was dated by it, and is not used"
            if "found_at_start" in p
            else ""
        )
    ),
    "kill_switch.released": lambda p: f"kill switch released by {p['actor']}: {p['reason']}",
    "kill_switch.sender_fenced": lambda p: (
        f"CUT OFF: {p['application']} did not end its request for {p['held_seconds']:.0f} s"
        f" {p.get('client_order_id', '')}".rstrip()
    ),
    "schedule.disabled": lambda p: f"NO CYCLE STARTS BY ITSELF: {p['reason']}",
    "schedule.enabled": lambda p: f"{p['reason']}",
    "sync.overdue": lambda p: f"THE ACCOUNT IS NOT READ: {p['reason']}",
    "sync.recovered": lambda p: f"{p['reason']}",
    "lock.stuck": lambda p: f"A LOCK IS STUCK: {p['reason']}",
    "lock.freed": lambda p: f"{p['reason']}",
    "books.differ": lambda p: f"THE BOOKS AND THE ACCOUNT DIFFER: {p['reason']}",
    "disk.low": lambda p: f"THE DISK IS NEARLY FULL: {p['reason']}",
    "disk.recovered": lambda p: f"the disk has room again: {p['reason']}",
    "candidate.created": lambda p: f"candidate {p['symbol']} proposed by {p['source']}",
    "candidate.approve": lambda p: f"candidate {p['symbol']} approved by {p['actor']}",
    "candidate.reject": lambda p: f"candidate {p['symbol']} rejected by {p['actor']}: {p['reason']}",
    "candidate.watch": lambda p: f"candidate {p['symbol']} put on the watchlist by {p['actor']}",
    "candidate.unwatch": lambda p: f"candidate {p['symbol']} taken off the watchlist by {p['actor']}",
    "agent.trading_state_set": _trading_state,
    "setting.changed": lambda p: (
        f"setting {p['name']} {p['from']} -> {p['to']} by {p['actor']}: {p['reason'] or 'no reason given'}"
    ),
    "trust.published": lambda p: f"trust curve {p['version']} of {p['model']} published by {p['actor']}",
    "strategy.created": lambda p: (
        f"strategy {p['name']} created by {p['actor']}{'' if p['is_active'] else ', inactive'}"
    ),
    "strategy.changed": _strategy_changed,
    "agent.entries_paused": lambda p: f"ENTRIES PAUSED by {p['actor']}, exits go on: {p['reason']}",
    "agent.entries_resumed": lambda p: f"entries resumed by {p['actor']}{_why(p)}",
    "symbol_lock.locked": lambda p: (
        f"{p['symbol']} locked by {p['actor']} until {_end_of_lock(p)}: {p['reason']}"
    ),
    "symbol_lock.unlocked": lambda p: f"{p['symbol']} unlocked by {p['actor']}{_why(p)}",
    "agent.mode_set": lambda p: f"mode {p['from']} -> {p['to']} by {p['actor']}",
}
