"""What can go wrong with the embedded engines: always one sentence for the operator."""


class EngineError(Exception):
    """An embedded engine could not be started, joined or kept; the text says why and what to do."""
