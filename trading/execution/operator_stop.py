"""Engage the kill switch for console, REST and command, and bring our own record up to date before they answer."""

from risk.models import KillSwitch
from risk.services import switch
from trading.execution.unattended_orders import record_sales
from trading.safety import kill_switch
from trading.safety.flatten import FlattenReport, flatten_positions


def stop_trading(*, actor: str, reason: str, flatten: bool = False) -> kill_switch.EngageReport:
    """Engage the switch, and sell everything where that is asked for.

    Raises:
        ValueError: the reason or the actor is empty.
    """
    report = kill_switch.engage(actor=actor, reason=reason, flatten=flatten)
    if flatten:
        record_sales()
        report.unprotected_positions = kill_switch.remaining().unprotected_positions
    return report


def sell_everything(engagement: KillSwitch, *, actor: str) -> FlattenReport:
    """Sell everything under an engagement in force; the sweeper goes on until nothing is held.

    Raises:
        SwitchStateError: it has been released meanwhile; nothing was done.
    """
    switch.ask_to_flatten(engagement, actor=actor)
    report = flatten_positions(engagement)
    record_sales()
    return report
