"""What shadows wanted to trade is held against what came of it, as what traded is, and never mixed with it."""

import pytest
from pytest_django import Settings

from evaluation.domain.outcomes import LabelSpec
from evaluation.models import JobMark, Outcome, ShadowBook, ShadowDecision
from evaluation.services.calibration.scopes import scopes
from evaluation.services.outcomes.noting import note_new
from evaluation.services.outcomes.noting_shadows import mark_of, note_shadows
from evaluation.services.shadow import running
from tests.ai.chat_server import ChatServer
from tests.evaluation.services.replay.scenes import LIVE, deciding, use_models
from tests.evaluation.services.shadow.scenes import ALL, next_cycle
from tests.factories import make_asset, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from trading.models import AIDecision, Strategy

AT = {STOCK: 100, OTHER_STOCK: 50, COIN: 20_000}
LABELS = [each.value for each in LabelSpec]


@pytest.fixture
def shadow(account: Outside, chat_server: ChatServer, settings: Settings) -> Strategy:
    """A live strategy that buys a coin, and a shadow of the same model's that buys a stock surely and one hardly."""
    make_strategy(name="Live", model_names=[LIVE])
    for symbol in ALL:
        make_asset(symbol)
    chat_server.handlers["live"] = deciding({COIN: ("buy", 0.8)})
    chat_server.handlers["shadow"] = deciding({STOCK: ("buy", 0.9), OTHER_STOCK: ("buy", 0.6)})
    settings.ENVIRONMENT = settings.ENVIRONMENT  # put back afterwards, whatever is set here
    use_models(chat_server, LIVE, budget="5")
    return make_strategy(name="Shadow", is_shadow=True, model_names=["openai/shadow"])


def decided(strategy: Strategy) -> ShadowBook:
    next_cycle(AT)
    running.catch_up(strategy)
    return ShadowBook.objects.get(strategy=strategy)


def shadows() -> list[Outcome]:
    return list(Outcome.objects.filter(origin="shadow").order_by("symbol", "horizon"))


def test_what_it_wanted_has_a_row_for_each_label(shadow: Strategy) -> None:
    decided(shadow)

    assert note_shadows() == 2

    rows = shadows()
    assert [row.label_spec for row in rows] == LABELS * 2
    for row in rows:
        of = ShadowDecision.objects.get(pk=row.decision_id)
        assert (row.symbol, row.price, row.confidence, row.as_of) == (
            of.symbol,
            of.price,
            of.confidence,
            of.as_of,
        )
        assert (row.strategy_id, row.strategy_version, row.model) == (shadow.pk, 1, "openai/shadow")
        assert (row.is_first, row.resolved_at) == (False, None)
    said = {row.symbol: (row.verdict, row.verdict_reason) for row in rows}
    assert said == {STOCK: ("passed", ""), OTHER_STOCK: ("denied", "low_confidence")}


def test_of_a_session_the_first_wish_counts_and_each_cycle_is_read_once(shadow: Strategy) -> None:
    book = decided(shadow)
    note_shadows()
    before = [row.pk for row in shadows()]

    decided(shadow)

    assert ShadowDecision.objects.filter(symbol=OTHER_STOCK).count() == 2
    assert note_shadows() == 0
    assert [row.pk for row in shadows()] == before
    assert (
        JobMark.objects.get(job=mark_of(book)).cycle_number == book.points.latest("cycle_number").cycle_number
    )


def test_a_cycle_that_is_forgotten_is_passed_over(shadow: Strategy) -> None:
    decided(shadow)
    AIDecision.objects.all().delete()

    assert note_shadows() == 0

    assert shadows() == []


def test_a_model_whole_is_what_it_said_to_those_that_trade(shadow: Strategy) -> None:
    Strategy.objects.filter(pk=shadow.pk).update(model_names=[LIVE])
    shadow.refresh_from_db()
    decided(shadow)
    note_new("test")
    note_shadows()
    Outcome.objects.update(
        excess_return="0.01", symbol_return="0.01", resolved_at="2026-01-05T00:00Z", members=3, right=True
    )

    found = {scope.strategy_id: scope for scope in scopes([LabelSpec.ONE_SESSION]) if scope.model == LIVE}

    assert {None, shadow.pk} <= set(found)
    origins = {name: set(scope.rows().values_list("origin", flat=True)) for name, scope in found.items()}
    assert (origins[None], origins[shadow.pk]) == ({"live"}, {"shadow"})


def test_a_model_that_only_shadows_has_its_parts_alone(shadow: Strategy) -> None:
    decided(shadow)
    note_shadows()
    Outcome.objects.update(
        excess_return="0.01", symbol_return="0.01", resolved_at="2026-01-05T00:00Z", members=3, right=True
    )

    assert {(scope.model, scope.strategy_id) for scope in scopes(list(LabelSpec))} == {
        ("openai/shadow", shadow.pk)
    }
