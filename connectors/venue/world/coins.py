"""The usual coins: their CoinGecko ids and names."""

from types import MappingProxyType

# ticker -> (CoinGecko id, name)
COINS = MappingProxyType(
    {
        "AAVE": ("aave", "Aave"),
        "ADA": ("cardano", "Cardano"),
        "ALGO": ("algorand", "Algorand"),
        "ATOM": ("cosmos", "Cosmos Hub"),
        "AVAX": ("avalanche-2", "Avalanche"),
        "BAT": ("basic-attention-token", "Basic Attention"),
        "BCH": ("bitcoin-cash", "Bitcoin Cash"),
        "BGB": ("bitget-token", "Bitget Token"),
        "BNB": ("binancecoin", "BNB"),
        "BTC": ("bitcoin", "Bitcoin"),
        "CRV": ("curve-dao-token", "Curve DAO"),
        "DOGE": ("dogecoin", "Dogecoin"),
        "DOT": ("polkadot", "Polkadot"),
        "ETC": ("ethereum-classic", "Ethereum Classic"),
        "ETH": ("ethereum", "Ethereum"),
        "FIL": ("filecoin", "Filecoin"),
        "GRT": ("the-graph", "The Graph"),
        "HBAR": ("hedera-hashgraph", "Hedera"),
        "LEO": ("leo-token", "LEO Token"),
        "LINK": ("chainlink", "Chainlink"),
        "LTC": ("litecoin", "Litecoin"),
        "MKR": ("maker", "Maker"),
        "NEAR": ("near", "NEAR Protocol"),
        "OM": ("mantra-dao", "MANTRA"),
        "SHIB": ("shiba-inu", "Shiba Inu"),
        "SOL": ("solana", "Solana"),
        "SUSHI": ("sushi", "Sushi"),
        "TRX": ("tron", "TRON"),
        "UNI": ("uniswap", "Uniswap"),
        "XLM": ("stellar", "Stellar"),
        "XMR": ("monero", "Monero"),
        "XRP": ("ripple", "XRP"),
        "XTZ": ("tezos", "Tezos"),
        "YFI": ("yearn-finance", "yearn.finance"),
    }
)


def coingecko_id(symbol: str) -> str:
    """Return the CoinGecko id of ``BTC/USD``; an unlisted coin is known by its lower-case ticker."""
    ticker = symbol.partition("/")[0]
    return COINS.get(ticker, (ticker.lower(), ticker))[0]


def coin_name(symbol: str) -> str:
    """Return the coin's name; an unlisted coin is called by its ticker."""
    ticker = symbol.partition("/")[0]
    return COINS.get(ticker, (ticker.lower(), ticker))[1]
