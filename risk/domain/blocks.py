"""What guards against churn have against an order: whatever they say, an exit is stopped by one of them alone."""

from risk.domain.reasons import DenyReason
from risk.domain.types import Block, OrderIntent, RiskBook

# What a guard may say of an entry; of an exit that a model wants, and nobody else, the minimum hold alone.
OF_ENTRIES = frozenset(
    {
        DenyReason.SYMBOL_LOCKED,
        DenyReason.COOLDOWN_PERIOD,
        DenyReason.STOPLOSS_GUARD,
        DenyReason.MAX_DRAWDOWN_GUARD,
        DenyReason.LOW_PROFIT_SYMBOL,
        DenyReason.ENTRIES_PER_HOUR,
        DenyReason.ENTRIES_PER_DAY,
    }
)


def block_of(intent: OrderIntent, book: RiskBook) -> Block | None:
    """Return what a guard has against the order; None: nothing.

    An exit is stopped by the minimum hold alone, and only where its confidence counts: not a stop, a target, a sale
    of everything, or a person's close, whatever ``intent.block`` says.
    """
    block = intent.block
    if intent.reducing:
        held = block is not None and block.reason is DenyReason.MINIMUM_HOLD and intent.needs_confidence
        return block if held else None
    if block is not None:
        return block
    return _too_many(book)


def _too_many(book: RiskBook) -> Block | None:
    """Return the first span of time that has seen its entries, those under way counted."""
    for rate in book.entry_rates:
        entries = rate.entries + len(book.reserved)
        if entries >= rate.most:
            until = f"{rate.frees_at:%Y-%m-%d %H:%M:%S} market time" if rate.frees_at else "one is over"
            said = f"{entries} entries of at most {rate.most}; no more until {until}"
            return Block(rate.reason, said, {"entries": str(entries), "most": str(rate.most), "until": until})
    return None
