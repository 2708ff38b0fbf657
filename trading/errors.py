"""What the trading room refuses to do, with the fields a caller needs to say why."""


class TradingError(Exception):
    """Base of all errors of the trading room."""


class InvalidTransitionError(TradingError):
    """A status machine has no row for this event: a bug, or a fact that arrived out of order."""

    def __init__(self, machine: str, status: str, event: str) -> None:
        super().__init__(f"{machine}: no transition from {status} on {event}")
        self.machine = machine
        self.status = status
        self.event = event


class CycleRunningError(TradingError):
    """A cycle is running already; one runs at a time."""


class CycleStateError(TradingError):
    """What was asked of the cycle cannot be done in the state it is in; the message says which."""


class SlotTakenError(TradingError):
    """Another beat has started the cycle of this time slot."""


class SymbolsError(TradingError):
    """Symbols that cannot be asked for.

    Args:
        problems: symbol to what is wrong with it.
    """

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{symbol}: {problem}" for symbol, problem in problems.items()))
        self.problems = problems


class CandidateError(TradingError):
    """A candidate of the universe cannot be written so; ``field`` names what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class SettingError(TradingError):
    """A setting was given a value it cannot take; the message names it and what was expected."""


class WorldMismatchError(TradingError):
    """The broker's account is not the one this database belongs to."""


class GuardError(TradingError):
    """A pause or a lock was asked for with what it cannot take; the message names it and what was expected."""


class NotConfiguredError(TradingError):
    """No broker is configured or running; the message says how to get one."""


class StrategyError(TradingError):
    """A strategy was given values it cannot take; the message names them and what was expected."""


class ProposalError(TradingError):
    """A person's proposal cannot be traded as it stands; ``field`` names what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class WithdrawalError(TradingError):
    """An approval cannot be withdrawn any more, or never could; the message says why."""


class LinkError(TradingError):
    """A signed link is good for nothing any more, or never was; the message says why."""


class RecordError(TradingError):
    """A decision's record cannot be read, or cannot be put again by this version."""


class BadEventError(TradingError):
    """A message from outside cannot be taken; ``field`` names what is wrong.

    Args:
        problem: what was given and what was expected.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
