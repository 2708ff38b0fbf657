"""What a replay changes, as a value that can be stored and taken up again; everything else stays as it was."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from ai.domain.prompt import PROMPT_VERSION, WITHOUT_THESES
from ai.replaying import MOST_SAMPLES, AnswerPolicy
from ai.routing import unaskable
from evaluation.errors import VariationError
from risk.domain.types import LimitValues
from risk.services.limits import LIMIT_FIELDS, PERCENT_FIELDS, check_limits
from trading.domain.protection.plans import ExitRules
from trading.domain.protection.rule_bounds import RULE_NAMES, rule_problems
from trading.models import Strategy, StrategyVersion

PROMPTS = (PROMPT_VERSION, WITHOUT_THESES)
LIMITS, STOPS = tuple(LIMIT_FIELDS), tuple(RULE_NAMES)


@dataclass(frozen=True, slots=True)
class Variation:
    """What is other than it was; None or empty: as recorded.

    Args:
        limits: of the account, in percent of equity or a count, as text by name.
        stops: of the strategy's exit rules, as text by name.
        samples: how many answers are asked for to each question.
        strategy: NAME@VERSION whose instructions and rules stand in place of each decision's own.
    """

    models: tuple[str, ...] = ()
    strategy: str = ""
    prompt: str | None = None
    instructions: str | None = None
    temperature: float | None = None
    samples: int = 1
    threshold: str | None = None
    limits: Mapping[str, str] = field(default_factory=dict)
    stops: Mapping[str, str] = field(default_factory=dict)
    policy: AnswerPolicy = AnswerPolicy.REPLAY

    @property
    def asks_otherwise(self) -> bool:
        """Whether the question changes, or several answers are wanted: else only what follows from the answers does."""
        changed = self.models or self.prompt or self.strategy or self.instructions is not None
        return bool(changed) or self.temperature is not None or self.samples > 1

    @property
    def changes_rules(self) -> bool:
        """Whether the gate judges by other rules."""
        return bool(self.threshold or self.limits or self.stops or self.strategy)

    @property
    def changes_nothing(self) -> bool:
        """Whether it only asks for the same again."""
        return not (self.asks_otherwise or self.changes_rules)

    def limited(self, limits: LimitValues) -> LimitValues:
        """Return the account's limits with what is changed of them."""
        changed: dict[str, Any] = {
            name: int(value) if name == "max_positions" else Decimal(value)
            for name, value in self.limits.items()
        }
        return replace(limits, **changed)

    def protected(self, rules: ExitRules) -> ExitRules:
        """Return a strategy's exit rules with what is changed of them."""
        changed: dict[str, Any] = {
            name: int(value) if name == "time_stop_sessions" else Decimal(value)
            for name, value in self.stops.items()
        }
        return replace(rules, **changed)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "models": list(self.models), "policy": self.policy.value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Variation":
        """Return what ``to_json`` wrote."""
        read = {"models": tuple(values["models"]), "policy": AnswerPolicy(values["policy"])}
        return cls(**{**values, **read})


def checked(variation: Variation, *, api_base: str | None) -> Variation:
    """Return the variation if all of it can be had.

    Raises:
        VariationError: names the first that cannot, and what was expected.
    """
    for model, expected in unaskable(variation.models, api_base=api_base).items():
        raise VariationError(f"model: was {model!r}, {expected}")
    if variation.strategy:
        variation = replace(variation, strategy=_whole_name(variation.strategy))
    if variation.prompt is not None and variation.prompt not in PROMPTS:
        raise VariationError(f"prompt: was {variation.prompt!r}, expected {' or '.join(PROMPTS)}")
    if not 1 <= variation.samples <= MOST_SAMPLES:
        raise VariationError(
            f"samples: was {variation.samples}, expected a whole number from 1 to {MOST_SAMPLES}"
        )
    if variation.temperature is not None and not 0 <= variation.temperature <= 2:
        raise VariationError(f"temperature: was {variation.temperature}, expected a number from 0 to 2")
    if variation.threshold is not None:
        threshold = _decimal("threshold", variation.threshold)
        if not 0 <= threshold <= 1:
            raise VariationError(f"threshold: was {variation.threshold}, expected a number from 0 to 1")
    known_names("limits", variation.limits, LIMITS)
    known_names("stops", variation.stops, STOPS)
    _check_limits(variation.limits)
    _check_stops(variation.stops)
    return variation


def strategy_content(name: str) -> Mapping[str, Any]:
    """Return the strategy of a whole name (NAME@VERSION) as it was in that version.

    Raises:
        VariationError: it is not on record.
    """
    strategy, _, version = name.rpartition("@")
    kept = StrategyVersion.objects.filter(strategy__name=strategy, version=version).first()
    if kept is None:
        raise VariationError(f"strategy: was {name!r}, but this version is not on record")
    content: Mapping[str, Any] = kept.content
    return content


def _whole_name(said: str) -> str:
    """Return NAME@VERSION of a name with its version, or without: the newest then."""
    name, separator, version = said.rpartition("@")
    rows = StrategyVersion.objects.filter(strategy__name=name if separator else said)
    known = list(rows.order_by("-version").values_list("version", flat=True)[:20])
    if not known:
        names = ", ".join(Strategy.objects.order_by("name").values_list("name", flat=True)[:10])
        raise VariationError(f"strategy: was {said!r}, expected NAME or NAME@VERSION, of {names}")
    if not separator:
        return f"{said}@{known[0]}"
    if version not in map(str, known):
        raise VariationError(
            f"strategy: was {said!r}, expected a version on record: {', '.join(map(str, known))}"
        )
    return said


def known_names(name: str, said: Iterable[str], known: tuple[str, ...]) -> None:
    """Refuse names that nobody knows.

    Raises:
        VariationError: names the first, and the nearest.
    """
    for key in said:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise VariationError(f"{name}: was {key!r}, expected one of {', '.join(known)}{hint}")


def pairs(name: str, text: str, known: tuple[str, ...]) -> dict[str, str]:
    """Return ``a=1,b=2`` as a mapping.

    Raises:
        VariationError: it is none, or a name is not known.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, separator, value = (each.strip() for each in part.partition("="))
        if not separator or not value:
            raise VariationError(f"{name}: was {part!r}, expected name=value, e.g. {known[0]}=5")
        known_names(name, [key], known)
        found[key] = value
    return found


def _check_limits(limits: Mapping[str, str]) -> None:
    values: dict[str, Decimal | int] = {}
    for name, text in limits.items():
        number = _decimal(name, text)
        if name not in PERCENT_FIELDS and number != int(number):
            raise VariationError(f"{name}: was {text}, expected a whole number")
        values[name] = number if name in PERCENT_FIELDS else int(number)
    for problem in check_limits(values).values():
        raise VariationError(problem)


def _check_stops(stops: Mapping[str, str]) -> None:
    numbers = {name: _decimal(name, text) for name, text in stops.items()}
    sessions = numbers.get("time_stop_sessions")
    if sessions is not None and sessions != int(sessions):
        raise VariationError(f"time_stop_sessions: was {sessions}, expected a whole number")
    for problem in rule_problems(numbers).values():
        raise VariationError(problem)


def _decimal(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise VariationError(f"{name}: was {text!r}, expected a number")
    return number
