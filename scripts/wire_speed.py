"""Nanoseconds a message of Binance: our decoder, serde_json, sonic-rs, msgspec, orjson and json on the same bytes.

Usage: wire_speed.py DATA   (pip install orjson msgspec; DATA is the folder of real data)

Frames are real ones of the spot capture; depth20 messages are the top of the captured book snapshot, in the shape of
`@depth20`. All libraries go as far as exact numbers: ours, serde_json and sonic-rs to fixed point, msgspec to Decimal. json and
orjson leave decimals as text, which flatters them.
"""

import decimal
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import msgspec
import orjson

ROUNDS = 21
PER_KIND = 1000


def frames(data):
    """A thousand frames a kind."""
    kinds = {"trade": [], "bookTicker": [], "diff": [], "depth20": []}
    path = os.path.join(data, "ws_streams", "binance_spot_btcusdt_raw_20240808T235414Z.gz")
    names = {"trade": "trade", "bookTicker": "bookTicker", "depth@100ms": "diff"}
    for line in gzip.open(path, "rt"):
        text = line.rstrip("\n").split(" ", 1)[1]
        message = json.loads(text)
        if "stream" in message:
            kinds[names[message["stream"].split("@")[1] + ("@100ms" if "depth" in message["stream"] else "")]].append(text)
        else:
            for at in range(0, 900, 20):
                part = {"lastUpdateId": message["lastUpdateId"] + at}
                part |= {side: message[side][at : at + 20] for side in ("bids", "asks")}
                whole = {"stream": "btcusdt@depth20@100ms", "data": part}
                kinds["depth20"].append(json.dumps(whole, separators=(",", ":")))
    return {kind: texts[:PER_KIND] for kind, texts in kinds.items()}


class Trade(msgspec.Struct):
    s: str
    t: int
    p: decimal.Decimal
    q: decimal.Decimal
    T: int
    m: bool


class Quote(msgspec.Struct):
    s: str
    u: int
    b: decimal.Decimal
    B: decimal.Decimal
    a: decimal.Decimal
    A: decimal.Decimal


Rows = list[tuple[decimal.Decimal, decimal.Decimal]]


class Partial(msgspec.Struct):
    lastUpdateId: int
    bids: Rows
    asks: Rows


class Diff(msgspec.Struct):
    s: str
    U: int
    u: int
    E: int
    b: Rows
    a: Rows


def combined(kind):
    return msgspec.defstruct("Combined", [("stream", str), ("data", kind)])


STRUCTS = {"trade": Trade, "bookTicker": Quote, "depth20": Partial, "diff": Diff}


def median(work, messages):
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        for message in messages:
            work(message)
        rounds.append((time.perf_counter_ns() - started) / len(messages))
    return statistics.median(rounds)


def main(data):
    kinds = frames(data)
    table = {}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for kind, texts in kinds.items():
            file.writelines(f"{kind} {text}\n" for text in texts)
        file.flush()
        manifest = os.path.join(os.path.dirname(__file__), "..", "benches", "peers", "Cargo.toml")
        command = ["cargo", "run", "-q", "--release", "--manifest-path", manifest, "--", file.name]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            library, kind, nanoseconds = line.split()
            table.setdefault(library, {})[kind] = float(nanoseconds)
    for kind, texts in kinds.items():
        messages = [text.encode() for text in texts]
        decoders = {
            "msgspec": msgspec.json.Decoder(combined(STRUCTS[kind])).decode,
            "orjson": orjson.loads,
            "json": json.loads,
        }
        for library, decode in decoders.items():
            table.setdefault(library, {})[kind] = median(decode, messages)
    sizes = {kind: statistics.mean(map(len, texts)) for kind, texts in kinds.items()}
    print(f"{'ns a message':<20}" + "".join(f"{kind:>14}" for kind in kinds))
    print(f"{'(mean bytes)':<20}" + "".join(f"{sizes[kind]:>14.0f}" for kind in kinds))
    for library, row in table.items():
        print(f"{library:<20}" + "".join(f"{row[kind]:>14.0f}" for kind in kinds))


main(sys.argv[1])
