"""Alpaca's documented messages as JSON and, by PyPI msgpack, as MessagePack.

Usage: alpaca_golden.py > crates/market/src/wire/alpaca/golden.txt

Each line is a frame of JSON, a tab, and the same frame of MessagePack in hexadecimal. Every frame comes twice: with stamps
as the extension type (as the venue sends them) and, the second time, with stamps as text, numbers as singles where they
are exact in them, and names in reverse order.
"""

import datetime
import json
import struct

import msgpack

FRAMES = [
    '[{"T":"success","msg":"connected"}]',
    '[{"T":"success","msg":"authenticated"}]',
    '[{"T":"subscription","trades":["AAPL"],"quotes":["AMD","CLDR"],"bars":["*"],"updatedBars":[],"dailyBars":["VOO"],"statuses":["*"],"lulds":[],"corrections":["AAPL"],"cancelErrors":["AAPL"]}]',
    '[{"T":"error","code":400,"msg":"invalid syntax"}]',
    '[{"T":"error","code":406,"msg":"connection limit exceeded"}]',
    '[{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}]',
    '[{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"X","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}]',
    '[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}]',
    '[{"T":"d","S":"VOO","o":358,"h":358.27,"l":357.895,"c":358.1,"v":1302,"n":20,"vw":358.054,"t":"2021-02-22T05:00:00Z"},{"T":"u","S":"SPY","o":388.985,"h":389.14,"l":388.975,"c":389.12,"v":49380,"n":462,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}]',
    '[{"T":"t","S":"BTC/USD","p":20050.5,"s":0.000000025,"t":"2022-10-13T18:14:23.00123456Z","i":74119264,"tks":"B"},{"T":"t","S":"ETH/USD","p":1316.562,"s":20.4717,"t":"2022-08-12T21:22:25.631Z","i":1,"tks":"S"}]',
    '[{"T":"q","S":"ETH/USD","bp":1445.34,"bs":4.339,"ap":1445.69,"as":8.8195,"t":"2022-07-25T17:22:32.123456789Z"}]',
    '[{"T":"o","S":"BTC/USD","t":"2022-07-25T17:23:00.5Z","b":[{"p":22000.0,"s":0.5},{"p":21999.5,"s":1}],"a":[{"p":22002.25,"s":0}],"r":true}]',
    '[{"T":"o","S":"BTC/USD","t":"2022-07-25T17:23:01Z","b":[],"a":[{"p":22001.75,"s":0.004}]}]',
    '[{"T":"t","S":"AAPL240315C00172500","t":"2024-03-11T13:35:35.13312256Z","p":2.84,"s":1,"x":"N","c":"S"}]',
    '[{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Trading Halted; For information requested by NASDAQ","t":"2021-02-22T19:15:00Z","z":"C"}]',
    '[{"T":"l","S":"IONM","u":3.24,"d":2.65,"i":"B","t":"2023-04-06T13:45:45Z","z":"C"},{"T":"c","S":"EEM","x":"M","oi":52983525033527,"op":39.1582,"os":440000,"oc":["7","V"],"ci":52983525034326,"cp":39.1809,"cs":440000,"cc":["7","V"],"z":"B","t":"2023-04-06T14:25:06.542305024Z"},{"T":"x","S":"GOOGL","i":465,"x":"D","p":105.31,"s":300,"a":"C","z":"C","t":"2023-04-06T13:15:42.83540958Z"}]',
    '[{"T":"t","S":"X","i":18446744073709551615,"p":0.0001,"s":9000000000,"t":"2521-01-01T00:00:00.000000001Z"}]',
    '[]',
]


def stamp(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    days = datetime.datetime.fromisoformat(whole) - datetime.datetime(1970, 1, 1)
    return msgpack.Timestamp(days.days * 86400 + days.seconds, int(fraction.ljust(9, "0") or 0))


def other(value):
    """The same meaning in other bytes."""
    if isinstance(value, dict):
        return {name: other(item) for name, item in reversed(value.items())}
    if isinstance(value, list):
        return [other(item) for item in value]
    return value


def main():
    packer = msgpack.Packer(use_single_float=False)
    single = msgpack.Packer(use_single_float=True)
    for text in FRAMES:
        messages = json.loads(text)
        stamped = [{name: stamp(value) if name == "t" else value for name, value in m.items()} for m in messages]
        print(text, packer.pack(stamped).hex(), sep="\t")
        floats = [v for m in messages for v in m.values() if isinstance(v, float)]
        exact = all(struct.unpack(">f", struct.pack(">f", v))[0] == v for v in floats)
        print(text, (single if exact else packer).pack(other(messages)).hex(), sep="\t")


main()
