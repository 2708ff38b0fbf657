"""What can go wrong when a model is asked, told apart by what the caller may do next."""

from decimal import Decimal


class AiError(Exception):
    """Base of all errors of the ai room."""


class ModelError(AiError):
    """A model call that gave nothing usable.

    Args:
        model: the litellm name that was asked.
        detail: what happened, already redacted (no keys).
    """

    kind = "failed"

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"{model}: {detail}")
        self.model = model
        self.detail = detail


class ModelTimeoutError(ModelError):
    """No complete answer within the time given: another model may be asked."""

    kind = "timeout"


class ModelUnavailableError(ModelError):
    """429, 5xx or no connection: another model may be asked, this one later.

    Args:
        retry_after_seconds: the provider's own Retry-After, None where it gave none.
    """

    def __init__(self, model: str, detail: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(model, detail)
        self.retry_after_seconds = retry_after_seconds


class ModelRejectedError(ModelError):
    """4xx: the request, the key or the model name is wrong; a repeat gets the same answer."""


class ModelAnswerError(ModelError):
    """The provider answered, but not with a complete text: no choices, a refusal, cut at the length limit.

    Args:
        text: what there was of the answer, for the record.
        prompt_tokens: tokens that were paid for nonetheless, like ``completion_tokens`` and ``cost_usd``.
    """

    kind = "invalid"

    def __init__(
        self,
        model: str,
        detail: str,
        *,
        text: str = "",
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        cost_usd: Decimal | None = None,
    ) -> None:
        super().__init__(model, detail)
        self.text = text
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.cost_usd = cost_usd
