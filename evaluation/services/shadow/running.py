"""A shadow strategy from one cycle to the next: prices first, then what it decides, all of a cycle at once.

What is asked and what it leads to is written in one transaction with the cycle's place in the book: killed anywhere, a
cycle was seen or was not. What was answered before the kill is in the store of answers.
"""

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID

import structlog

from evaluation.domain.shadow_state import Settled, ShadowState, in_session, settle
from evaluation.models import ShadowBook, ShadowPoint
from evaluation.services.shadow.analysed import analysed
from evaluation.services.shadow.books import open_book, pass_over, store
from evaluation.services.shadow.deciding import Decided, decide
from evaluation.services.shadow.forgetting import forget_old
from evaluation.services.shadow.ledger import from_json
from evaluation.services.shadow.scenes import SeenCycle, market_of, seen_in
from trading.analysis.strategies import keep_version
from trading.domain.prices import NEW_YORK
from trading.models import Cycle, Strategy

log = structlog.get_logger(__name__)
# The newest so many cycles are asked about; by then an older one's prices are no choice any more.
CAUGHT_UP = 3
MOST_CYCLES = 2_000
LATE = "a newer cycle had decided before its turn came: the evaluator was away, or the answers were slow"


def catch_up(strategy: Strategy) -> int:
    """Take a shadow through the cycles it has not seen, the oldest first; return how many.

    Of a strategy without a book the newest cycle opens it. Of days that have ended nothing is done, for nobody knows
    by now which splits there were in between: their cycles are counted.
    """
    keep_version(strategy)
    book = ShadowBook.objects.filter(strategy=strategy).first()
    cycles = _unseen(book)
    if not cycles:
        return 0
    if book is None:
        seen = seen_in(cycles[-1])
        if seen is None or seen.account_equity <= 0:
            return 0
        book = open_book(strategy, seen.account_equity, origin=ShadowBook.Origin.ACCOUNT)
    cycles, old = _of_the_last_day(cycles)
    if old and not pass_over(book, cycles=len(old), last_number=old[-1].number):
        return 0
    done = 0
    for cycle in cycles:
        if not _see(strategy, book, cycle):
            break
        done += 1
    return done + len(old)


def _unseen(book: ShadowBook | None) -> list[Cycle]:
    """Return the analysed cycles that a book has not seen, the oldest first; of no book or a new one the newest."""
    newest_first = analysed().order_by("-number")
    if book is None or book.cycle_number is None:
        return list(newest_first[:1])
    return list(reversed(newest_first.filter(number__gt=book.cycle_number)[:MOST_CYCLES]))


def _of_the_last_day(cycles: Sequence[Cycle]) -> tuple[list[Cycle], list[Cycle]]:
    """Return the cycles of the newest market day, and those before it."""
    times = [cycle.market_time or cycle.started_at for cycle in cycles]
    last = times[-1].astimezone(UTC).date()
    first = next(place for place, at in enumerate(times) if at.astimezone(UTC).date() == last)
    return list(cycles[first:]), list(cycles[:first])


def _see(strategy: Strategy, book: ShadowBook, cycle: Cycle) -> bool:
    """Do all of one cycle; return False where somebody else has."""
    seen = seen_in(cycle)
    if seen is None:  # forgotten meanwhile
        return pass_over(book, cycles=1, last_number=cycle.number)
    before, seed = from_json(book.ledger), _seed(book.pk)
    state = in_session(before, seen.as_of.astimezone(NEW_YORK).date())
    market = market_of(cycle, seen.as_of, _concerned(state))
    settled = settle(state, market, seed=seed)
    if analysed().filter(number__gt=cycle.number).count() >= CAUGHT_UP:
        outcome, reason, decided = ShadowPoint.Outcome.MISSED, LATE, Decided(settled.state)
    else:
        decided = decide(strategy, seen, settled.state, market)
        outcome, reason = _outcome(decided), decided.problem
    is_mine = store(book, seen, market, settled, decided, outcome=outcome, reason=reason)
    if is_mine and before.session != state.session:  # once a day
        forget_old(book)
    if is_mine:
        _tell(strategy, seen, settled, decided, outcome, reason)
    return is_mine


def _outcome(decided: Decided) -> ShadowPoint.Outcome:
    if not decided.symbols:
        return ShadowPoint.Outcome.MISSED
    return ShadowPoint.Outcome.UNANSWERED if decided.problem else ShadowPoint.Outcome.DECIDED


def _concerned(state: ShadowState) -> set[str]:
    """Return what is held and what waits."""
    return {*state.book.holdings, *(order.symbol for order in state.book.waiting)}


def _seed(book_id: UUID) -> int:
    """Return what a book's slippage is drawn by: another book slips otherwise, the same one the same again."""
    return book_id.int % 2**63


def _tell(
    strategy: Strategy, seen: SeenCycle, settled: Settled, decided: Decided, outcome: str, reason: str
) -> None:
    log.info(
        "shadow_decided",
        strategy=strategy.name,
        cycle_id=str(seen.cycle.pk),
        outcome=outcome,
        reason=reason,
        symbols=decided.symbols,
        wanted=len(decided.rows),
        fills=len(settled.fills),
        requests=decided.answer.requests,
        cost_usd=str(decided.answer.cost_usd),
    )
