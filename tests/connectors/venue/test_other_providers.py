"""News, Finnhub, CoinGecko and the chat endpoint over plain HTTP."""

import json
from typing import Any

import pytest

from tests.connectors.venue.client import STOCK, Client
from tests.venue_process import VenueProcess

CHAT = "/ai/v1/chat/completions"


def test_news_is_paged_and_labelled(client: Client) -> None:
    whole = client.get("/v1beta1/news", symbols=f"{STOCK},BTCUSD", start="2020-09-20T00:00:00Z", limit="50")[
        "news"
    ]

    first = client.get("/v1beta1/news", symbols=f"{STOCK},BTCUSD", start="2020-09-20T00:00:00Z", limit="4")
    second = client.get(
        "/v1beta1/news",
        symbols=f"{STOCK},BTCUSD",
        start="2020-09-20T00:00:00Z",
        limit="46",
        page_token=first["next_page_token"],
    )

    assert first["news"] + second["news"] == whole
    assert {item["source"] for item in whole} == {"venue"}
    assert {tuple(item["symbols"]) for item in whole} == {(STOCK,), ("BTCUSD",)}
    assert [item["created_at"] for item in whole] == sorted((i["created_at"] for i in whole), reverse=True)
    oldest = client.get("/v1beta1/news", symbols=STOCK, start="2020-09-20T00:00:00Z", sort="asc", limit="1")
    assert oldest["news"][0]["created_at"] == min(i["created_at"] for i in whole if i["symbols"] == [STOCK])


def test_news_of_nobody_is_empty_and_bad_tokens_are_refused(client: Client) -> None:
    assert client.get("/v1beta1/news", symbols="NOPE") == {"news": [], "next_page_token": None}
    assert client.send("GET", "/v1beta1/news?page_token=bm90aGluZw==").status_code == 400
    assert client.send("GET", "/v1beta1/news?limit=51").status_code == 422


def test_finnhub_accepts_its_clients_double_slash(client: Client) -> None:
    one = client.get("/finnhub/api/v1/quote", symbol=STOCK, token="t")
    two = client.get("/finnhub/api/v1//quote", symbol=STOCK, token="t")

    assert one.keys() == two.keys() == {"c", "d", "dp", "h", "l", "o", "pc", "t"}
    assert one["c"] > 0


@pytest.mark.parametrize("symbol", ["NOPE", "BTC/USD", ""])
def test_finnhub_answers_zeros_for_what_it_does_not_know(client: Client, symbol: str) -> None:
    quote = client.get("/finnhub/api/v1/quote", symbol=symbol, token="t")

    assert (quote["c"], quote["pc"], quote["t"]) == (0, 0, 0)
    assert client.get("/finnhub/api/v1/company-news", symbol=symbol, token="t") == []


@pytest.mark.parametrize("path", ["quote", "company-news", "stock/market-status"])
def test_finnhub_wants_a_key(client: Client, path: str) -> None:
    assert client.send("GET", f"/finnhub/api/v1/{path}?symbol={STOCK}").status_code == 401


def test_finnhub_market_status_follows_the_clock(client: Client) -> None:
    status = client.get("/finnhub/api/v1/stock/market-status", exchange="US", token="t")

    assert (status["isOpen"], status["session"], status["exchange"]) == (True, "regular", "US")


def test_keys_in_queries_are_not_logged(venue: VenueProcess, client: Client) -> None:
    client.get("/finnhub/api/v1/quote", symbol=STOCK, token="very-secret")

    entry = venue.requests(path="/finnhub/api/v1/quote")[-1]

    assert entry["query"] == {"symbol": STOCK}


def test_coingecko_simple_price_is_by_id(client: Client) -> None:
    found = client.get(
        "/coingecko/api/v3/simple/price",
        ids="bitcoin,ethereum,nothing",
        vs_currencies="usd",
        include_24hr_change="true",
        include_24hr_vol="true",
        include_last_updated_at="true",
    )

    assert found.keys() == {"bitcoin", "ethereum"}
    assert found["bitcoin"].keys() == {"usd", "usd_24h_vol", "usd_24h_change", "last_updated_at"}


def test_coingecko_markets_are_ordered_by_volume_and_paged(client: Client) -> None:
    whole = client.get("/coingecko/api/v3/coins/markets", vs_currency="usd")
    page = client.get("/coingecko/api/v3/coins/markets", vs_currency="usd", per_page="5", page="2")

    assert len(whole) == 20
    assert [row["id"] for row in page] == [row["id"] for row in whole[5:10]]
    assert [row["total_volume"] for row in whole] == sorted((r["total_volume"] for r in whole), reverse=True)
    one = client.get("/coingecko/api/v3/coins/markets", vs_currency="usd", ids="bitcoin")
    assert [row["symbol"] for row in one] == ["btc"]


def test_coingecko_quotes_usd_only(client: Client) -> None:
    for path in ("simple/price?ids=bitcoin&vs_currencies=eur", "coins/markets?vs_currency=eur"):
        assert client.send("GET", f"/coingecko/api/v3/{path}").status_code == 422


def ask(client: Client, content: Any, **fields: Any) -> Any:
    body = {"model": "any-name", "messages": [{"role": "user", "content": content}], **fields}
    reply = client.send("POST", CHAT, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: f"Decide.\n```json\n{text}\n```\nThank you.",
        lambda text: f"Here is {{not json}} and {text} at the end",
        lambda text: [{"type": "text", "text": "Decide."}, {"type": "text", "text": text}],
    ],
    ids=["fenced", "bare", "parts"],
)
def test_chat_decides_about_every_symbol_it_is_asked_for(
    client: Client, venue: VenueProcess, wrap: Any
) -> None:
    venue.clock(paused=True)
    question = json.dumps(
        {"as_of": {"x": 1}, "symbols": [{"symbol": "AAPL", "price": 1}, {"symbol": "BTC/USD"}]}
    )

    first, second = (ask(client, wrap(question)) for _ in range(2))
    venue.clock(paused=False)

    decisions = json.loads(first["choices"][0]["message"]["content"])["decisions"]
    assert [one["symbol"] for one in decisions] == ["AAPL", "BTC/USD"]
    assert all(one["action"] in ("buy", "sell", "hold") and 0 <= one["confidence"] <= 1 for one in decisions)
    assert first["model"] == "any-name"
    assert (
        first["usage"]["total_tokens"]
        == first["usage"]["prompt_tokens"] + first["usage"]["completion_tokens"]
    )
    assert first["choices"] == second["choices"]


def test_openai_client_reads_the_answer(client: Client) -> None:
    import openai  # takes half a second, which each process of a run would pay

    model = openai.OpenAI(base_url=f"{client.url}/ai/v1", api_key="key", max_retries=0, timeout=120)

    reply = model.chat.completions.create(
        model="any-name",
        messages=[{"role": "user", "content": '{"symbols": [{"symbol": "AAPL"}]}'}],
        response_format={"type": "json_object"},
    )

    assert json.loads(reply.choices[0].message.content or "")["decisions"][0]["symbol"] == "AAPL"
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 0


def test_chat_without_symbols_decides_nothing(client: Client) -> None:
    reply = ask(client, "Hello?")

    assert json.loads(reply["choices"][0]["message"]["content"]) == {"decisions": []}


@pytest.mark.parametrize(("body", "said"), [("not json", "not json"), ({"decisions": 5}, '{"decisions": 5}')])
def test_content_fault_puts_words_in_the_models_mouth(
    client: Client, venue: VenueProcess, body: object, said: str
) -> None:
    """docs/lessons.md#lesson-19: what the caller must not use unchecked."""
    venue.fault(kind="content", body=body, times=1)

    assert ask(client, "x")["choices"][0]["message"]["content"] == said


@pytest.mark.parametrize(
    "body", ["{", "{}", '{"messages": []}', '{"messages": [{"role": "user"}], "stream": true}']
)
def test_chat_refuses_what_it_cannot_answer(client: Client, body: str) -> None:
    reply = client.send("POST", CHAT, data=body)

    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_chat_answers_a_conversation_without_a_user(client: Client) -> None:
    reply = client.send("POST", CHAT, json={"messages": [{"role": "system", "content": "x"}, "y"]})

    assert reply.status_code == 200
    assert client.get("/ai/v1/models")["data"][0]["id"] == "venue-analyst"
