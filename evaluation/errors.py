"""What the evaluation refuses to do, with the fields a caller needs to say why."""


class EvaluationError(Exception):
    """Base of all errors of the evaluation."""


class MalformedObservationsError(EvaluationError, ValueError):
    """Observations that no figure can be computed of: different lengths, not finite, out of bounds."""


class SelectionError(EvaluationError, ValueError):
    """What is to be evaluated cannot be found, or is more than one thing."""


class VariationError(EvaluationError, ValueError):
    """What is to be varied cannot be: the message names it and what was expected."""


class RunStateError(EvaluationError):
    """A run is not in a state in which this can be done; the message names both."""


class NotPublishedError(EvaluationError):
    """Outcomes that carry no trust curve: too few, or of a time the model may remember."""
