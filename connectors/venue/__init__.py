"""The local venue: one HTTP server that speaks as Alpaca, Finnhub, CoinGecko and a chat model do.

It replays real bars from a folder of CSV files, or a seeded synthetic market, and keeps a paper account.
It is an application of its own: it imports nothing else of this project, so that what talks to it
talks over HTTP alone.
"""
