"""When the day's loss engages the switch, and when it does so again after a person has released it.

Pure: the figures are given, nothing is read. ADR 0027 has the reasons.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from risk.domain.numbers import HUNDRED

TRIGGER = "daily_loss_limit"  # what an engagement of the switch by it is called
WORSE_BY = Decimal("0.25")  # of the limit: so much more than at the release is worse, less is the same


@dataclass(frozen=True, slots=True)
class DayLoss:
    """How the day stands.

    Args:
        start_equity: at the last session's close, USD, positive; the day lasts until the broker tells another.
        equity: now, USD.
        limit_percent: of ``start_equity``, inclusive; ``limits_version`` names the limits it stands in.
        session: the session that closes next, None where market time is not known.
        session_has_opened: whether it has begun.
    """

    start_equity: Decimal
    equity: Decimal
    limit_percent: Decimal
    limits_version: int
    session: date | None = None
    session_has_opened: bool = False

    @property
    def percent(self) -> Decimal:
        """The loss in percent of the start; negative: a gain."""
        return (self.start_equity - self.equity) / self.start_equity * HUNDRED

    @property
    def is_past_limit(self) -> bool:
        """Whether it has reached the limit."""
        return self.percent >= self.limit_percent

    def is_day_of(self, start_equity: Decimal | None, session: date | None) -> bool:
        """Return whether these name the same day, by value.

        While the start is the same figure it is the same day, over a weekend too. A broker may tell the new
        start some time after the close; so the very same figure is another day's only once a later session
        has opened.
        """
        if start_equity is None or start_equity != self.start_equity:
            return False
        if session is None or self.session is None or session == self.session:
            return True
        return not self.session_has_opened


@dataclass(frozen=True, slots=True)
class AnsweredLoss:
    """A loss that engaged the switch; what cannot be read is None, and then answers nothing.

    Args:
        percent_at_release: the loss as it was last read before a person released.
    """

    start_equity: Decimal | None
    session: date | None
    limits_version: str
    limit_percent: Decimal | None
    percent_at_release: Decimal | None


def engages(loss: DayLoss, before: Iterable[AnsweredLoss]) -> bool:
    """Return whether the loss engages the switch, given what it was engaged for and released from."""
    return loss.is_past_limit and not any(_answers(earlier, loss) for earlier in before)


def engages_again_at(limit_percent: Decimal, percent_at_release: Decimal) -> Decimal:
    """Return the loss in percent (inclusive) that a release at ``percent_at_release`` does not answer."""
    return max(limit_percent, percent_at_release + limit_percent * WORSE_BY)


def _answers(earlier: AnsweredLoss, loss: DayLoss) -> bool:
    """Whether the person who released has seen facts like these: the day, the limits, and about the loss."""
    if not loss.is_day_of(earlier.start_equity, earlier.session):
        return False
    if earlier.limits_version != str(loss.limits_version) or earlier.limit_percent != loss.limit_percent:
        return False
    if earlier.percent_at_release is None:
        return False
    return loss.percent < engages_again_at(loss.limit_percent, earlier.percent_at_release)
