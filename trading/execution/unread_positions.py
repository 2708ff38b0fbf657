"""Positions that the broker lists in words we cannot read: none of them is taken for gone."""

from collections.abc import Iterable
from dataclasses import replace

from connectors.base import Broker, BrokerPosition
from connectors.errors import MalformedError
from connectors.rows import UnreadableRow, unreadable_of
from trading.models import Position

ASKED_ONE_BY_ONE = 10
NOT_ASKED = UnreadableRow("symbol", f"not told, and more than {ASKED_ONE_BY_ONE} positions are missing")


def read_positions(broker: Broker) -> tuple[tuple[BrokerPosition, ...], tuple[UnreadableRow, ...]]:
    """Return what is held as far as it can be understood, and the rows that cannot.

    Where a row does not tell its symbol, it may be any of the positions we know that seem to be gone: the broker is
    asked for these one by one.

    Raises:
        ConnectorError: the broker did not answer.
    """
    listed = broker.positions()
    unreadable = [_spelt(row) for row in unreadable_of(listed)]
    found = {position.symbol: position for position in listed}
    if not any(not row.symbol and not row.other_kind for row in unreadable):
        return tuple(listed), tuple(unreadable)
    absent = sorted(_held() - found.keys() - {row.symbol for row in unreadable})
    for symbol in absent[:ASKED_ONE_BY_ONE]:
        try:
            position = broker.position(symbol)
        except MalformedError as error:
            unreadable.append(UnreadableRow(error.field, error.value, symbol=symbol))
            continue
        if position is not None:
            found[symbol] = position
            if position.market_value is None:
                unreadable.append(UnreadableRow("market_value", "None", symbol=symbol))
    unreadable += [replace(NOT_ASKED, symbol=symbol) for symbol in absent[ASKED_ONE_BY_ONE:]]
    return tuple(found.values()), tuple(unreadable)


def _held() -> set[str]:
    return set(Position.objects.values_list("symbol", flat=True))


def _spelt(row: UnreadableRow, held: Iterable[str] | None = None) -> UnreadableRow:
    """Return a row with its symbol as ours, where it is a coin we hold: positions spell them without the slash."""
    ours = {symbol.replace("/", ""): symbol for symbol in (_held() if held is None else held)}
    return replace(row, symbol=ours[row.symbol]) if row.symbol in ours else row
