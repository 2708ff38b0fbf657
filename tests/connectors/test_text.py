"""Text from outside is stored whatever is in it: each door, with any text."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.alpaca.market_data import AlpacaNews, AlpacaStockData
from connectors.errors import RejectedError, UnavailableError
from connectors.finnhub.client import FinnhubData
from connectors.text import storable, storable_json, storable_value
from connectors.transport import cut
from tests.connectors import samples
from tests.connectors.alpaca.test_market_data import KEYS, SINCE, UNTIL
from tests.connectors.server import Answer, ProviderServer

ANY_TEXT = st.text(st.characters(), max_size=40)  # with NUL, controls and lone surrogates
ODD_TEXT = st.text(st.sampled_from('a\x00\x1b\x7f\x85\ud83d\ude80\\u0\n\t"é🚀'), max_size=30)
TEXT = ANY_TEXT | ODD_TEXT
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
NEWS = "/v1beta1/news"
over_http = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def is_storable(value: object) -> bool:
    """Whether PostgreSQL takes it: UTF-8 without NUL, and without what only disturbs who reads it."""
    text = json.dumps(value, ensure_ascii=False)
    text.encode()
    return not any(f"\\u{code:04x}" in text for code in (*range(9), 11, 12, *range(14, 32))) and not any(
        0x7F <= ord(character) <= 0x9F for character in text
    )


@given(TEXT)
def test_text_is_storable_and_keeps_all_that_is_not_odd(text: str) -> None:
    kept = storable(text)

    assert is_storable([kept])
    assert len(kept) == len(text)
    assert all(new in (old, "\ufffd") for old, new in zip(text, kept, strict=True))
    assert storable(kept) == kept


@given(JSON)
def test_json_that_python_wrote_is_read_as_its_storable_value(value: Any) -> None:
    """Both ways lead to the same: the halves of a pair in one text are one character in JSON."""
    paired = json.loads(json.dumps(value))

    assert json.loads(storable_json(json.dumps(value).encode())) == storable_value(paired)
    assert is_storable(storable_value(paired))


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"a\u0000b"', "a\ufffdb"),
        (rb'"half \ud83d"', "half \ufffd"),
        (rb'"half \ude80\ud83d whole \ud83d\ude80"', "half \ufffd\ufffd whole 🚀"),
        (rb'"a path C:\\u0000"', "a path C:\\u0000"),
        (rb'"\\\u0000"', "\\\ufffd"),
        (b'"raw \x00, \x1b, \x7f and\ta\nline"', "raw \ufffd, \ufffd, \ufffd and a line"),
        (b'"no UTF-8 \xff, C1 \xc2\x85"', "no UTF-8 \ufffd, C1 \ufffd"),
        ('{\n\t"é": "🚀"}'.encode(), {"é": "🚀"}),
        (rb'"line\nend"', "line\nend"),
    ],
)
def test_json_from_outside_is_readable_and_storable(body: bytes, value: object) -> None:
    assert json.loads(storable_json(body)) == value


@given(st.binary(max_size=60))
def test_any_bytes_become_text(body: bytes) -> None:
    storable_json(body).decode()


@over_http
@given(headline=TEXT, source=TEXT, url=TEXT)
def test_alpaca_keeps_each_headline(server: ProviderServer, headline: str, source: str, url: str) -> None:
    told = samples.news(headline=f"Up {headline}", source=f"wire {source}", url=url)
    server.on("GET", NEWS, Answer({"news": [told, samples.news(id=2, headline="Sound")]}))

    found = AlpacaNews(*KEYS, server.url).headlines(["AAPL"], since=SINCE, until=UNTIL)

    assert len(found) == 2
    assert all(is_storable([item.title, item.source, item.url, item.summary]) for item in found)


@over_http
@given(headline=TEXT, related=TEXT)
def test_finnhub_keeps_each_headline(server: ProviderServer, headline: str, related: str) -> None:
    told = samples.finnhub_news(headline=f"Up {headline}", summary=related)
    server.on("GET", "/company-news", Answer([told, samples.finnhub_news(id=2, headline="Sound")]))
    server.on("GET", "//company-news", Answer([told, samples.finnhub_news(id=2, headline="Sound")]))

    found = FinnhubData("finnhubkey", server.url).headlines(["AAPL"], since=SINCE, until=UNTIL)

    assert len(found) == 2
    assert all(is_storable([item.title, item.summary]) for item in found)


@over_http
@given(text=TEXT, status=st.sampled_from([400, 403, 422, 429, 500, 503]), is_json=st.booleans())
def test_words_of_a_failure_are_storable(
    server: ProviderServer, text: str, status: int, is_json: bool
) -> None:
    plain = text.encode(errors="surrogatepass")
    server.on_any(Answer({"message": text} if is_json else plain, status=status))

    with pytest.raises((UnavailableError, RejectedError)) as caught:
        AlpacaStockData(*KEYS, server.url).quotes(["AAPL"])

    assert is_storable([str(caught.value), caught.value.detail])


@given(TEXT)
def test_what_any_error_says_is_storable(text: str) -> None:
    assert is_storable(cut(text))
    assert is_storable(str(UnavailableError("alpaca", "news", text)))


def test_headline_without_a_time_is_left_out_and_the_others_are_kept(
    server: ProviderServer,
) -> None:
    rows = [samples.news(), samples.news(id=2, created_at=None), samples.news(id=3)]
    server.on("GET", NEWS, Answer({"news": rows}))

    found = AlpacaNews(*KEYS, server.url).headlines(["AAPL"], since=SINCE, until=UNTIL)

    assert [item.headline_id for item in found] == [str(rows[0]["id"]), "3"]
    assert [(row.row_id, row.field, row.value) for row in found.unreadable] == [("2", "created_at", "None")]
