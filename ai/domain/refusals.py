"""What a refused request says of its cause: stable words for people, and what may be asked instead."""

import enum
import re


class Cause(enum.StrEnum):
    """Why a model refused; stored in events, so the words stay."""

    CONTENT_FILTER = "content_filter"
    CONTEXT_LENGTH = "context_length"
    NO_CREDIT = "no_credit"
    MODEL_UNKNOWN = "model_unknown"


class AnswerForm(enum.StrEnum):
    """How the shape of the answer is asked for, the strictest first; stored with what was learnt, so the words stay.

    ``GUIDED`` is JSON mode with the schema beside it, which llama.cpp's servers follow.
    """

    SCHEMA = "json_schema"
    GUIDED = "json_object_schema"
    OBJECT = "json_object"
    NONE = "none"

    @property
    def simpler(self) -> "AnswerForm | None":
        """The next form to ask in, None where there is none."""
        forms = list(AnswerForm)
        place = forms.index(self) + 1
        return forms[place] if place < len(forms) else None


_FORM = re.compile(
    r"response[_ -]?(?:format|schema|mime[_ ]?type)|json[_ -]?(?:schema|object|mode)|structured[_ -]outputs?"
    r"|guided[_ -](?:json|decoding)|grammar",
    re.IGNORECASE,
)
_TEMPERATURE = re.compile(r"\btemperature\b", re.IGNORECASE)
# In this order: a content filter may quote a prompt that speaks of credit.
_CAUSES = (
    (
        Cause.CONTENT_FILTER,
        r"content[_ -]?(?:filter|management|policy)|ResponsibleAIPolicy|safety (?:system|policy)|moderation",
    ),
    (
        Cause.CONTEXT_LENGTH,
        r"context[_ -]?(?:length|window|size)|maximum context|exceed\w* (?:the )?(?:available |maximum )?context"
        r"|(?:prompt|input|request) (?:is )?too (?:long|large)|too many (?:input )?tokens|\bn_ctx\b|max_model_len"
        r"|reduce the length",
    ),
    (
        Cause.NO_CREDIT,
        r"insufficient[_ ](?:balance|quota|credits?|funds)|credit balance|out of credits?|payment required"
        r"|exceeded your current quota|billing",
    ),
    (
        Cause.MODEL_UNKNOWN,
        r"model[_ ]not[_ ]found|(?:unknown|no such|invalid) model|model\b.{0,120}\b(?:does not exist|not found"
        r"|is not (?:available|supported|a valid model))",
    ),
)
_KNOWN = tuple((cause, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for cause, pattern in _CAUSES)


def cause_of(status: int | None, words: str) -> Cause | None:
    """Return why a request was refused, None where neither status nor words tell."""
    if status == 402:
        return Cause.NO_CREDIT
    if status == 413:
        return Cause.CONTEXT_LENGTH
    found = next((cause for cause, pattern in _KNOWN if pattern.search(words)), None)
    return Cause.MODEL_UNKNOWN if found is None and status == 404 else found


def refuses_form(words: str) -> bool:
    """Return whether a refusal is about the form that the answer was asked for in."""
    return bool(_FORM.search(words))


def refuses_temperature(words: str) -> bool:
    """Return whether a refusal is about the temperature."""
    return bool(_TEMPERATURE.search(words))
