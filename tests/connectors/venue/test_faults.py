"""Faults on demand: what the client sees, and what the venue did meanwhile."""

import time
from typing import Any

import pytest
import requests

from tests.connectors.venue.client import COIN, OTHER_STOCK, STOCK, Client
from tests.venue_process import VenueProcess
from tests.waiting import wait_until

ORDER = {"symbol": STOCK, "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}


def test_rate_limit_fault_says_when_to_come_back(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="rate_limit", route="GET /v2/account", times=1, retry_after=3)

    first, second = (client.send("GET", "/v2/account") for _ in range(2))

    assert (first.status_code, first.headers["Retry-After"]) == (429, "3")
    assert second.status_code == 200
    assert venue.faults()[0]["hits"] == 1
    assert venue.faults()[0]["used_up"] is True


@pytest.mark.parametrize(
    ("rule", "status", "text"),
    [
        ({"status": 503}, 503, "internal server error"),
        ({"body": {"message": "on fire"}}, 500, "on fire"),
        ({"body": "<html>"}, 500, "<html>"),
    ],
)
def test_error_fault_answers_as_told(
    venue: VenueProcess, client: Client, rule: dict[str, Any], status: int, text: str
) -> None:
    venue.fault(kind="error", **rule)

    reply = client.send("GET", "/v2/clock")

    assert reply.status_code == status
    assert text in reply.text


def test_latency_delays_and_then_serves(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="latency", seconds=0.3, route="/v2/clock")

    began = time.monotonic()
    assert client.send("GET", "/v2/clock").status_code == 200

    assert time.monotonic() - began >= 0.3


def test_order_delayed_beyond_the_clients_patience_is_placed_all_the_same(
    venue: VenueProcess, client: Client
) -> None:
    """docs/lessons.md#lesson-36: a timeout says nothing about the order."""
    venue.fault(kind="latency", seconds=0.5, route="POST /v2/orders", times=1)

    with pytest.raises(requests.Timeout):
        client.send("POST", "/v2/orders", json={**ORDER, "client_order_id": "late"}, timeout=(60, 0.1))
    order = wait_until(lambda: _lookup(client, "late"))

    assert order["client_order_id"] == "late"


def _lookup(client: Client, client_order_id: str) -> Any:
    reply = client.send("GET", "/v2/orders:by_client_order_id", params={"client_order_id": client_order_id})
    return reply.json() if reply.status_code == 200 else None


def test_hanging_reply_never_comes(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="hang", route="GET /v2/positions", times=1)

    with pytest.raises(requests.Timeout):
        client.send("GET", "/v2/positions", timeout=(60, 0.2))

    asked = wait_until(lambda: venue.requests(path="/v2/positions"), what="the venue has read the request")
    assert asked[-1]["status"] == "hang"


def test_hang_of_a_given_length_ends_as_a_gateway_timeout(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="hang", seconds=0.05, times=1)

    assert client.send("GET", "/v2/clock").status_code == 504


def test_dripping_reply_outlives_a_read_timeout(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="drip", seconds=0.04, route="GET /v2/clock", times=1)

    began = time.monotonic()
    reply = client.send("GET", "/v2/clock", timeout=(60, 4))

    assert time.monotonic() - began > 4
    assert reply.json()["is_open"] is True


def test_reset_before_places_nothing(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="reset_before", route="POST /v2/orders", times=1)

    with pytest.raises(requests.ConnectionError):
        client.post_order(STOCK, client_order_id="before")

    assert _lookup(client, "before") is None
    assert venue.requests(client_order_id="before")[0]["status"] == "reset"
    assert client.order(STOCK, client_order_id="before")["client_order_id"] == "before"


def test_reset_after_has_placed_the_order(venue: VenueProcess, client: Client) -> None:
    """docs/lessons.md#lesson-36: a retry under the same id is refused, so nothing is ordered twice."""
    venue.fault(kind="reset_after", route="POST /v2/orders", times=1)

    with pytest.raises(requests.ConnectionError):
        client.post_order(STOCK, client_order_id="after")
    again = client.post_order(STOCK, client_order_id="after")

    assert again.json()["code"] == 40010001
    assert _lookup(client, "after")["qty"] == "1"
    posts = venue.requests(client_order_id="after", method="POST")
    assert [(one["status"], one["fault"]) for one in posts] == [("reset", "reset_after"), (422, None)]


def test_truncated_body_ends_before_its_length(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="truncate", times=1)

    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        client.send("GET", "/v2/account")


def test_stale_price_has_an_old_time(venue: VenueProcess, client: Client) -> None:
    """docs/lessons.md#lesson-24."""
    venue.clock(to="2020-10-15T15:00:00Z")
    venue.fault(kind="stale_price", symbols=[STOCK], seconds=600)

    found = client.get("/v2/stocks/snapshots", symbols=f"{STOCK},BREZ")

    assert found[STOCK]["latestTrade"]["t"] < "2020-10-15T14:51" < found["BREZ"]["latestTrade"]["t"]


def test_missing_symbol_is_left_out_everywhere(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="missing_symbol", symbols=["BTCUSD", STOCK])

    assert client.get("/v1beta3/crypto/us/snapshots", symbols="BTC/USD,ETH/USD")["snapshots"].keys() == {
        "ETH/USD"
    }
    assert client.get("/finnhub/api/v1/quote", symbol=STOCK, token="t")["c"] == 0
    assert client.get("/coingecko/api/v3/simple/price", ids="bitcoin", vs_currencies="usd") == {}


def test_zero_price_is_shown_as_zero(venue: VenueProcess, client: Client) -> None:
    """docs/lessons.md#lesson-18."""
    venue.fault(kind="zero_price", symbols=[STOCK], route="/v2/stocks/*")

    assert client.get("/v2/stocks/snapshots", symbols=STOCK)[STOCK]["latestTrade"]["p"] == 0
    assert client.get("/finnhub/api/v1/quote", symbol=STOCK, token="t")["c"] > 0


def test_order_can_be_rejected_after_it_was_taken(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="reject_order", symbols=[COIN], times=1)

    order = client.order(COIN, qty="0.1")
    done = client.wait_for(order, "rejected")

    assert order["status"] == "pending_new"
    assert (done["filled_qty"], done["failed_at"] is not None) == ("0", True)
    assert client.filled(COIN, qty="0.1")["status"] == "filled"


def test_order_can_be_refused_at_once(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="reject_order", status=403, body="trading is halted", times=1)

    reply = client.post_order(STOCK)

    assert (reply.status_code, reply.json()["code"]) == (403, 40310000)
    assert reply.json()["message"] == "trading is halted"


def test_partial_fill_stays_partial_and_can_be_canceled(venue: VenueProcess, client: Client) -> None:
    """docs/lessons.md#lesson-37."""
    venue.fault(kind="partial_fill", fraction=0.4, symbols=["DUEZ"])

    order = client.wait_for(client.order("DUEZ", qty="10"), "partially_filled")
    position = client.position("DUEZ")
    client.send("DELETE", f"/v2/orders/{order['id']}")
    done = client.get(f"/v2/orders/{order['id']}")

    assert position is not None
    assert (order["filled_qty"], position["qty"]) == ("4", "4")
    assert (done["status"], done["filled_qty"]) == ("canceled", "4")


def test_partial_fill_with_a_wait_fills_the_rest(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="partial_fill", seconds=0.2, times=1)

    order = client.order("DUSZ", qty="10")

    assert client.wait_for(order, "partially_filled")["filled_qty"] == "5"
    assert client.wait_for(order, "filled")["filled_qty"] == "10"


def test_fill_delay_of_a_given_length_ends(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="fill_delay", seconds=0.3, times=1)

    began = time.monotonic()
    client.filled(STOCK)

    assert time.monotonic() - began >= 0.3


def test_rules_match_by_glob_regex_probability_and_count(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="error", route="^(GET|DELETE) /v2/ord", times=2)
    venue.fault(kind="error", route="GET /v2/acc*", probability=0)

    statuses = [
        client.send("GET", path).status_code
        for path in ("/v2/orders", "/v2/account", "/v2/orders", "/v2/orders")
    ]

    assert statuses == [500, 200, 500, 200]
    assert [rule["hits"] for rule in venue.faults()] == [2, 0]


def test_rule_for_symbols_strikes_only_requests_that_name_them(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="error", symbols=["BREZ"])

    assert client.post_order(STOCK).status_code == 200
    assert client.post_order("BREZ").status_code == 500
    assert client.send("GET", f"/v2/stocks/snapshots?symbols={STOCK},BREZ").status_code == 500


def test_single_rule_can_be_removed(venue: VenueProcess, client: Client) -> None:
    fault_id = venue.fault(kind="error")

    assert client.send("DELETE", f"/venue/faults/{fault_id}").status_code == 204
    assert client.send("DELETE", f"/venue/faults/{fault_id}").status_code == 404
    assert client.send("GET", "/v2/clock").status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "explode"},
        {"kind": "error", "status": 9},
        {"kind": "error", "rout": "x"},
        {"kind": "error", "route": "^("},
    ],
)
def test_rule_that_makes_no_sense_is_refused(venue: VenueProcess, rule: dict[str, Any]) -> None:
    """docs/lessons.md#lesson-30: unknown keys are not dropped in silence."""
    with pytest.raises(RuntimeError, match="400"):
        venue.fault(**rule)


def test_rows_of_a_true_reply_are_told_otherwise(venue: VenueProcess, client: Client) -> None:
    for symbol in (STOCK, OTHER_STOCK):
        client.filled(symbol, qty="2")
    venue.fault(kind="alter", route="GET /v2/positions", rows=[STOCK], body={"qty": None}, times=1)

    told = {row["symbol"]: row["qty"] for row in client.get("/v2/positions")}
    true = {row["symbol"]: row["qty"] for row in client.get("/v2/positions")}

    assert (told[STOCK], told[OTHER_STOCK]) == (None, true[OTHER_STOCK])
    assert true[STOCK] is not None


def test_rows_are_told_after_those_of_a_true_reply(venue: VenueProcess, client: Client) -> None:
    client.filled(STOCK, qty="2")
    venue.fault(kind="alter", route="GET /v2/positions", rows=[], added=[{"symbol": "ODD"}], times=1)

    told = [row["symbol"] for row in client.get("/v2/positions")]
    true = [row["symbol"] for row in client.get("/v2/positions")]

    assert told == [*true, "ODD"]
    assert STOCK in true


def test_a_true_reply_is_told_otherwise_and_a_refusal_is_not(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="alter", route="GET /v2/account", body={"equity": "1"})
    venue.fault(kind="alter", route="/v2/orders*", body={"message": "well done"})

    account = client.get("/v2/account")
    refusal = client.send("GET", "/v2/orders/unknown")

    assert (account["equity"], account["status"]) == ("1", "ACTIVE")
    assert (refusal.status_code, "not found" in refusal.text) == (404, True)


def test_the_log_says_when_a_request_came_by_the_clock_that_never_steps(
    venue: VenueProcess, client: Client
) -> None:
    before = time.monotonic()
    client.post_order(STOCK, qty="3", client_order_id="logged-1")
    after = time.monotonic()

    (entry,) = venue.requests(client_order_id="logged-1", method="POST")

    assert before <= entry["monotonic"] <= entry["whole"] <= after
    assert entry["order"] == {"symbol": STOCK, "side": "buy", "qty": "3"}


def test_the_log_begins_after_as_many_as_one_has_seen(venue: VenueProcess, client: Client) -> None:
    client.get("/v2/account")
    seen = venue.state_report()["requests"]
    client.post_order(STOCK, qty="3", client_order_id="logged-after")

    assert [entry["client_order_id"] for entry in venue.requests(after=str(seen))] == ["logged-after"]
    assert venue.requests(after=str(seen + 1)) == []
    assert "expected a count" in client.send("GET", "/venue/requests?after=-1").text


def test_real_rate_limit_counts_trading_and_data_apart() -> None:
    with VenueProcess(is_forked=True, rate_limit=5) as venue:
        client = Client(venue.url)
        wait_until(lambda: time.time() % 60 < 40, what="a minute with room for the requests")

        replies = [client.send("GET", "/v2/clock") for _ in range(6)]
        other = client.send("GET", "/v2/stocks/snapshots?symbols=ALSQ")

    assert [reply.status_code for reply in replies] == [200] * 5 + [429]
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["4", "3", "2", "1", "0", "0"]
    assert replies[0].headers["X-RateLimit-Limit"] == "5"
    assert 0 < int(replies[5].headers["X-RateLimit-Reset"]) - time.time() <= 60
    assert replies[5].headers["Retry-After"]
    assert other.status_code == 200
