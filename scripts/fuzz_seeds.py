#!/usr/bin/env python3
"""Makes the seeds of those fuzz targets whose inputs are not messages: books, numbers, tables, captures, DBN, frame
files, journals.

    python3 scripts/fuzz_seeds.py DATA_DIR REPOSITORY

Writes REPOSITORY/fuzz/seeds/TARGET/NAME, from real data where there is some (DATA_DIR is the folder that
`STARLING_DATA` names). What a target reads its bytes as, the head of its judge in fuzz/src says. Needs nothing but
Python, and `zstd` on the path.
"""
import gzip
import json
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

DATA, ROOT = Path(sys.argv[1]), Path(sys.argv[2])
SEEDS = ROOT / "fuzz" / "seeds"


def write(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def lines(path, count, start=0):
    """Lines of a file as it lies there, or as its one archive member."""
    path = DATA / path
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            rows = [file.readline() for _ in range(start + count)]
    else:
        with gzip.open(path) as file:
            rows = [file.readline() for _ in range(start + count)]
    return rows[start:]


# --- books -----------------------------------------------------------------------------------------------------------

SELL, NEAR, DELETE_BEST, SNAPSHOT, SWEEP, CHECKSUM = 0x80, 0, 4, 5, 6, 7


def near(sell, ticks, size, rest=0):
    return struct.pack("<BhBB", NEAR | (SELL if sell else 0), ticks, rest, size)


def snapshot(bids, asks):
    rows = b"".join(struct.pack("<bB", *row) for row in bids + asks)
    return bytes([SNAPSHOT, len(bids) | len(asks) << 4]) + rows


def book_l2():
    # A real run of depth changes: prices in ticks of 0.1 around the best ones of its time.
    steps = []
    for row in lines("book/binance_btcusdt_depth_update.csv.gz", 60, start=1):
        if not row:
            break
        _, _, _, _, side, _, price, size, _ = row.decode().split(",")
        ticks = round((float(price) - 20473) * 10)
        steps.append(near(side == "a", max(-30000, min(30000, ticks)), min(255, round(float(size) * 100))))
    head = struct.pack("<IBB", 100_000_000, 1, 0)
    write("book_l2", "depth_changes", head + b"".join(steps))
    ladder = snapshot([(-n, 10 + n) for n in range(1, 11)], [(n, 20 + n) for n in range(1, 11)])
    sweeps = struct.pack("<Bq", SWEEP, 65) + struct.pack("<Bq", SWEEP | SELL, 2**62)
    sums = bytes([CHECKSUM, 1, 8])
    write("book_l2", "snapshot", head + ladder + sweeps + sums + bytes([DELETE_BEST, DELETE_BEST | SELL]) + sums)
    crossed = ladder + near(False, 3, 5) + near(True, -3, 5) + bytes([DELETE_BEST | SELL])
    write("book_l2", "crossed", struct.pack("<IBB", 1, 2, 4) + crossed)
    # Out of a window of 64 ticks on both ends, and between two ticks.
    leaps = b"".join(near(n % 2 == 1, 97 * n * (-1) ** n, 1 + n, rest=n % 3) for n in range(40))
    anywhere = struct.pack("<Bqq", 3, 2**63 - 1, 7) + struct.pack("<Bqq", 3 | SELL, -(2**63), 7)
    write("book_l2", "leaps", struct.pack("<IBB", 5, 0, 0) + leaps + anywhere + bytes([DELETE_BEST]))


def book_l3():
    steps, known = [], {}
    for row in lines("book/bitfinex_btcusd_L3_raw_R0_2021.log.gz", 120, start=2):
        frame = json.loads(row)
        if not isinstance(frame, list) or not isinstance(frame[1], list):
            continue
        for number, price, amount in frame[1] if isinstance(frame[1][0], list) else [frame[1]]:
            number, at = number % 32, max(-128, min(127, round(price - 60940)))
            size = max(1, min(255, round(abs(amount) * 100)))
            action = 2 if price == 0 else 1 if number in known else 0
            known[number] = True
            if action == 2:
                known.pop(number, None)
            steps.append(struct.pack("<BBbB", action << 3 | (0x80 if amount < 0 else 0), number, at, size))
    write("book_l3", "bitfinex_rows", b"\1" + b"".join(steps[:150]))
    add = b"".join(struct.pack("<BBbB", 0x80 * (n % 2), n, n // 4 * (-1) ** n, 10 + n) for n in range(16))
    reduce = b"".join(struct.pack("<BBq", 6, n, 5 + 3 * n) for n in range(16))
    more = struct.pack("<BBbq", 4 | 1 << 3, 3, 1, 2**62) + struct.pack("<BBbq", 4 | 1 << 3, 5, 1, 2**62)
    write("book_l3", "reduced", b"\0" + add + reduce + more + bytes([7]) + add)


def book_join():
    change = b"".join(bytes([40 + n % 7, n * 5 % 11, n % 3]) for n in range(30))
    for venue in range(5):
        deliveries = bytes([0, 0, 240, 2, 0, 0, 0, 0, 7, 0, 0, 201, 0, 0, 0, 241, 3, 0, 0, 254, 0, 240, 0] + [0] * 12)
        write("book_join", f"venue_{venue}", bytes([venue, 30, 33]) + change + deliveries)
    for venue in (0, 1, 5, 6):
        anything = b""
        for n in range(8):
            flags = (1 if n % 4 == 0 else 0) | 2 | (4 if venue == 5 else 0)
            ids = bytes([10 + n, 11 + n, 10 + n - 1])
            checksum = struct.pack("<I", 0xDEAD + n) if flags & 4 else b""
            rows = b"".join(struct.pack("<bb", p, s) for p, s in ((10, 1 + n), (9, n % 3), (12, 4), (13, n % 2)))
            anything += bytes([flags, 2 | 2 << 4]) + ids + checksum + rows
        write("book_join", f"anything_{venue}", bytes([venue, 0, 0]) + anything)


# --- text ------------------------------------------------------------------------------------------------------------


def capture():
    def some(path, wanted, length=500):
        picked = []
        with gzip.open(DATA / "ws_streams" / path) as file:
            for line in file:
                if len(line) <= length and re.search(wanted, line):
                    picked.append(line)
                if len(picked) == 3:
                    break
        return b"".join(picked)

    write("capture", "stamped", some("binance_usdm_btcusdt_raw_20240808T235415Z.gz", rb"bookTicker"))
    opened = some("cryptofeed_ASCENDEX_FUTURES.ws.1.0.gz", rb"<->")
    sent = some("cryptofeed_BITFINEX.ws.11.0.gz", rb" <- ")
    received = some("cryptofeed_BITFINEX.ws.11.0.gz", rb"^\d+\.\d+: \[")
    write("capture", "cryptofeed", b'configuration: {"trades":["BTC-USD"]}\n' + opened + sent + received)
    write("capture", "binary", some("cryptofeed_HUOBI_SWAP.ws.1.0.gz", rb": b['\"]"))
    answer = b'https://api.exchange.test/depth?symbol=NKNUSDT -> 1633998512.320639: {"lastUpdateId":499869752,"bids":[]}\r\n'
    write("capture", "answer", answer + b"\r\n")


def csv():
    def text(first, rows):
        return bytes([first]) + b"".join(rows)

    comma, semicolon, tab = 0x00, 0x40, 0x80
    write("csv", "bars", text(comma | 7, lines("bars/backtesting_eurusd_1h_2017_2018.csv.gz", 6)))
    write("csv", "trades", text(comma | 63, lines("trades/tardis_binancefutures_btcusdt_trades_20200222.csv.gz", 5)))
    quoted = b'\xef\xbb\xbfname;note;n\r\n"a ""b""";"x\r\ny";1\r\n\r\nplain;in "the" middle;-9223372036854775808\r\n";";;"'
    write("csv", "quoted", text(semicolon | 1, [quoted, b'"']))
    write("csv", "tabs", text(tab | 16, [b"ts\tprice\n1672620536\t90.070000\n1672621569\t90"]))
    write("csv", "unclosed", text(comma, [b'a,b\n1,"2\n3,4\n']))


def fixed():
    for number, text in enumerate(
        ["61800.20", "-0.00002853", "1.69685512", ".5", "7.", "+3", "1e-05", "-1.2E+03", "9223372036.854775807"]
        + ["-9223372036.854775808", "12345678.12345678", "0.1234567890", "1e30", "-0", "1.0000000001", "00000000000000000001"]
    ):
        write("fixed", f"{number:02}", text.encode())


def csv_table():
    """The first byte says which table of the judge reads the text, and how it takes faults."""
    refuse, drop, accept = 0x00, 0x10, 0x20

    def text(first, rows):
        return bytes([first]) + b"".join(rows)

    write("csv_table", "bars_iso", text(0 | refuse, lines("bars/backtesting_eurusd_1h_2017_2018.csv.gz", 5)))
    write("csv_table", "bars_ms", text(0 | accept, lines("bars/bitfinex_btcusd_1m_2014.csv.gz", 4)))
    write("csv_table", "quotes_iso", text(1 | refuse, lines("ticks/truefx_usdjpy_quotes_20130101.csv.gz", 5)))
    quotes = lines("ticks/tardis_binancefutures_btcusdt_quotes_20200222.csv.gz", 5)
    write("csv_table", "quotes_us", text(1 | drop, quotes))
    trades = lines("trades/tardis_binancefutures_btcusdt_trades_20200222.csv.gz", 5)
    write("csv_table", "trades_us", text(2 | accept, trades))
    write("csv_table", "trades_s", text(2 | drop, lines("trades/kraken_bcheur_trades_2023q2.csv.gz", 5)))
    pair = b"20140501 09:30,1.38,1.39,1.37,1.385,100,1.381,1.391,1.371,1.386,200\n20140501 09:31,1.385,1.39,1.38,"
    write("csv_table", "quote_bars", text(3 | refuse, [pair + b"1.381,0,1.386,1.391,1.381,1.382,0\n"]))
    funding = b"timestamp,funding_rate,mark_price\n1672617600000,0.0001,16541.2\n1672646400000,-1.2e-05,nan\n"
    write("csv_table", "funding", text(4 | drop, [funding]))
    clock = b"time,open,high,low,close,volume\n2013-11-03 00:30,10,12,9.5,11,1\n2013-11-03 01:00,11.4,12,11,11.5,2\n"
    write("csv_table", "clock_change", text(5 | accept, [clock + b"2013-11-03 01:00,11.5,12,11,11.2,3\n"]))
    write("csv_table", "lean_quotes", text(6 | accept, lines("ticks/lean_usequity_aig_tickquote_20131007.zip", 6)))
    write("csv_table", "lean_trades", text(7 | drop, lines("ticks/lean_usequity_aig_ticktrade_20131007.zip", 6)))
    pattern = b"Date,Open,High,Low,Close,Volume\n11/01/2019 09:30,3050.72,3051.75,3049.9,3050.7,0\n"
    write("csv_table", "pattern", text(8 | refuse, [pattern + b"11/01/2019 09:31,3050.7,3052,3050.1,3051.9,inf\n"]))
    adjusted = b"Date,Open,High,Low,Close,Adj Close,Volume\n2019-01-02,154.9,158.9,154.2,157.9,155.58,37039700\n"
    faults = b"2019-01-03,143.98,145.7,142,142.19,140.08,9131\n2019-01-03,1,0.5,2,-1,,1e3\n2018-12-31,,nan,1,1,1,-4\n"
    write("csv_table", "adjusted", text(9 | drop, [adjusted, faults]))


# --- binary files ----------------------------------------------------------------------------------------------------


def dbn():
    names = ["mbo.v3.dbn", "mbp-1.dbn", "mbp-10.dbn", "ohlcv-1d.dbn", "bbo-1s.dbn", "definition.v1.dbn.frag"]
    names += ["definition.v2.dbn.frag", "definition.v3.dbn.frag", "cbbo-1s.dbn"]
    for name in names:
        write("dbn", name, (DATA / "dbn" / f"test_data.{name}").read_bytes())
    for name in ["statistics.v1", "statistics.v3", "status.v2", "imbalance.v3", "trades.v1"]:
        path = DATA / "dbn" / f"test_data.{name}.dbn.zst"
        if path.exists():
            write("dbn", f"{name}.dbn", subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout)


def frames():
    CHANGES, SIGN_HEADER, SIGN_BLOCKS, WRITE_AGAIN = 0x80, 1, 2, 4

    def stored(plain):
        # One raw block of zstd in a frame that tells its length.
        size = struct.pack("<B", len(plain)) if len(plain) < 256 else struct.pack("<H", len(plain) - 256)
        head = bytes([0x20 if len(plain) < 256 else 0x60])
        return b"\x28\xb5\x2f\xfd" + head + size + struct.pack("<I", 1 | len(plain) << 3)[:3] + plain

    def frame(ts, connection, payload, direction=0, binary=0, subject=b""):
        head = struct.pack("<QHBBHHI", ts, connection, direction, binary, len(subject), 0, len(payload))
        return head + subject + payload

    def file(blocks):
        session = json.dumps({"venue": "binance-spot", "url": "wss://stream.test/ws", "started": 0}).encode()
        head = b"SLFRAMES" + struct.pack("<HHI", 1, 0, len(session)) + session
        seed = zlib.crc32(head)
        out, first = head + struct.pack("<I", seed), 0
        for rows in blocks:
            plain = b"".join(frame(*row) for row in rows)
            body, stamps = stored(plain), [row[0] for row in rows]
            sizes = (len(body), len(plain), len(rows))
            block = b"FBLK" + struct.pack("<IIIQQQI", *sizes, min(stamps), max(stamps), first, zlib.crc32(body, seed))
            out += block + struct.pack("<I", zlib.crc32(block, seed)) + body
            first += len(rows)
        return out

    url = b"wss://stream.test/ws"
    ticker = b'{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}'
    start = 1_723_161_254_024_619_568
    blocks = [
        [(start, 0, b"", 4 - 1, 0, url), (start + 5, 0, b'{"method":"SUBSCRIBE"}', 1)],
        [(start + 9, 0, ticker), (start + 7, 1, b"\x1f\x8b\x08", 0, 1)],
        [(start + 11, 0, b"timeout", 4)],
    ]
    whole = file(blocks)
    write("frames", "intact", whole + b"\0")
    write("frames", "signed", whole + bytes([SIGN_HEADER | SIGN_BLOCKS | WRITE_AGAIN]))
    write("frames", "header_signed", whole + bytes([SIGN_HEADER]))
    write("frames", "torn", whole[:-9] + b"\0")
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :]
    write("frames", "damaged", damaged + b"\0")
    write("frames", "changes", bytes([200, 0, 1, 201, 0, 128, 120, 0, 7, CHANGES]))
    write("frames", "cut", bytes([0, 1, CHANGES]))


def journal():
    SIGN_HEADER, SIGN_RECORDS, SIGN_SEALS = 1, 2, 4
    SIGN = SIGN_HEADER | SIGN_RECORDS | SIGN_SEALS
    RUN, ORDER, REPORT, SEAL, END, NOTE, UNKNOWN = 1, 7, 8, 13, 14, 15, 900

    def header(first_seq=0, previous=bytes(32)):
        head = b"STARLJNL" + struct.pack("<HHI", 1, 84, 0) + bytes(range(16)) + struct.pack("<QQ", 5, first_seq)
        return head + previous + b"crc!"

    def record(kind, seq, payload, flags=0):
        return b"headpayl" + struct.pack("<IHHQQ", len(payload), kind, flags, seq, 1_700_000_000_000_000_000) + payload

    def seal(kind, seq, first):
        return record(kind, seq, struct.pack("<Q", first) + bytes(32))

    text = (ROOT / "crates/core/src/journal/golden.hex").read_text()
    golden = bytes.fromhex("".join(line.split("#")[0][6:] for line in text.splitlines()))
    write("journal", "golden", golden + b"\0")
    write("journal", "golden_torn", golden[:-20] + b"\0")
    group = record(RUN, 0, b"seed = 1") + record(ORDER, 1, b"buy 3") + seal(SEAL, 2, 0)
    rest = record(REPORT, 3, b"filled 3 @ 101.5") + record(NOTE, 4, b"done", 1)
    write("journal", "finished", header() + group + rest + seal(END, 5, 3) + bytes([SIGN]))
    write("journal", "open", header() + group + rest + bytes([SIGN]))
    write("journal", "later_file", header(7, bytes(range(32))) + record(ORDER, 7, b"sell 1") + seal(END, 8, 7) + bytes([SIGN]))
    write("journal", "second_damaged", header() + group + rest + bytes([SIGN | 2 << 3]))
    write("journal", "last_cut", header() + group + record(REPORT, 3, b"filled")[:-3] + bytes([SIGN]))
    write("journal", "unknown_kinds", header() + record(UNKNOWN, 0, b"?", 1) + record(UNKNOWN, 1, b"!") + bytes([SIGN]))
    write("journal", "seals_unsigned", header() + group + rest + bytes([SIGN_HEADER | SIGN_RECORDS]))


for make in (book_l2, book_l3, book_join, capture, csv, csv_table, fixed, dbn, frames, journal):
    make()
