"""CoinGecko's coin prices, on pycoingecko."""

from collections.abc import Sequence

from pycoingecko import CoinGeckoAPI

from connectors.base import Quote
from connectors.calls import read
from connectors.coingecko.coins import COIN_IDS
from connectors.errors import MalformedError
from connectors.lists import refuse_if_most
from connectors.redaction import register_secret
from connectors.rows import BySymbol, UnreadableRow
from connectors.throttle.base import Throttle
from connectors.transport import BoundedSession
from connectors.wire import ZERO, Fields, to_positive, unreadable_row

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

    def quotes(self, symbols: Sequence[str], *, within_seconds: float | None = None) -> BySymbol[Quote]:
        """Return the latest prices by symbol; coins without an id in ``COIN_IDS`` are missing.

        ``quoted_at`` is CoinGecko's ``last_updated_at``; a coin without it cannot be understood.
        """
        ids = {symbol: COIN_IDS[symbol] for symbol in dict.fromkeys(symbols) if symbol in COIN_IDS}
        if not ids:
            return BySymbol()
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
        quotes: dict[str, Quote] = {}
        odd: list[UnreadableRow] = []
        for symbol, coin_id in ids.items():
            quote = quote_from_wire(symbol, prices.get(coin_id), odd)
            if quote is not None:
                quotes[symbol] = quote
        refuse_if_most(self.name, "quotes", odd, len(quotes))
        return BySymbol(quotes, odd)


def quote_from_wire(symbol: str, raw: object, odd: list[UnreadableRow] | None = None) -> Quote | None:
    """Return the quote of one coin, None where the price or its time is missing or 0.

    Args:
        odd: what cannot be understood is added here.
    """
    if raw is None:
        return None
    try:
        fields = Fields("coingecko", "price", raw)
        price, quoted_at = fields.decimal("usd", minimum=ZERO), fields.unix_time("last_updated_at")
    except MalformedError as error:
        if odd is not None:
            odd.append(unreadable_row(raw, error, symbol=symbol))
        return None
    if to_positive(price) is None:
        return None
    return Quote(symbol=symbol, price=price, quoted_at=quoted_at, source="coingecko")
