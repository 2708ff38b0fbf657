"""One round of seeing to what is held, in the order in which each part needs the one before."""

import structlog
from django.db import DatabaseError, InterfaceError, connection

from connectors.errors import ConnectorError
from trading.core.settings import read_once
from trading.errors import TradingError
from trading.exits import standing
from trading.exits.held import read_held
from trading.exits.keeping import Keeper
from trading.exits.watching import Watch

log = structlog.get_logger(__name__)


class Rounds:
    """What a process that sees to positions keeps between its rounds."""

    def __init__(self) -> None:
        self._keeper, self._watch = Keeper(), Watch()

    def look(self) -> None:
        """Do one round; whatever fails in it, the next one is made."""
        try:
            with read_once():
                held = read_held()
                if self._keeper.has_work(held):
                    self._keeper.keep()
                    held = read_held()
                if self._watch.look(held):
                    held = read_held()
                standing.note_all(self._watch.sees, held)
        except (DatabaseError, InterfaceError) as error:
            log.warning("protection_waits", error_type=type(error).__name__, error=str(error).strip())
            connection.close()
        except (ConnectorError, TradingError) as error:
            log.warning("protection_waits", error_type=type(error).__name__, error=str(error))
        except Exception:
            log.exception("protection_failed")
