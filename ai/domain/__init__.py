"""Pure code of the ai room: no Django, no network, no clock."""
