"""CoinGecko's coin prices, on pycoingecko."""

from collections.abc import Sequence

from pycoingecko import CoinGeckoAPI

from connectors.base import Quote
from connectors.calls import read
from connectors.coingecko.coins import COIN_IDS
from connectors.redaction import register_secret
from connectors.throttle.base import Throttle
from connectors.transport import BoundedSession
from connectors.wire import Fields, from_unix, to_positive

_PRO_HOST = "pro-api.coingecko.com"


class CoinGeckoData:
    """A ``QuoteSource`` for coins against USD, all of them in one request.

    Args:
        api_key: a demo key, or a pro key where ``base_url`` is the pro address; empty: none.
        base_url: with ``/api/v3``, with or without a slash at the end.
        total_timeout_seconds: for one request.
        throttle: the rate limit and breaker of this key.
    """

    name = "coingecko"

    def __init__(
        self,
        api_key: str,
        base_url: str = "https://api.coingecko.com/api/v3",
        *,
        connect_timeout_seconds: float = 3,
        total_timeout_seconds: float = 5,
        throttle: Throttle | None = None,
    ) -> None:
        register_secret(api_key)
        if _PRO_HOST in base_url:
            self._client = CoinGeckoAPI(api_key=api_key, retries=0)
        else:
            self._client = CoinGeckoAPI(demo_api_key=api_key, retries=0)
        self._client.api_base_url = base_url.rstrip("/") + "/"
        self._client.session = BoundedSession(
            base_url,
            connect_timeout_seconds=connect_timeout_seconds,
            total_timeout_seconds=total_timeout_seconds,
            throttle=throttle,
        )

    def quotes(self, symbols: Sequence[str], *, within_seconds: float | None = None) -> dict[str, Quote]:
        """Return the latest prices by symbol; coins without an id in ``COIN_IDS`` are missing.

        ``quoted_at`` is CoinGecko's ``last_updated_at``; a coin without it is missing.
        """
        ids = {symbol: COIN_IDS[symbol] for symbol in dict.fromkeys(symbols) if symbol in COIN_IDS}
        if not ids:
            return {}
        raw = read(
            self.name,
            "quotes",
            lambda: self._client.get_price(
                ids=list(ids.values()),
                vs_currencies="usd",
                include_last_updated_at=True,
                precision="full",
            ),
        )
        prices = Fields(self.name, "prices", raw)
        quotes = (quote_from_wire(symbol, prices.get(coin_id)) for symbol, coin_id in ids.items())
        return {quote.symbol: quote for quote in quotes if quote is not None}


def quote_from_wire(symbol: str, raw: object) -> Quote | None:
    """Return the quote of one coin, None where the price or its time is missing or 0."""
    if not isinstance(raw, dict):
        return None
    price, quoted_at = to_positive(raw.get("usd")), from_unix(raw.get("last_updated_at"))
    if price is None or quoted_at is None:
        return None
    return Quote(symbol=symbol, price=price, quoted_at=quoted_at, source="coingecko")
