"""What the risk room refuses to do."""


class RiskError(Exception):
    """Base of all errors of the risk room."""


class SwitchStateError(RiskError):
    """The kill switch is already in the state that was asked for."""


class LimitsError(RiskError):
    """Limits that cannot be put in force; the message names each field and what was expected."""


class TrustError(RiskError):
    """A trust curve that cannot be published; the message names each field and what was expected."""
