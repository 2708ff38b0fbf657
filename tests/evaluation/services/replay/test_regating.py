"""The gate, asked again with the trust of then, another curve's, or none."""

from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from evaluation.errors import VariationError
from evaluation.models import Run
from evaluation.services.replay.orders import Order, order_replay
from evaluation.services.replay.regating import scenes_of
from evaluation.services.replay.running import carry_out
from evaluation.services.replay.selecting import Selection
from evaluation.services.replay.sources import of_decisions, source_from_json, source_to_json
from evaluation.services.replay.variation import Variation, checked
from risk.domain.trust import Knot, Scope, TrustMode
from risk.models import TrustCurve
from risk.services.trust import publish
from tests.ai.chat_server import ChatServer
from tests.evaluation.services.replay.scenes import ALL, LIVE, analysed, deciding, use_models
from tests.factories import make_asset, make_strategy
from tests.trading.outside import STOCK, Outside
from trading.analysis.gate_scene import read_gate_scene
from trading.analysis.sealed_facts import sealed, unsealed
from trading.core.settings import set_runtime_setting
from trading.execution.portfolio import sync_portfolio
from trading.market.market_time import market_now
from trading.models import AIDecision, Cycle, RuntimeSetting


@pytest.fixture(autouse=True)
def served(account: Outside, chat_server: ChatServer, settings: Settings) -> ChatServer:
    """A server whose model buys one stock surely; the market's time is known."""
    make_strategy(name="Momentum", size_percent=Decimal(2), allows_fractions=True)
    for symbol in ALL:
        make_asset(symbol)
    chat_server.handlers["live"] = deciding({STOCK: ("buy", 0.9)})
    settings.ENVIRONMENT = settings.ENVIRONMENT  # put back afterwards, whatever is set here
    use_models(chat_server, LIVE)
    sync_portfolio(None)
    return chat_server


def curve(low: str, **scope: str) -> TrustCurve:
    now = market_now()
    assert now is not None
    return publish(
        scope=Scope(**({"model": LIVE, "answered": "live"} | scope)),
        knots=[Knot(Decimal("0.7"), Decimal("0.6"), Decimal(low), Decimal(200))],
        break_even=Decimal("0.5"),
        reference=Decimal("0.6"),
        valid_until=now + timedelta(days=30),
        label_spec="excess-5s-v1",
        evidence={},
        author="ada",
    )


def replayed(cycle: Cycle, **changes: Any) -> Run:
    variation = checked(Variation(**changes), api_base=None)
    return carry_out(order_replay(Order(Selection(cycle=str(cycle.pk)), variation, None), author="test"))


def share_of(run: Run) -> Decimal:
    """Return what would be bought of what the recorded decision bought."""
    after = run.items.get(symbol=STOCK).after["verdict"]
    check = AIDecision.objects.get(symbol=STOCK).risk_check
    assert check is not None
    return (Decimal(after["quantity"]) / check.quantity).quantize(Decimal("0.001"))


def test_unchanged_it_has_the_trust_of_then_whatever_was_published_since() -> None:
    curve("0.56")
    set_runtime_setting(name="trust_sizing", value="on", actor="ada")
    cycle = analysed()
    curve("0.52")
    set_runtime_setting(name="trust_sizing", value="off", actor="ada")

    run = replayed(cycle)

    [item] = run.items.filter(symbol=STOCK)
    recorded = AIDecision.objects.get(symbol=STOCK).risk_check
    assert recorded is not None
    assert recorded.figures["trust_factor"] == "0.6"
    assert (item.after["moved"], share_of(run)) == ("", 1)


def test_other_curve_and_no_trust_change_the_size_and_ask_nobody(served: ChatServer) -> None:
    cycle = analysed()
    half, later = curve("0.55"), curve("0.53")
    before = len(served.requests)

    first, second = (replayed(cycle, trust=str(each.version)) for each in (half, later))

    assert len(served.requests) == before
    assert (share_of(first), share_of(second)) == (Decimal("0.5"), Decimal("0.3"))


def test_off_gives_back_what_trust_had_taken() -> None:
    curve("0.55")
    set_runtime_setting(name="trust_sizing", value="on", actor="ada")
    cycle = analysed()

    assert share_of(replayed(cycle, trust="off")) == 2


def test_curve_of_another_model_leaves_the_floor_of_then() -> None:
    set_runtime_setting(name="trust_floor", value="0.4", actor="ada")
    cycle = analysed()
    other = curve("0.6", model="openai/other")

    assert share_of(replayed(cycle, trust=str(other.version))) == Decimal("0.4")


@pytest.mark.parametrize("said", ["7", "on", "-1", "", "9" * 30])
def test_version_that_was_never_published_is_refused(said: str) -> None:
    with pytest.raises(VariationError, match=f"trust: was '{said}', expected off or a published version, of"):
        checked(Variation(trust=said), api_base=None)


def test_scene_from_before_trust_was_kept_is_judged_without_it() -> None:
    """Here of a decision that trust shrank to a quarter, so that the difference shows."""
    set_runtime_setting(name="trust_sizing", value="on", actor="ada")
    cycle = analysed()
    assert cycle.gate_record is not None
    content = unsealed(cycle.gate_record)
    old = sealed({name: value for name, value in content.items() if name != "trust"} | {"format": 1})
    old.save()
    Cycle.objects.filter(pk=cycle.pk).update(gate_record=old)

    assert scenes_of([cycle.pk])[cycle.pk].trust.mode is TrustMode.OFF
    assert share_of(replayed(cycle, limits={"max_positions": "14"})) == 4


def test_copies_from_before_the_last_facts_were_kept_are_read() -> None:
    analysed()
    [source, *_] = of_decisions(AIDecision.objects.filter(symbol=STOCK), with_calls=False)
    assert (source.prompt_version, source.answered_model) == ("decisions-v3", "live")
    old = {name: value for name, value in source_to_json(source).items() if name != "answered_model"}

    assert asdict(source_from_json(old)) == asdict(source) | {"answered_model": ""}


def test_setting_that_cannot_be_read_keeps_no_analysis_from_its_decisions() -> None:
    RuntimeSetting.objects.update_or_create(name="trust_sizing", defaults={"value": "maybe"})

    cycle = analysed(judged=False)

    assert cycle.gate_record is None
    assert "not kept for replays: trust_sizing: was 'maybe'" in str(cycle.warnings)
    assert AIDecision.objects.filter(cycle=cycle).count() == len(ALL)


def test_scene_names_the_curves_in_force() -> None:
    curve("0.55")
    newest = curve("0.56")

    content = unsealed(read_gate_scene([STOCK]))

    assert content["trust"] == {"mode": "shadow", "floor": "0.25", "curves": [newest.version]}
