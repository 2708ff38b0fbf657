"""One story is one headline; keywords are whole words; every symbol has its turn."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.keywords import matched
from trading.domain.news import Story, in_turn, merged, title_key

NOON = datetime(2020, 10, 15, 12, tzinfo=UTC)


def make_story(title: str = "Apple beats estimates", minutes: int = 0, **overrides: object) -> Story:
    values: dict[str, object] = {"sources": ("Reuters",), "symbols": ("AAPL",), "keywords": ()} | overrides
    return Story(title=title, published_at=NOON + timedelta(minutes=minutes), **values)  # type: ignore[arg-type]


def test_syndicated_copies_are_one_story_with_the_earliest_time() -> None:
    later: dict[str, object] = {
        "sources": ("MarketWatch",),
        "symbols": ("AAPL", "MSFT"),
        "keywords": ("chips",),
    }
    copy = make_story("APPLE beats estimates! - MarketWatch", 7, **later)

    assert merged([copy, make_story()]) == [
        make_story(sources=("Reuters", "MarketWatch"), symbols=("AAPL", "MSFT"), keywords=("chips",))
    ]


def test_different_stories_stay_apart_newest_first() -> None:
    first, second = make_story(), make_story("Apple misses estimates", 5)

    assert merged([first, second]) == [second, first]


def test_title_that_is_all_byline_keeps_itself() -> None:
    assert title_key("- Reuters") == "reuters"
    assert title_key("Oil up - down - Reuters") == "oil up down"


@given(st.lists(st.sampled_from(["A", "B", "C"]), max_size=12))
def test_merging_again_changes_nothing(titles: list[str]) -> None:
    once = merged(make_story(title, number) for number, title in enumerate(titles))

    assert merged(once) == once
    assert len(once) == len(set(titles))


def test_keywords_are_whole_words_whatever_their_case() -> None:
    keywords = ["rate cut", "AI", "C++", " "]

    assert matched("The Fed\u2019s RATE CUT, said again", keywords) == ("rate cut",)
    assert matched("Aiming high, ai or not", keywords) == ("AI",)
    assert matched("C++ and more", keywords) == ("C++",)


@given(st.integers(1, 40), st.integers(0, 12), st.integers(0, 10_000))
def test_every_symbol_has_its_turn(count: int, held_count: int, first_turn: int) -> None:
    symbols = [f"S{number}" for number in range(count)]
    held, room = symbols[:held_count], 10
    turns = range(first_turn, first_turn + count)

    chosen = [in_turn(symbols, held, room, turn) for turn in turns]

    assert all(len(found) == len(set(found)) == min(room, count) for found in chosen)
    assert all(set(found) >= set(held[:room]) for found in chosen)
    if held_count < room:
        assert {symbol for found in chosen for symbol in found} == set(symbols)
