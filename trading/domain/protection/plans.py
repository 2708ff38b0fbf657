"""From what a strategy says and a decision proposes: at which prices, and when, a long position is left.

Pure. Percentages are in percent of the entry price, prices in USD per base unit. A figure that is no positive, finite
number of a plausible size says nothing, wherever it comes from: no such figure reaches an order.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from risk.domain.numbers import HUNDRED, plain_decimal
from trading.domain.prices import LARGEST, SMALLEST

DEFAULT_STOP_PERCENT, DEFAULT_REWARD_TO_RISK = Decimal(5), Decimal(2)  # what a new strategy begins with
TIGHTEST_STOP_PERCENT, WIDEST_STOP_PERCENT = Decimal("0.5"), Decimal(15)
FURTHEST_TARGET_PERCENT = Decimal(1000)
PENNY, SUB_PENNY = Decimal("0.01"), Decimal("0.0001")
COIN_TICK = Decimal("1e-9")
_BELOW_ALL = Decimal(99)  # a stop 100 % below its entry is none
_DIGITS = 60  # a price of 24 digits on a tick of 9 decimals is still exact


@dataclass(frozen=True, slots=True)
class ExitRules:
    """What a strategy says of its exits; None where it says nothing.

    Args:
        stop_percent: how far below the entry the stop stands.
        stop_atr_multiple: how many average true ranges below it; where the range is known it goes before
            ``stop_percent``.
        target_percent: how far above the entry the target stands; it goes before ``reward_to_risk``.
        reward_to_risk: the target's distance in multiples of the stop's.
        trailing_percent: how far below the highest price the stop follows.
        time_stop_sessions: after how many sessions the position is left.
        tightest_stop_percent, widest_stop_percent: inclusive bounds of the stop; no target stands nearer than the
            tightest stop either. None: 0.5 and 15.
    """

    stop_percent: Decimal | None = None
    stop_atr_multiple: Decimal | None = None
    target_percent: Decimal | None = None
    reward_to_risk: Decimal | None = None
    trailing_percent: Decimal | None = None
    time_stop_sessions: int | None = None
    tightest_stop_percent: Decimal | None = None
    widest_stop_percent: Decimal | None = None

    @property
    def widest(self) -> Decimal:
        """The widest stop in percent, always below 100."""
        return min(_positive(self.widest_stop_percent) or WIDEST_STOP_PERCENT, _BELOW_ALL)

    @property
    def tightest(self) -> Decimal:
        """The tightest stop in percent; never above the widest, which bounds a loss and so goes before."""
        return min(_positive(self.tightest_stop_percent) or TIGHTEST_STOP_PERCENT, self.widest)


@dataclass(frozen=True, slots=True)
class ExitProposal:
    """What a decision proposes for its own position; None where it says nothing that can be used."""

    stop_percent: Decimal | None = None
    target_percent: Decimal | None = None
    horizon_sessions: int | None = None


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """Where a position is left.

    Args:
        stop_price: on the tick, above 0 and below the entry; there always is one.
        target_price: on the tick and above the entry, None where the strategy has no target.
        trailing_percent: how far below the highest price the stop follows, None where it stands still.
        last_session_count: in how many sessions, the entry's counted, it is left at the latest; None: no bound.
    """

    stop_price: Decimal
    target_price: Decimal | None
    trailing_percent: Decimal | None
    last_session_count: int | None


def tick_at(price: Decimal, *, is_coin: bool) -> Decimal:
    """Return the step of prices a broker takes at ``price``, in USD.

    Stocks step by 0.01, below 1 USD by 0.0001 (Alpaca, "Sub-penny increments for limit orders"); coins by 1e-9.
    """
    if is_coin:
        return COIN_TICK
    return PENNY if price >= 1 else SUB_PENNY


def plan_exit(
    rules: ExitRules,
    *,
    entry_price: Decimal,
    atr: Decimal | None = None,
    proposal: ExitProposal = ExitProposal(),
    tick: Decimal = PENNY,
) -> ExitPlan:
    """Return where a long position that was entered at ``entry_price`` is left.

    The decision's proposal goes before the strategy's own figures, within the strategy's bounds. Prices are rounded
    to the tick away from the entry; a stop that this would bring beyond the widest is rounded towards it instead.
    Only where no tick lies between entry and widest stop it is the next tick below the entry.

    Args:
        atr: the average true range in USD, None where it is not known.
        tick: the step of prices at the entry; of a stock's prices each has the step its own size asks for.

    Raises:
        ValueError: ``entry_price`` or ``tick`` is no positive number, or no price lies below the entry.
    """
    if _positive(entry_price) is None or _positive(tick) is None:
        raise ValueError(f"entry price and tick must be positive, were {entry_price} and {tick}")
    stop_percent = stop_percent_of(rules, entry_price=entry_price, atr=atr, proposal=proposal)
    target_percent = target_percent_of(rules, stop_percent=stop_percent, proposal=proposal)
    with localcontext(prec=_DIGITS):
        stop = _stop_price(entry_price, stop_percent, rules.widest, tick)
        target = None
        if target_percent is not None:
            target = _above(entry_price, entry_price * (HUNDRED + target_percent) / HUNDRED, tick)
    trailing = _positive(rules.trailing_percent)
    return ExitPlan(
        stop_price=stop,
        target_price=target,
        trailing_percent=None if trailing is None else _between(rules.tightest, trailing, rules.widest),
        last_session_count=_sooner(rules.time_stop_sessions, proposal.horizon_sessions),
    )


def stop_percent_of(
    rules: ExitRules,
    *,
    entry_price: Decimal,
    atr: Decimal | None = None,
    proposal: ExitProposal = ExitProposal(),
) -> Decimal:
    """Return how far below the entry the stop stands, in percent, within the bounds; the widest where nobody says."""
    wanted = _positive(proposal.stop_percent)
    multiple, known = _positive(rules.stop_atr_multiple), _positive(atr)
    if wanted is None and multiple is not None and known is not None:
        with localcontext(prec=_DIGITS):
            wanted = multiple * known / entry_price * HUNDRED
    if wanted is None:
        wanted = _positive(rules.stop_percent) or rules.widest
    return _between(rules.tightest, wanted, rules.widest)


def target_percent_of(rules: ExitRules, *, stop_percent: Decimal, proposal: ExitProposal) -> Decimal | None:
    """Return how far above the entry the target stands, in percent; None where nobody says."""
    wanted = _positive(proposal.target_percent) or _positive(rules.target_percent)
    ratio = _positive(rules.reward_to_risk)
    if wanted is None and ratio is not None:
        wanted = stop_percent * ratio
    return None if wanted is None else _between(rules.tightest, wanted, FURTHEST_TARGET_PERCENT)


def raised_stop(
    current_stop: Decimal | None,
    *,
    highest_price: Decimal,
    trailing_percent: Decimal,
    step_percent: Decimal,
    tick: Decimal = PENNY,
) -> Decimal | None:
    """Return where a trailing stop belongs now, None while it stays where it is.

    It follows in steps, so that not every tick of the market is an order to replace, and it never falls.

    Args:
        current_stop: None where there is none yet; one that is no price is left alone.
        highest_price: since the entry, in USD.
        trailing_percent: of the highest price, below 100.
        step_percent: by how much of itself the stop must rise at least, 0 for every tick.
    """
    highest, trailing = _positive(highest_price), _positive(trailing_percent)
    if highest is None or trailing is None or trailing >= HUNDRED or _positive(tick) is None:
        return None
    with localcontext(prec=_DIGITS):
        followed = _rounded(highest * (HUNDRED - trailing) / HUNDRED, tick, ROUND_FLOOR)
        if followed <= 0:
            return None
        if current_stop is None:
            return followed
        current, step = _positive(current_stop), _positive(step_percent) or Decimal(0)
        is_raised = (
            current is not None and followed > current and followed >= current * (HUNDRED + step) / HUNDRED
        )
    return followed if is_raised else None


def clamped(rules: ExitRules, proposal: ExitProposal) -> tuple[ExitProposal, tuple[str, ...]]:
    """Return the proposal as the strategy's bounds let it stand, and in words what of it was changed."""
    notes = []
    stop, target = _positive(proposal.stop_percent), _positive(proposal.target_percent)
    sessions = proposal.horizon_sessions if _is_count(proposal.horizon_sessions) else None
    if stop is not None and not rules.tightest <= stop <= rules.widest:
        bound = _between(rules.tightest, stop, rules.widest)
        notes.append(f"stop of {plain_decimal(stop)} % taken as {plain_decimal(bound)} %")
        stop = bound
    if target is not None and target < rules.tightest:
        notes.append(f"target of {plain_decimal(target)} % taken as {plain_decimal(rules.tightest)} %")
        target = rules.tightest
    soonest = _sooner(rules.time_stop_sessions, sessions)
    if sessions is not None and soonest != sessions:
        notes.append(f"horizon of {sessions} sessions taken as {soonest}")
        sessions = soonest
    return ExitProposal(stop, target, sessions), tuple(notes)


def _stop_price(entry: Decimal, percent: Decimal, widest: Decimal, tick: Decimal) -> Decimal:
    wanted = _rounded(entry * (HUNDRED - percent) / HUNDRED, tick, ROUND_FLOOR)
    lowest = entry * (HUNDRED - widest) / HUNDRED
    if wanted < lowest:
        wanted = _rounded(lowest, tick, ROUND_CEILING)
    if wanted >= entry:
        wanted = _next_below(entry, tick)
    if wanted <= 0:
        raise ValueError(f"no price on the tick of {tick} lies below an entry at {entry}")
    return wanted


def _next_below(entry: Decimal, tick: Decimal) -> Decimal:
    step = _step(entry, tick)
    below = _rounded(entry, tick, ROUND_FLOOR)
    return below if below < entry else below - step


def _above(entry: Decimal, wanted: Decimal, tick: Decimal) -> Decimal:
    price = _rounded(wanted, tick, ROUND_CEILING)
    return price if price > entry else price + _step(entry, tick)


def _rounded(price: Decimal, tick: Decimal, rounding: str) -> Decimal:
    step = _step(price, tick)
    return (price / step).to_integral_value(rounding=rounding) * step


def _step(price: Decimal, tick: Decimal) -> Decimal:
    """Return the step at ``price``: a stock's is another on the other side of 1 USD."""
    return tick_at(price, is_coin=False) if tick in (PENNY, SUB_PENNY) else tick


def _sooner(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None and _is_count(count)), default=None)


def _is_count(value: int | None) -> bool:
    return value is not None and not isinstance(value, bool) and value > 0


def _positive(value: Decimal | None) -> Decimal | None:
    is_usable = value is not None and value.is_finite() and SMALLEST <= value <= LARGEST
    return value if is_usable else None


def _between(low: Decimal, value: Decimal, high: Decimal) -> Decimal:
    return min(max(low, value), high)
