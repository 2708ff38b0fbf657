"""Positions that the broker lists in words we cannot read: none of them is taken for gone."""

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
    if not unreadable_of(listed):
        return tuple(listed), ()
    held = set(Position.objects.values_list("symbol", flat=True))
    spelt = {symbol.replace("/", ""): symbol for symbol in held}  # positions spell coins without the slash
    unreadable = [replace(row, symbol=spelt.get(row.symbol, row.symbol)) for row in unreadable_of(listed)]
    found = {position.symbol: position for position in listed}
    if not any(not row.symbol and not row.other_kind for row in unreadable):
        return tuple(listed), tuple(unreadable)
    absent = sorted(held - found.keys() - {row.symbol for row in unreadable})
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
