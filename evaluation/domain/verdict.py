"""The verdict line: what may be said of an agent by fixed rules, and when more could be."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evaluation.domain.figures import Figure, Window
from evaluation.domain.sample_sizes import until_told

# Below either nothing is said, whatever the figures show.
LEAST_SESSIONS, LEAST_DECISIONS = 20, 100
STEADY_AGREEMENT = 0.9
_YEARS_NOBODY_WAITS = 20 * 252
# What a model may remember, or what nobody can say of its training, says nothing of skill.
_SILENT = {
    Window.INSIDE: "these decisions lie inside the model's training",
    Window.MIXED: "some of these decisions lie inside the model's training",
    Window.GREY: "the model's training may reach as far as these decisions, or nobody has told how far it does",
}


class Standing(enum.StrEnum):
    """What can be told of a figure against a mark."""

    EARLY = "too early to say"
    WORSE = "worse than"
    SAME = "not told apart from"
    BETTER = "better than"


class Confidence(enum.StrEnum):
    """What can be told of stated confidences."""

    EARLY = "too early to say"
    OVER = "overconfident"
    UNDER = "underconfident"
    FITTING = "not told apart from calibrated"


class Steadiness(enum.StrEnum):
    """What can be told of answers to the same question."""

    EARLY = "too early to say"
    STEADY = "steady"
    UNSTEADY = "unsteady"
    OPEN = "not told apart from steady"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on.

    Args:
        sessions: market sessions with decisions that have an outcome.
        decisions: those decisions.
        excess: mean excess return over the benchmark, a ratio: a session's, or a decision's over its horizon.
        coefficient: mean information coefficient.
        benchmark: in words.
        trials: variants that were tried on the same time, this one among them.
    """

    sessions: int
    decisions: int
    excess: Figure
    coefficient: Figure | None = None
    benchmark: str = "equal weight"
    trials: int = 1


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """A standing, its sentence, and the sessions in all after which it could be told; None: not foreseeable."""

    standing: Standing
    sentence: str
    sessions_until_told: int | None


def standing_of(figure: Figure, *, enough: bool, mark: float = 0.0) -> Standing:
    """Return what an interval tells of ``mark``: outside it is told, inside it is not."""
    if not enough or figure.value is None:
        return Standing.EARLY
    if not figure.excludes(mark):
        return Standing.SAME
    return Standing.BETTER if figure.value > mark else Standing.WORSE


def verdict_line(evidence: Evidence) -> VerdictLine:
    """Return the first line of every page about an agent."""
    enough = evidence.sessions >= LEAST_SESSIONS and evidence.decisions >= LEAST_DECISIONS
    silent = _SILENT.get(evidence.excess.window, "")
    standing = standing_of(evidence.excess, enough=enough and not silent)
    until = until_told(evidence.excess, seen=evidence.sessions) if enough and not silent else None
    if standing is Standing.EARLY:
        opening = _early(evidence, silent)
    else:
        opening = f"{standing.value.capitalize()} {evidence.benchmark}: {_rests_on(evidence)}."
    parts = [opening, *_when(standing, until), *_coefficient(evidence)]
    return VerdictLine(standing, " ".join(parts), until)


def _early(evidence: Evidence, silent: str) -> str:
    if silent:
        return f"Nothing can be said of skill: {silent}."
    seen = f"{evidence.sessions} of {LEAST_SESSIONS} sessions, {evidence.decisions} of {LEAST_DECISIONS} decisions"
    if evidence.sessions >= LEAST_SESSIONS and evidence.decisions >= LEAST_DECISIONS:
        return f"Too early to say: {evidence.excess.reason}."
    return f"Too early to say: {seen} have an outcome."


def _rests_on(evidence: Evidence) -> str:
    excess = evidence.excess
    trials = f", {evidence.trials} trials" if evidence.trials > 1 else ""
    return (
        f"excess {percent(excess.value)} {interval(excess, percent)}, {evidence.decisions} decisions in "
        f"{evidence.sessions} sessions{trials}"
    )


def _when(standing: Standing, until: int | None) -> Sequence[str]:
    if standing is not Standing.SAME:
        return ()
    if until is None or until > _YEARS_NOBODY_WAITS:
        return ("At this rate no useful time would tell.",)
    return (f"If it stays so, {until} sessions in all would tell.",)


def _coefficient(evidence: Evidence) -> Sequence[str]:
    figure = evidence.coefficient
    if figure is None or figure.value is None:
        return ()
    return (f"Per decision: IC {signed(figure.value)} {interval(figure, signed)}.",)


def confidence_of(overconfidence: Figure, *, sessions: int) -> Confidence:
    """Return what can be told of stated less observed."""
    standing = standing_of(
        overconfidence, enough=sessions >= LEAST_SESSIONS and overconfidence.n >= LEAST_DECISIONS
    )
    return {
        Standing.EARLY: Confidence.EARLY,
        Standing.BETTER: Confidence.OVER,
        Standing.WORSE: Confidence.UNDER,
        Standing.SAME: Confidence.FITTING,
    }[standing]


def steadiness_of(agreement: Figure) -> Steadiness:
    """Return what can be told of the share of equal actions: steady from ``STEADY_AGREEMENT`` on."""
    if agreement.low is None or agreement.high is None:
        return Steadiness.EARLY
    if agreement.low >= STEADY_AGREEMENT:
        return Steadiness.STEADY
    return Steadiness.UNSTEADY if agreement.high < STEADY_AGREEMENT else Steadiness.OPEN


def percent(value: float | None) -> str:
    """Return a ratio in percent with its sign: ``+0.12 %``."""
    return "unknown" if value is None else f"{value * 100:+.2f} %"


def signed(value: float | None) -> str:
    """Return a number with its sign and three places."""
    return "unknown" if value is None else f"{value:+.3f}"


def interval(figure: Figure, written: Callable[[float | None], str] = signed) -> str:
    """Return ``[low, high]``."""
    return f"[{written(figure.low)}, {written(figure.high)}]"
