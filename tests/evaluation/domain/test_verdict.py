"""The verdict line says what the intervals carry, and nothing before there is enough."""

from dataclasses import replace

import pytest

from evaluation.domain.figures import Figure, Window, unknown
from evaluation.domain.verdict import (
    Confidence,
    Evidence,
    Standing,
    Steadiness,
    confidence_of,
    steadiness_of,
    verdict_line,
)


def figure(value: float, low: float, high: float, *, n: int = 500, window: Window = Window.CLEAN) -> Figure:
    return Figure(value, low, high, n, n / 5, window)


OPEN = Evidence(
    sessions=250,
    decisions=1_200,
    excess=figure(0.0012, -0.0009, 0.0033),
    coefficient=figure(0.021, 0.002, 0.04),
    trials=12,
)


def test_not_told_apart_says_when_it_could_be() -> None:
    found = verdict_line(OPEN)

    assert found.standing is Standing.SAME
    assert found.sessions_until_told == 766
    assert found.sentence == (
        "Not told apart from equal weight: excess +0.12 % [-0.09 %, +0.33 %], 1200 decisions in 250 sessions, "
        "12 trials. If it stays so, 766 sessions in all would tell. Per decision: IC +0.021 [+0.002, +0.040]."
    )


@pytest.mark.parametrize(
    ("excess", "standing"),
    [(figure(0.002, 0.001, 0.003), Standing.BETTER), (figure(-0.002, -0.003, -0.001), Standing.WORSE)],
)
def test_outside_the_interval_is_told(excess: Figure, standing: Standing) -> None:
    found = verdict_line(replace(OPEN, excess=excess, coefficient=None, trials=1))

    assert (found.standing, found.sessions_until_told) == (standing, 250)
    assert found.sentence.startswith(f"{standing.value.capitalize()} equal weight: excess ")
    assert "would tell" not in found.sentence


def test_an_estimate_of_nothing_would_never_be_told() -> None:
    found = verdict_line(replace(OPEN, excess=figure(0.00001, -0.002, 0.002)))

    assert "At this rate no useful time would tell." in found.sentence


@pytest.mark.parametrize(("sessions", "decisions"), [(19, 5_000), (250, 99)])
def test_with_too_little_the_clearest_figure_says_nothing(sessions: int, decisions: int) -> None:
    clear = replace(
        OPEN, sessions=sessions, decisions=decisions, excess=figure(0.1, 0.09, 0.11), coefficient=None
    )

    found = verdict_line(clear)

    assert (found.standing, found.sessions_until_told) == (Standing.EARLY, None)
    assert found.sentence == (
        f"Too early to say: {sessions} of 20 sessions, {decisions} of 100 decisions have an outcome."
    )


def test_an_unknown_figure_says_why() -> None:
    found = verdict_line(replace(OPEN, excess=unknown("25 of at least 30 sessions"), coefficient=None))

    assert found.sentence == "Too early to say: 25 of at least 30 sessions."


@pytest.mark.parametrize("window", [Window.INSIDE, Window.GREY, Window.MIXED])
def test_inside_the_training_nothing_is_said_of_skill(window: Window) -> None:
    found = verdict_line(replace(OPEN, excess=figure(0.1, 0.09, 0.11, window=window)))

    assert found.standing is Standing.EARLY
    assert found.sentence.startswith("Nothing can be said of skill")


@pytest.mark.parametrize(
    ("over", "sessions", "told"),
    [
        (figure(0.3, 0.25, 0.35), 60, Confidence.OVER),
        (figure(-0.1, -0.15, -0.05), 60, Confidence.UNDER),
        (figure(0.01, -0.02, 0.04), 60, Confidence.FITTING),
        (figure(0.3, 0.25, 0.35), 19, Confidence.EARLY),
        (figure(0.3, 0.25, 0.35, n=99), 60, Confidence.EARLY),
        (unknown("too few"), 60, Confidence.EARLY),
    ],
)
def test_what_is_told_of_confidence(over: Figure, sessions: int, told: Confidence) -> None:
    assert confidence_of(over, sessions=sessions) is told


@pytest.mark.parametrize(
    ("agreement", "told"),
    [
        (figure(0.99, 0.98, 1.0), Steadiness.STEADY),
        (figure(0.7, 0.65, 0.75), Steadiness.UNSTEADY),
        (figure(0.9, 0.85, 0.95), Steadiness.OPEN),
        (unknown("too few"), Steadiness.EARLY),
    ],
)
def test_what_is_told_of_steadiness(agreement: Figure, told: Steadiness) -> None:
    assert steadiness_of(agreement) is told
