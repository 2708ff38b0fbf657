"""What can go wrong when a model is asked, told apart by what the caller may do next."""

from decimal import Decimal

from ai.domain.refusals import Cause


class AiError(Exception):
    """Base of all errors of the ai room."""


class ModelError(AiError):
    """A model call that gave nothing usable.

    Args:
        model: the litellm name that was asked.
        detail: what happened, already redacted (no keys).
        refusal: why the provider refused, where it said so.
        may_be_simpler: the status was one that servers answer to a form or a field they do not know.
    """

    kind = "failed"

    def __init__(
        self, model: str, detail: str, *, refusal: Cause | None = None, may_be_simpler: bool = False
    ) -> None:
        super().__init__(f"{model}: {detail}")
        self.model = model
        self.detail = detail
        self.refusal = refusal
        self.may_be_simpler = may_be_simpler

    @property
    def cause(self) -> str:
        """A stable word for why: what the provider said, or the kind of failure."""
        return self.refusal or self.kind


class ModelTimeoutError(ModelError):
    """No complete answer within the time given: another model may be asked."""

    kind = "timeout"


class ModelUnavailableError(ModelError):
    """429, 5xx or no connection: another model may be asked, this one later.

    Args:
        retry_after_seconds: the provider's own Retry-After, None where it gave none.
    """

    def __init__(
        self,
        model: str,
        detail: str,
        retry_after_seconds: float | None = None,
        *,
        refusal: Cause | None = None,
        may_be_simpler: bool = False,
    ) -> None:
        super().__init__(model, detail, refusal=refusal, may_be_simpler=may_be_simpler)
        self.retry_after_seconds = retry_after_seconds


class ModelRejectedError(ModelError):
    """4xx: the request, the key or the model name is wrong; a repeat gets the same answer.

    Another model is asked only where the provider said why (``refusal``): then it is no setting of ours.
    """


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
