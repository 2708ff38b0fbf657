"""The outside world: brokers, prices, headlines, notices and the event transport, behind protocols (base.py)."""
