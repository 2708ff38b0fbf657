"""Outcomes from trading's own tables, held against pandas; splits, repeats and kills change nothing."""

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from django.db import connection
from django.utils import timezone

from ai.models import ModelCutoff
from evaluation.models import DailyBar, JobMark, Outcome
from evaluation.services.outcomes.job import OutcomesJob, label_outcomes
from tests import forked
from tests.e2e.system import environment, held
from tests.evaluation.services.years import COINS, Market, Said, decide, market, stocks
from tests.factories import make_agent, make_strategy
from tests.waiting import wait_until
from trading.models import AIDecision, BarHistory, Cycle, Strategy

FIRST = date(2026, 1, 5)
STOCKS = stocks(12)
SPECS = {"excess-1s-v1": 1, "excess-5s-v1": 5, "excess-20s-v1": 20}


def some_words(random: np.random.Generator, names: Sequence[str]) -> list[Said]:
    """Return what a careless model says of each."""
    return [
        Said(
            name,
            str(random.choice(["buy", "sell", "hold"])),
            f"{random.integers(0, 101) / 100:.2f}",
            float(random.normal(0, 0.01)),
            None if (judged := random.integers(0, 3)) == 0 else bool(judged - 1),
        )
        for name in names
    ]


def play(world: Market, days: Sequence[date], *, strategy: Strategy, seed: int = 7) -> None:
    """Two cycles a session, the second of which says something else."""
    random = np.random.default_rng(seed)
    names = list(world.closes.columns)
    for day in days:
        decide(world, day, some_words(random, names), strategy=strategy)
        decide(world, day, some_words(random, names), strategy=strategy, hours_before_close=2)


def evening_after(world: Market, day: date) -> datetime:
    """Return a moment at which the bars of a session are known."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1, hours=2)


def reference(world: Market) -> pd.DataFrame:
    """Return the outcomes of what is in the tables, by pandas alone: no code of ours but the table's columns."""
    frame = pd.DataFrame(
        AIDecision.objects.values("id", "as_of", "symbol", "action", "price", "cycle_id", "reason")
    )
    frame["price"] = frame.price.astype(float)
    closes_at = pd.Series({pd.Timestamp(at): day for day, at in world.closes_at.items()}).sort_index()
    frame["day"] = [closes_at[closes_at.index >= at].iloc[0] for at in frame.as_of]
    frame["coin"] = frame.symbol.str.contains("/")
    tables = []
    for spec, horizon in SPECS.items():
        later = world.closes.shift(-horizon)
        due = [later.loc[day, symbol] for day, symbol in zip(frame.day, frame.symbol, strict=True)]
        one = frame.assign(spec=spec, own=np.array(due) / frame.price - 1)
        one["market"] = one.groupby(["cycle_id", "coin"]).own.transform("mean")
        tables.append(one.assign(excess=one.own - one.market))
    every = pd.concat(tables).dropna(subset=["excess"]).sort_values(["as_of", "id"])
    key = ["day", "symbol", "spec"]
    firsts = every.groupby(key).head(1).assign(is_first=True)
    wishes = every[every.action != "hold"].groupby(key).head(1).assign(is_first=False)
    return (
        pd.concat([firsts, wishes])
        .drop_duplicates(["id", "spec"])
        .set_index(["id", "spec"])
        .rename_axis(["decision_id", "label_spec"])
    )


def stored() -> pd.DataFrame:
    columns = (
        "decision_id",
        "label_spec",
        "action",
        "excess_return",
        "right",
        "missed",
        "is_first",
        "symbol",
    )
    rows = Outcome.objects.filter(excess_return__isnull=False).values(*columns)
    return pd.DataFrame(rows).set_index(["decision_id", "label_spec"])


@pytest.mark.django_db
def test_thousands_of_outcomes_equal_those_of_pandas_and_come_out_the_same_again() -> None:
    world = market([*STOCKS, *COINS], FIRST, 60)
    play(world, world.days[5:45], strategy=make_strategy())
    world.tell(world.days[-1] + timedelta(days=1))

    done = label_outcomes(evening_after(world, world.days[-1]))

    expected, found = reference(world), stored()
    assert done.known == len(found) == len(expected) > 1_000
    assert AIDecision.objects.count() == 40 * 2 * 18
    joined = found.join(expected, lsuffix="_found", how="inner")
    assert len(joined) == len(found)
    assert np.abs(joined.excess_return.astype(float) - joined.excess).max() < 5e-8
    assert (joined.is_first_found == joined.is_first).all()
    cost = np.where(joined.coin, 0.0064, 0.0008)
    sure = np.abs(joined.excess - np.where(joined.action == "sell", 0, cost)) > 1e-7
    assert sure.mean() > 0.99
    bought, held_on = sure & (joined.action == "buy"), sure & (joined.action == "hold")
    assert (joined.right[bought] == (joined.excess > cost)[bought]).all()
    sold = sure & (joined.action == "sell")
    assert (joined.right[sold] == (joined.excess < 0)[sold]).all()
    assert (joined.missed[held_on] == (joined.excess > cost)[held_on]).all()
    before = list(Outcome.objects.order_by("pk").values())
    label_outcomes(evening_after(world, world.days[-1]))
    assert list(Outcome.objects.order_by("pk").values()) == before


@pytest.mark.django_db
def test_a_split_between_decision_and_label_changes_nothing() -> None:
    strategy = make_strategy()
    found = []
    for split in ({}, {STOCKS[0]: (date(2026, 1, 21), 4), STOCKS[1]: (date(2026, 1, 16), 10)}):
        Outcome.objects.all().delete()
        DailyBar.objects.all().delete()
        AIDecision.objects.all().delete()
        JobMark.objects.all().delete()
        world = market(STOCKS, FIRST, 45)
        world.split = split
        play(world, world.days[5:20], strategy=strategy)
        for day in (*world.days[6:22:3], world.days[-1]):
            world.tell(day + timedelta(days=1))
            label_outcomes(evening_after(world, day))
        found.append(list(Outcome.objects.order_by("as_of", "symbol", "label_spec").values_list(
            "symbol", "label_spec", "action", "right", "missed", "excess_return"
        )))  # fmt: skip

    plain, with_splits = found
    assert len(plain) == len(with_splits) > 500
    assert DailyBar.objects.filter(symbol=STOCKS[0], revision=2).exists(), "the split was told as revisions"
    assert [row[:5] for row in plain] == [row[:5] for row in with_splits]
    assert max(abs(a[5] - b[5]) for a, b in zip(plain, with_splits, strict=True)) <= Decimal("0.00000001")


@pytest.mark.django_db
def test_what_was_noted_outlives_its_decisions_and_prices() -> None:
    world = market(STOCKS, FIRST, 45)
    day = world.days[10]
    decide(world, day, [Said(name, "buy") for name in STOCKS], strategy=make_strategy())
    world.tell(day)
    label_outcomes(world.closes_at[day])
    assert Outcome.objects.filter(resolved_at__isnull=True).count() == 3 * len(STOCKS)

    AIDecision.objects.all().delete()
    Cycle.objects.all().delete()
    world.tell(world.days[-1])
    done = label_outcomes(evening_after(world, world.days[40]))

    assert (done.known, done.unresolvable, done.waiting) == (3 * len(STOCKS), 0, 0)


@pytest.mark.django_db
def test_what_cannot_be_resolved_says_why() -> None:
    world = market(STOCKS, FIRST, 45)
    gone, halted, unknown = STOCKS[:3]
    day = world.days[10]
    decide(world, day, [Said(name, "buy") for name in STOCKS], strategy=make_strategy())
    world.closes.loc[world.days[12] :, gone] = np.nan
    world.closes.loc[world.days[15], halted] = np.nan
    world.closes.loc[: world.days[9], unknown] = np.nan  # the source has forgotten what was before
    world.tell(world.days[-1])

    label_outcomes(evening_after(world, world.days[40]))

    said = Outcome.objects.filter(label_spec="excess-5s-v1").exclude(reason="")
    assert dict(said.values_list("symbol", "reason")) == {
        gone: "delisted",
        halted: "halted",
        unknown: "no_common_bar",
    }
    assert not Outcome.objects.filter(resolved_at__isnull=True).exists()
    rest = Outcome.objects.filter(symbol=STOCKS[5], label_spec="excess-5s-v1").get()
    assert (rest.reason, rest.members) == ("", len(STOCKS) - 1), "who ended stays at its last close"


@pytest.mark.django_db
def test_nothing_is_resolved_before_its_close_or_its_bars() -> None:
    world = market(STOCKS, FIRST, 45)
    day, due = world.days[10], world.days[11]
    decide(world, day, [Said(name, "buy") for name in STOCKS], strategy=make_strategy())
    world.tell(due)

    early = label_outcomes(world.closes_at[due] - timedelta(seconds=1))
    late = label_outcomes(world.closes_at[due])

    assert (early.known, early.waiting) == (0, 0)
    assert (late.known, late.waiting) == (0, len(STOCKS)), "that day's bar is not told yet"
    world.tell(due + timedelta(days=1))
    assert label_outcomes(evening_after(world, due)).known == len(STOCKS)


@pytest.mark.django_db
def test_whose_opinion_it_is_tells_outcomes_apart() -> None:
    world = market(STOCKS, FIRST, 45)
    day = world.days[10]
    one, other = make_strategy(), make_strategy()
    words = [Said(name, "buy") for name in STOCKS[:6]]
    decide(world, day, words, strategy=one)
    decide(world, day, words, strategy=one)
    decide(world, day, words, strategy=one, prompt="decisions-v3")
    decide(world, day, words, strategy=one, model="openai/a", answered_model="a-2026-01")
    decide(world, day, words, strategy=one, model="openai/a", answered_model="a-2026-02")
    decide(world, day, words, strategy=other)
    decide(world, world.days[11], words, strategy=one)
    world.tell(world.days[12])

    label_outcomes(world.closes_at[world.days[11]])

    assert Outcome.objects.count() == 6 * len(words) * 3
    assert Outcome.objects.filter(strategy_id=one.pk, session=day).count() == 4 * len(words) * 3


@pytest.mark.django_db
def test_windows_follow_what_is_known_of_the_models_training() -> None:
    world = market(STOCKS, FIRST, 45)
    strategy, words = make_strategy(), [Said(name, "buy") for name in STOCKS[:5]]
    day = world.days[10]
    decide(world, day, words, strategy=strategy)
    decide(world, day, words, strategy=strategy, model="openai/a", answered_model="a-2026-01")
    world.tell(day)

    def windows() -> set[tuple[str, str]]:
        label_outcomes(world.closes_at[day])
        return set(Outcome.objects.values_list("model", "window"))

    assert windows() == {("builtin/technical-v1", "untrained"), ("openai/a", "grey")}
    ModelCutoff.objects.create(pattern="openai/*", trained_until=date(2026, 6, 1), source="a page")
    assert ("openai/a", "inside") in windows()
    ModelCutoff.objects.create(pattern="a-2026*", trained_until=date(2025, 11, 1), source="a page")
    assert ("openai/a", "grey") in windows()
    ModelCutoff(pattern="a-2026*", trained_until=date(2025, 3, 1), source="a page").save()
    assert ("openai/a", "clean") in windows()


@pytest.mark.django_db
def test_the_gates_word_comes_later_where_a_person_was_asked() -> None:
    world = market(STOCKS, FIRST, 45)
    day = world.days[10]
    words = [
        Said(STOCKS[0], "buy", allowed=True),
        Said(STOCKS[1], "buy", allowed=False),
        Said(STOCKS[2], "buy"),
    ]
    decide(world, day, words, strategy=make_strategy())
    world.tell(day)
    label_outcomes(world.closes_at[day])
    judged = AIDecision.objects.get(symbol=STOCKS[0])
    AIDecision.objects.filter(symbol=STOCKS[2]).update(
        risk_check=judged.risk_check, reason="", status="executed"
    )

    label_outcomes(world.closes_at[day])

    said = set(Outcome.objects.values_list("symbol", "verdict", "verdict_reason"))
    assert said == {
        (STOCKS[0], "passed", ""),
        (STOCKS[1], "denied", "low_confidence"),
        (STOCKS[2], "passed", ""),
    }


@pytest.mark.django_db
def test_an_hour_of_market_time_makes_it_due_again() -> None:
    now = timezone.now()
    job = OutcomesJob()
    assert job.due() == ()
    make_agent(market_time=now, market_time_read_at=now)
    assert len(job.due()) == 1

    JobMark.objects.create(job="outcomes", market_time=now, done_at=now - timedelta(minutes=5))

    assert job.due() == ()
    make_agent(market_time=now + timedelta(hours=1), market_time_read_at=now)
    assert len(job.due()) == 1
    JobMark.objects.update(done_at=now)
    assert job.due() == (), "a replay's hours may pass in a second"


@pytest.mark.system
@pytest.mark.django_db(transaction=True)
def test_whoever_is_killed_in_the_middle_has_lost_nothing(tmp_path: Path) -> None:
    world = market(STOCKS, FIRST, 45)
    strategy = make_strategy()
    play(world, world.days[5:20], strategy=strategy)
    world.tell(world.days[-1])
    now = evening_after(world, world.days[40])
    make_agent(market_time=now, market_time_read_at=timezone.now())
    log = tmp_path / "evaluator.log"

    with held("LOCK TABLE outcomes IN EXCLUSIVE MODE"):
        process = forked.start([sys.executable, "manage.py", "evaluator"], env=environment(), log=log)
        wait_until(waits_for_outcomes, seconds=120, what="it waits for the table")
        process.kill()
        process.join(60)
    assert not Outcome.objects.exists()
    assert JobMark.objects.filter(cycle_number__gt=0).count() == 0

    done = forked.run([sys.executable, "manage.py", "evaluator", "--once"], env=environment(), seconds=240)

    assert done.returncode == 0, done.stdout
    found = Outcome.objects.count()
    assert Outcome.objects.filter(resolved_at__isnull=True).count() == 0
    JobMark.objects.all().delete()
    label_outcomes(now)
    assert Outcome.objects.count() == found == reference_count()


def waits_for_outcomes() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'outcomes'::regclass")
        return bool(cursor.fetchone()[0])


def reference_count() -> int:
    """Return how many rows there should be: of each session and symbol one, two where a hold came first."""
    rows = pd.DataFrame(AIDecision.objects.order_by("as_of").values("as_of", "symbol", "action"))
    rows["day"] = [at.date() for at in rows.as_of]
    count = 0
    for _, group in rows.groupby(["day", "symbol"]):
        count += 1 + int(group.action.iloc[0] == "hold" and (group.action != "hold").any())
    return 3 * count


@pytest.mark.django_db
def test_symbols_that_left_the_universe_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = market(STOCKS, FIRST, 45)
    day, due = world.days[10], world.days[11]
    decide(world, day, [Said(name, "buy") for name in STOCKS], strategy=make_strategy())
    world.tell(due + timedelta(days=1))
    BarHistory.objects.filter(symbol__in=STOCKS[:3]).delete()
    asked: list[tuple[list[str], date]] = []

    def refresh(symbols: list[str], *, day: date, within_seconds: float) -> None:
        asked.append((symbols, day))
        for symbol in symbols:
            BarHistory.objects.create(
                symbol=symbol, market_date=day, bars=world.history(symbol, day), fetched_at=timezone.now()
            )

    monkeypatch.setattr("evaluation.services.outcomes.bars.refresh", refresh)
    done = label_outcomes(evening_after(world, due))

    assert asked == [(sorted(STOCKS[:3]), due + timedelta(days=1))]
    assert done.known == len(STOCKS)
