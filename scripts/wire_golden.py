"""Counts and sums of every captured message, read with Python's json and decimal.

Usage: wire_golden.py DATA > crates/market/tests/wire_real/golden.txt

DATA is the folder of real data (ws_streams, rest_fixtures). Each line is `file measure value`; prices, quantities and
stamps are summed as whole numbers of 1e-9, numbers of trades and books modulo 2^64. What a message means is written
down here a second time, from the venues' documents, so that the decoders are checked against another reading.
"""

import collections
import datetime
import decimal
import glob
import gzip
import json
import os
import re
import sys

decimal.getcontext().prec = 60
MASK = (1 << 64) - 1


def units(number):
    if number == "":
        return 0
    scaled = decimal.Decimal(number) * 10**9
    assert scaled == int(scaled), number
    return int(scaled)


def digest(text):
    """A whole number itself, of other text its FNV-1a."""
    text = str(text)
    if text.isdigit():
        return int(text)
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def trade(ts, price, size, buy, number):
    return "trade", {"ts": ts, "price": units(price), "size": units(size), "buys": int(buy), "id": number}


def quote(ts, bid, bid_size, ask, ask_size, number=0):
    if bid == "" or bid_size == "":
        bid = bid_size = 0
    if ask == "" or ask_size == "":
        ask = ask_size = 0
    return "quote", {
        "ts": ts, "bid": units(bid), "bid_size": units(bid_size), "ask": units(ask), "ask_size": units(ask_size), "id": number,
    }


def book(ts, whole, bids, asks, last=0, first=0, previous=None, checksum=None):
    sums = {"ts": ts, "snapshots": int(whole), "last": last, "first": first, "previous": previous or 0, "chained": int(previous is not None)}
    sums["checksum"] = (checksum or 0) & 0xFFFFFFFF
    for side, rows in ("bid", bids), ("ask", asks):
        # Levels that a price of 64 bits does not hold are nobody's.
        rows = [row for row in rows if units(row[0]) < 1 << 63]
        sums[side + "_levels"] = len(rows)
        sums[side + "_prices"] = sum(units(row[0]) for row in rows)
        sums[side + "_sizes"] = sum(units(row[1]) for row in rows)
    return "book", sums


def bar(ts, interval, o, h, l, c, volume, closed):
    names = {"ts": ts, "interval": interval, "open": units(o), "high": units(h), "low": units(l), "close": units(c)}
    return "bar", names | {"volume": units(volume), "closed": int(closed)}


MS, US, S = 10**6, 10**3, 10**9
MINUTE = 60 * S


def binance(message):
    stream = ""
    if isinstance(message, dict) and "stream" in message:
        stream, message = message["stream"], message["data"]
    if not isinstance(message, dict):
        return [("ignored", {})]
    m, event = message, message.get("e")
    ts = m.get("T", m.get("E", 0))
    ts = ts * MS if isinstance(ts, int) else 0
    if event in ("trade", "aggTrade"):
        if m.get("X") in ("NA", "ADL", "INSURANCE_FUND") or units(m["p"]) == 0:
            return [("ignored", {})]
        return [trade(ts, m["p"], m["q"], not m["m"], m["t" if event == "trade" else "l"])]
    if event == "bookTicker" or (event is None and {"u", "b", "B", "a", "A"} <= m.keys()):
        return [quote(ts, m["b"], m["B"], m["a"], m["A"], m["u"])]
    if event == "depthUpdate":
        partial = re.search(r"@depth\d", stream) is not None
        return [book(ts, partial, m["b"], m["a"], m["u"], m["U"], m.get("pu"))]
    if event == "kline":
        k = m["k"]
        length = {"m": MINUTE, "h": 60 * MINUTE}[k["i"][-1]] * int(k["i"][:-1])
        return [bar(k["t"] * MS, length, k["o"], k["h"], k["l"], k["c"], k["v"], k["x"])]
    if event is None and "lastUpdateId" in m:
        return [book(ts, True, m["bids"], m["asks"], m["lastUpdateId"])]
    if event is None and m.get("result", "") is None:
        return [("acknowledged", {})]
    return [("ignored", {})]


def okx(m):
    if not isinstance(m, dict):
        return [("ignored", {})]
    if "event" in m:
        return [("refused" if m["event"] == "error" else "acknowledged", {})]
    if "arg" not in m:
        if m.get("code") == "0":
            rows = m["data"]
            if rows and "asks" in rows[0]:
                return [book(int(r["ts"]) * MS, True, r["bids"], r["asks"]) for r in rows]
            return [("ignored", {}) for _ in rows]
        return [("refused" if "code" in m else "ignored", {})]
    channel, out = m["arg"]["channel"], []
    for r in m["data"]:
        if channel == "trades":
            out.append(trade(int(r["ts"]) * MS, r["px"], r["sz"], r["side"] == "buy", int(r["tradeId"])))
        elif channel == "tickers":
            out.append(quote(int(r["ts"]) * MS, r["bidPx"], r["bidSz"], r["askPx"], r["askSz"]))
        elif channel == "bbo-tbt":
            (bid, *_), (ask, *_) = r["bids"], r["asks"]
            out.append(quote(int(r["ts"]) * MS, bid[0], bid[1], ask[0], ask[1], r["seqId"]))
        elif channel.startswith("books"):
            previous = r.get("prevSeqId")
            previous = None if previous == -1 else previous
            whole = m.get("action", "snapshot") == "snapshot"
            out.append(book(int(r["ts"]) * MS, whole, r["bids"], r["asks"], r.get("seqId", 0), 0, previous, r["checksum"]))
        elif channel == "candle1D":
            out.append(bar(int(r[0]) * MS, 1440 * MINUTE, *r[1:6], r[8] == "1"))
    return out or [("ignored", {})]


def bybit(m):
    if not isinstance(m, dict):
        return [("ignored", {})]
    if "topic" not in m:
        if "success" in m:
            return [("acknowledged" if m["success"] else "refused", {})]
        r = m.get("result")
        if isinstance(r, dict) and {"a", "b", "u"} <= r.keys():
            return [book(r["cts"] * MS, True, r["b"], r["a"], r["u"])]
        return [("ignored" if m.get("retCode", 0) == 0 else "refused", {})]
    name, d = m["topic"].split(".")[0], m["data"]
    if name in ("trade", "publicTrade"):
        return [trade(r["T"] * MS, r["p"], r["v"], r["S"] == "Buy", digest(r["i"])) for r in d]
    if name == "orderbook":
        return [book(m.get("cts", m["ts"]) * MS, m["type"] == "snapshot", d["b"], d["a"], d["u"])]
    if name == "tickers":
        one = "1" if "bid1Price" in d else ""
        bid, bid_size, ask, ask_size = (d[side + one + what] for side in ("bid", "ask") for what in ("Price", "Size"))
        return [quote(m["ts"] * MS, bid, bid_size, ask, ask_size)]
    if name == "kline":
        return [bar(r["start"] * MS, int(r["interval"]) * MINUTE, r["open"], r["high"], r["low"], r["close"], r["volume"], r["confirm"]) for r in d]
    return [("ignored", {})]


def bybit_2021(m):
    if "topic" not in m:
        return [("acknowledged", {})] if "success" in m else [("ignored", {})]
    d = m["data"]
    if m["topic"].startswith("trade."):
        return [trade(int(r["trade_time_ms"]) * MS, r["price"], r["size"], r["side"] == "Buy", digest(r["trade_id"])) for r in d]
    if m["type"] == "snapshot":
        rows = d if isinstance(d, list) else d["order_book"]
    else:
        rows = [r | {"size": 0} for r in d["delete"]] + d["update"] + d["insert"]
    bids, asks = ([(r["price"], r["size"]) for r in rows if r["side"] == side] for side in ("Buy", "Sell"))
    return [book(int(m["timestamp_e6"]) * US, m["type"] == "snapshot", bids, asks, int(m["cross_seq"]))]


def rfc3339(text):
    day, clock = text.rstrip("Z").split("T")
    hour, minute, second = clock.split(":")
    days = datetime.date.fromisoformat(day).toordinal() - datetime.date(1970, 1, 1).toordinal()
    return units(days * 86400 + int(hour) * 3600 + int(minute) * 60 + decimal.Decimal(second))


def orders(ts, whole, rows, sequence=0, checksum=None):
    """Rows of (action, number, buy, price, size)."""
    sums = {"ts": ts, "snapshots": int(whole), "sequence": sequence, "checksum": (checksum or 0) & 0xFFFFFFFF, "rows": len(rows)}
    for action in "add", "change", "delete":
        sums[action] = sum(row[0] == action for row in rows)
    sums["id"] = sum(row[1] for row in rows)
    sums["buys"] = sum(row[2] for row in rows)
    sums["price"] = sum(units(row[3]) for row in rows)
    sums["size"] = sum(units(row[4]) for row in rows)
    return "orders", sums


def coinbase(m):
    if "channel" in m:
        out = []
        for e in m["events"]:
            if m["channel"] == "l2_data":
                rows = [(r["side"], r["price_level"], r["new_quantity"]) for r in e["updates"]]
                bids, asks = ([r[1:] for r in rows if r[0] == side] for side in ("bid", "offer"))
                ts = max(rfc3339(r["event_time"]) for r in e["updates"])
                out.append(book(ts, e["type"] == "snapshot", bids, asks))
            for r in e.get("tickers", []):
                names = "best_bid", "best_bid_quantity", "best_ask", "best_ask_quantity"
                out.append(quote(rfc3339(m["timestamp"]), *(r[name] for name in names)))
            for r in e.get("candles", []):
                closed = rfc3339(m["timestamp"]) - int(r["start"]) * S >= 5 * MINUTE
                out.append(bar(int(r["start"]) * S, 5 * MINUTE, r["open"], r["high"], r["low"], r["close"], r["volume"], closed))
        kind = {"heartbeats": "heartbeat", "subscriptions": "acknowledged"}.get(m["channel"], "ignored")
        return out or [(kind, {})]
    kind = m.get("type")
    if kind in ("match", "last_match"):
        return [trade(rfc3339(m["time"]), m["price"], m["size"], m["side"] == "sell", m["trade_id"])]
    if kind == "l2update":
        bids, asks = ([r[1:] for r in m["changes"] if r[0] == side] for side in ("buy", "sell"))
        return [book(rfc3339(m["time"]), False, bids, asks)]
    if kind == "snapshot":
        return [book(0, True, m["bids"], m["asks"])]
    if kind is None and "pricebook" in m:
        b = m["pricebook"]
        bids, asks = ([(r["price"], r["size"]) for r in b[side]] for side in ("bids", "asks"))
        return [book(rfc3339(b["time"]), True, bids, asks)]
    if kind is None and "trades" in m:
        return [trade(rfc3339(r["time"]), r["price"], r["size"], r["side"] == "SELL", int(r["trade_id"])) for r in m["trades"]]
    if kind is None and "bids" in m:
        return [book(0, True, m["bids"], m["asks"], m["sequence"])]
    return [("acknowledged" if kind == "subscriptions" else "ignored", {})]


def kraken(m):
    if isinstance(m, list):
        name, payload = m[-2].split("-")[0], {k: v for part in m[1:-2] if isinstance(part, dict) for k, v in part.items()}
        if name == "trade":
            return [trade(units(r[2]), r[0], r[1], r[3] == "b", 0) for r in m[1]]
        if name == "ticker":
            return [quote(0, payload["b"][0], payload["b"][2], payload["a"][0], payload["a"][2])]
        whole = "as" in payload
        bids, asks = payload.get("bs" if whole else "b", []), payload.get("as" if whole else "a", [])
        ts = max(units(r[2]) for r in bids + asks)
        return [book(ts, whole, bids, asks, checksum=int(payload.get("c", 0)))]
    if "event" in m:
        return [("heartbeat" if m["event"] == "heartbeat" else "acknowledged", {})]
    if "method" in m:
        if m["method"] == "pong":
            return [("heartbeat", {})]
        return [("acknowledged" if m["method"] == "subscribe" else "ignored", {})]
    if "result" in m:
        rows = [r for pair, rows in m["result"].items() if pair != "last" for r in rows]
        return [trade(units(r[2]), r[0], r[1], r[3] == "b", r[6]) for r in rows]
    out, whole = [], m["type"] == "snapshot"
    for r in m["data"]:
        if m["channel"] == "trade":
            out.append(trade(rfc3339(r["timestamp"]), r["price"], r["qty"], r["side"] == "buy", r["trade_id"]))
        elif m["channel"] == "book":
            bids, asks = ([(x["price"], x["qty"]) for x in r[side]] for side in ("bids", "asks"))
            out.append(book(rfc3339(r["timestamp"]), whole, bids, asks, checksum=r["checksum"]))
        else:
            name = {"add": "add", "modify": "change", "delete": "delete"}
            rows = [
                (name[x.get("event", "add")], digest(x["order_id"]), side == "bids", x["limit_price"], x["order_qty"])
                for side in ("bids", "asks")
                for x in r[side]
            ]
            out.append(orders(rfc3339(r["timestamp"]), whole, rows, checksum=r["checksum"]))
    return out


def kraken_futures(m):
    feed = m.get("feed")
    if feed == "trade_snapshot":
        return [update for r in m["trades"] for update in kraken_futures(r)]
    if feed == "trade":
        return [trade(m["time"] * MS, m["price"], m["qty"], m["side"] == "buy", digest(m["uid"]))]
    if feed == "book":
        row = [(m["price"], m["qty"])]
        return [book(m["timestamp"] * MS, False, row if m["side"] == "buy" else [], row if m["side"] == "sell" else [], m["seq"], m["seq"])]
    if feed == "book_snapshot":
        bids, asks = ([(r["price"], r["qty"]) for r in m[side] if r["qty"]] for side in ("bids", "asks"))
        return [book(m["timestamp"] * MS, True, bids, asks, m["seq"])]
    if "orderBook" in m:
        return [book(rfc3339(m["serverTime"]), True, m["orderBook"]["bids"], m["orderBook"]["asks"])]
    return [("ignored", {})]


def hyperliquid(m):
    if isinstance(m, list) or m.get("channel") == "trades":
        rows = m if isinstance(m, list) else m["data"]
        return [trade(r["time"] * MS, r["px"], r["sz"], r["side"] == "B", r["tid"]) for r in rows]
    d = m.get("data", m)
    if "levels" in d:
        bids, asks = ([(r["px"], r["sz"]) for r in side] for side in d["levels"])
        return [book(d["time"] * MS, True, bids, asks)]
    return [("ignored", {})]


class Bitfinex:
    """What a channel holds is announced when it is subscribed to; so this reader remembers."""

    def __init__(self):
        self.channels = {}

    def __call__(self, m):
        if isinstance(m, dict):
            if m["event"] == "subscribed":
                self.channels[m["chanId"]] = m
            return [("acknowledged", {})]
        if m[1] == "hb":
            return [("heartbeat", {})]
        channel, rows = self.channels[m[0]], m[1]
        if channel["channel"] == "ticker" or rows == "tu":
            return [("ignored", {})]
        if channel["channel"] == "trades":
            rows = [m[2]] if rows == "te" else rows
            return [trade(r[1] * MS, r[3], abs(r[2]), r[2] > 0, r[0]) for r in rows]
        whole = isinstance(rows[0], list)
        rows = rows if whole else [rows]
        if channel["prec"] == "R0":
            add = "add" if whole else "change"
            rows = [(add, r[0], r[2] > 0, r[1], abs(r[2])) if r[1] else ("delete", r[0], r[2] > 0, 0, 0) for r in rows]
            return [orders(0, whole, rows)]
        bids, asks = ([(r[0], abs(r[2]) if r[1] else 0) for r in rows if (r[2] > 0) == buy] for buy in (True, False))
        return [book(0, whole, bids, asks)]


def lines(path):
    """The messages a file holds."""
    if path.endswith(".json"):
        yield open(path, encoding="utf-8").read()
        return
    for line in gzip.open(path, "rt", encoding="utf-8", newline="\n"):
        if re.match(r"\d+ [\[{]", line):
            yield line.split(" ", 1)[1]
        elif re.match(r"[\[{]", line):
            yield line
        elif found := re.match(r"(?:http\S+ -> )?\d+\.\d+: ", line):
            yield line[found.end():]


def main(data):
    feeds = [
        ("ws_streams/binance_*", binance),
        ("ws_streams/cryptofeed_BINANCE*", binance),
        ("ws_streams/cryptofeed_BYBIT*", bybit_2021),
        ("ws_streams/cryptofeed_OKX*", okx),
        ("rest_fixtures/nautilus/binance/**/*.json", binance),
        ("rest_fixtures/nautilus/bybit/ws_[!ao]*.json", bybit),
        ("rest_fixtures/nautilus/bybit/ws_orderbook*.json", bybit),
        ("rest_fixtures/nautilus/bybit/http_get_orderbook.json", bybit),
        ("rest_fixtures/nautilus/okx/ws_[bct]*.json", okx),
        ("rest_fixtures/nautilus/okx/http_get_order_book.json", okx),
        ("ws_streams/cryptofeed_COINBASE.ws*", coinbase),
        ("book/coinbase_*", coinbase),
        ("rest_fixtures/nautilus/coinbase/ws_*.json", coinbase),
        ("rest_fixtures/nautilus/coinbase/http_[pt]*.json", coinbase),
        ("ws_streams/cryptofeed_KRAKEN.ws*", kraken),
        ("rest_fixtures/nautilus/kraken/ws_[ablpst]*.json", kraken),
        ("rest_fixtures/nautilus/kraken/http_trades.json", kraken),
        ("rest_fixtures/nautilus/kraken/ws_futures*.json", kraken_futures),
        ("rest_fixtures/nautilus/kraken/http_futures_orderbook.json", kraken_futures),
        ("ws_streams/hyperliquid_*", hyperliquid),
        ("rest_fixtures/nautilus/hyperliquid/ws_*.json", hyperliquid),
        ("rest_fixtures/nautilus/hyperliquid/http_recent*.json", hyperliquid),
        ("ws_streams/cryptofeed_BITFINEX.ws*", Bitfinex),
        ("book/bitfinex_*", Bitfinex),
    ]
    for pattern, read in feeds:
        for path in sorted(glob.glob(os.path.join(data, pattern), recursive=True)):
            name = os.path.relpath(path, data)
            if "user_data" in name or "http_json" in name and not name.endswith("depth_response.json"):
                continue
            sums = collections.Counter()
            reader = read() if isinstance(read, type) else read
            for text in lines(path):
                # Numbers as they stand, so that none is rounded.
                for kind, values in reader(json.loads(text, parse_float=decimal.Decimal)):
                    sums[kind] += 1
                    for measure, value in values.items():
                        sums[f"{kind}.{measure}"] += value
            for measure, value in sorted(sums.items()):
                if measure.rsplit(".")[-1] in ("id", "first", "last", "previous", "sequence"):
                    value &= MASK
                print(name, measure, value)


main(sys.argv[1])
