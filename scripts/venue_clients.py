"""Receive trades and books from a server on this machine that speaks as Binance or OKX, with clients that others wrote.

usage: venue_clients.py python-binance|ccxt|ccxt-okx PORT

Prints one JSON object: {"trades": [[id, price, quantity], ...], "books": [[best bid, best ask], ...], ...}, all as text.
Needs PyPI python-binance 1.0.37 or ccxt 4.5.90. Run by crates/connect/tests/replay/peers.rs.
"""

import asyncio
import json
import sys

TRADES = 200
BOOKS = 40
OKX_TRADES, OKX_BOOKS = 69, 20
LIMIT_S = 60


async def python_binance(port):
    import logging

    logging.disable(logging.CRITICAL)
    from binance import AsyncClient, BinanceSocketManager, Client
    from binance.ws.depthcache import DepthCacheManager

    Client.API_URL = AsyncClient.API_URL = f"http://127.0.0.1:{port}/api"
    AsyncClient.WS_API_URL = f"ws://127.0.0.1:{port}/ws-api/v3"
    BinanceSocketManager.STREAM_URL = f"ws://127.0.0.1:{port}/"
    client = await AsyncClient.create()
    sockets = BinanceSocketManager(client)
    told = {"trades": [], "books": [], "multiplex": []}

    async def trades():
        async with sockets.trade_socket("BTCUSDT") as stream:
            while len(told["trades"]) < TRADES:
                message = await stream.recv()
                told["trades"].append([str(message["t"]), message["p"], message["q"]])

    async def multiplex():
        async with sockets.multiplex_socket(["btcusdt@bookTicker", "btcusdt@trade"]) as stream:
            while len(told["multiplex"]) < 50:
                told["multiplex"].append((await stream.recv())["stream"])

    async def books():
        async with DepthCacheManager(client, symbol="BTCUSDT", ws_interval=100) as stream:
            while len(told["books"]) < BOOKS:
                cache = await stream.recv()
                bid, ask = cache.get_bids()[0][0], cache.get_asks()[0][0]
                told["books"].append([f"{bid:.2f}", f"{ask:.2f}"])

    await asyncio.gather(trades(), multiplex(), books())
    await client.close_connection()
    return told


async def ccxt_pro(port):
    import ccxt.pro

    exchange = ccxt.pro.binance(
        {"options": {"defaultType": "spot", "fetchMargins": False, "fetchMarkets": {"types": ["spot"]}}}
    )
    exchange.has["fetchCurrencies"] = False
    for kind in ("public", "private"):
        exchange.urls["api"][kind] = f"http://127.0.0.1:{port}/api/v3"
    exchange.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/ws"
    markets = await exchange.load_markets()
    precision = markets["BTC/USDT"]["precision"]
    told = {"trades": [], "books": []}
    told["precision"] = [exchange.number_to_string(precision[key]) for key in ("price", "amount")]

    async def trades():
        seen = -1
        while len(told["trades"]) < TRADES:
            # The list holds the latest trades; each is taken once.
            for trade in await exchange.watch_trades("BTC/USDT"):
                if int(trade["id"]) > seen:
                    seen = int(trade["id"])
                    told["trades"].append([trade["id"], trade["info"]["p"], trade["info"]["q"]])

    async def books():
        while len(told["books"]) < BOOKS:
            book = await exchange.watch_order_book("BTC/USDT")
            told["books"].append([f"{book['bids'][0][0]:.2f}", f"{book['asks'][0][0]:.2f}"])

    await asyncio.gather(trades(), books())
    await exchange.close()
    return told


async def ccxt_okx(port):
    import ccxt.pro

    exchange = ccxt.pro.okx()
    exchange.urls["api"]["ws"] = f"ws://127.0.0.1:{port}/ws/v5"
    # The replay has no REST of OKX: the market is described here.
    market = {"id": "BTC-USDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "baseId": "BTC", "quoteId": "USDT"}
    kind = {"type": "spot", "spot": True, "swap": False, "future": False, "option": False, "contract": False}
    exchange.set_markets([{**market, **kind, "active": True, "precision": {"price": 0.1, "amount": 0.00000001}}])
    told = {"trades": [], "books": []}

    async def trades():
        seen = -1
        while len(told["trades"]) < OKX_TRADES:
            for trade in await exchange.watch_trades("BTC/USDT"):
                if int(trade["id"]) > seen:
                    seen = int(trade["id"])
                    told["trades"].append([trade["id"], trade["info"]["px"], trade["info"]["sz"]])

    async def books():
        while len(told["books"]) < OKX_BOOKS:
            book = await exchange.watch_order_book("BTC/USDT")
            told["books"].append([exchange.number_to_string(book[side][0][0]) for side in ("bids", "asks")])

    await asyncio.gather(trades(), books())
    await exchange.close()
    return told


def main():
    client, port = sys.argv[1], int(sys.argv[2])
    run = {"python-binance": python_binance, "ccxt": ccxt_pro, "ccxt-okx": ccxt_okx}[client]
    print(json.dumps(asyncio.run(asyncio.wait_for(run(port), LIMIT_S))))


if __name__ == "__main__":
    main()
