#!/usr/bin/env python3
"""The recipes of examples/recipes, computed a second time: plain Python from the raw data to the last cent.

    python3 recipe_reference.py DATA_DIR [--fills] [CASE ...]    # one JSON line a case
    python3 recipe_reference.py generate                         # writes the small data files of examples/

No engine and none of its code: each case is one loop over the data with Decimal for money and float for indicators, so
that a difference of a cent can be traced fill by fill. The rules it follows are those of docs/recipes.md.
"""
import csv
import gzip
import io
import json
import math
import os
import sys
import tarfile
import zipfile
from datetime import datetime, timedelta, timezone
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal as D, getcontext
from zoneinfo import ZoneInfo

getcontext().prec = 60
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHOW = False
MINUTE = 60_000


def cents(x, digits):
    """Half away from zero."""
    return D(x).quantize(D(1).scaleb(-digits), ROUND_HALF_UP)


def ms(text):
    text = text.replace("+00:00", "").replace("T", " ").replace("Z", "")
    fmt = "%Y-%m-%d %H:%M:%S.%f" if "." in text else "%Y-%m-%d %H:%M:%S"
    stamp = datetime.strptime(text, fmt).replace(tzinfo=timezone.utc)
    return (stamp - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


class Ema:
    """Seeded with the first value, to which alpha is applied as well; ready after n values."""

    def __init__(self, n):
        self.n, self.alpha, self.value, self.count = n, 2 / (n + 1), 0.0, 0

    def update(self, x):
        self.value = x if self.count == 0 else self.value + self.alpha * (x - self.value)
        self.count += 1

    @property
    def ready(self):
        return self.count >= self.n


class Cross:
    """Long while the fast average is at or above the slow one, else short; None before both are ready or in a flat bar."""

    def __init__(self, fast=10, slow=20):
        self.fast, self.slow = Ema(fast), Ema(slow)

    def bar(self, o, h, l, c):
        self.fast.update(float(c))
        self.slow.update(float(c))
        if not self.slow.ready or o == h == l == c:
            return None
        return 1 if self.fast.value >= self.slow.value else -1


def show(case, n, side, qty, px, *more):
    if SHOW:
        print(case, n, "BUY" if side > 0 else "SELL", qty, px, *more, file=sys.stderr)


def text_rows(path, **more):
    with gzip.open(path, "rt") as f:
        yield from csv.DictReader(f, **more)


def lean(path, suffix):
    """(date, row) of every member that ends so, in the archive's order."""
    with tarfile.open(path) as tar:
        for member in tar:
            with zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read())) as z:
                for name in z.namelist():
                    if name.endswith(suffix):
                        for row in csv.reader(io.StringIO(z.read(name).decode())):
                            yield name[:8], row


def midnight(date, zone="UTC"):
    local = datetime.strptime(date, "%Y%m%d").replace(tzinfo=ZoneInfo(zone))
    return int(local.timestamp()) * 1000


def fx_external_bars(data):
    """Bid and ask minute bars loaded as they are; 1,000,000 a trade against 250,000 a step."""
    def load(side):
        path = f"{data}/bars/fxcm_usdjpy_m1_{side}_201302.csv.gz"
        return [(ms(r["timestamp"]), *(D(r[k]) for k in ("open", "high", "low", "close"))) for r in text_rows(path)]

    asks = {a[0]: a for a in load("ask")}
    cross, cash, orders, fills, positions = Cross(), D(1_000_000), 0, 0, 0
    market, pos = None, None  # the market as (bid, ask); the position as [side, [(qty, price), ...]]
    qty, step, tick, fee_rate = D(1_000_000), D(250_000), D("0.001"), D("0.00002")

    def trade(side):
        """What the step shows at the touch, the rest one tick worse."""
        nonlocal cash, orders, fills, positions, pos
        orders += 1
        bid, ask = market
        touch = ask if side > 0 else bid
        to_usd = 1 / bid if side > 0 else 1 / ask
        opening = pos is None
        if opening:
            pos, positions = [side, []], positions + 1
        cost = sum(q * p for q, p in pos[1])
        held = sum(q for q, _ in pos[1])
        for part, px in ((step, touch), (qty - step, touch + side * tick)):
            fills += 1
            fee = cents(cents(part * px * fee_rate, 0) * to_usd, 2)
            pnl = D(0)
            if opening:
                pos[1].append((part, px))
            else:
                share = cost * part / held
                cost, held = cost - share, held - part
                pnl = cents(cents(pos[0] * (part * px - share), 0) * to_usd, 2)
            cash += pnl - fee
            show("fx", fills, side, part, px, fee, pnl, cash)
        if not opening:
            pos = None

    for ts, o, h, l, c in load("bid"):
        # The bid bar is first in the configuration: what it decides meets the market as it stood before this minute's
        # ask bar came.
        want = cross.bar(o, h, l, c)
        if want and (pos is None or pos[0] != want):
            if pos:
                trade(want)
            trade(want)
        if ts in asks:
            market = (c, asks[ts][4])
    if pos:
        trade(-pos[0])
    return {"balances": {"SIM": {"USD": f"{cash:.2f}"}}, "orders": orders, "fills": fills, "positions": positions}


def generate():
    """The small data files beside the configurations: quotes of C8 and C10, funding, synthetic candles."""
    def write(name, head, lines):
        with open(os.path.join(ROOT, "examples", name), "w") as f:
            f.write(head + "\n" + "".join(line + "\n" for line in lines))

    # C8: 70 quotes a minute apart, as docs/CONFORMANCE.md writes them.
    def bid(i):
        if i < 20:
            return D("0.70000") + D("0.00002") * i
        return D("0.70040") - D("0.00001") * (i - 20) if i < 40 else D("0.70020") - D("0.00002") * (i - 40)

    start = datetime(2024, 1, 2)
    at = lambda i: (start + timedelta(minutes=i)).strftime("%Y-%m-%dT%H:%M:%SZ")
    quotes = [f"{at(i)},{bid(i):.5f},{bid(i) + D('0.00002'):.5f},1000000,1000000" for i in range(70)]
    write("conformance/c8_quotes.csv", "ts,bid,ask,bid_size,ask_size", quotes)
    # C10: ten quotes, mid 1000 + 0.1 i, 0.05 to either side.
    mid = lambda i: D(1000) + D("0.1") * i
    quotes = [f"{at(i)},{mid(i) - D('0.05'):.2f},{mid(i) + D('0.05'):.2f},1,1" for i in range(10)]
    write("conformance/c10_quotes.csv", "ts,bid,ask,bid_size,ask_size", quotes)
    # Funding of a perpetual: made up, every eight hours of the day that the inverse perpetual's bars are of.
    funding = ["2022-12-13T00:00:00Z,0.0001", "2022-12-13T08:00:00Z,0.00012345", "2022-12-13T16:00:00Z,-0.000075"]
    write("recipes/data/funding.csv", "ts,rate", funding)
    # Synthetic candles: two waves and a 64-bit linear congruential generator (Knuth's MMIX constants), in integers of a
    # cent, so that every machine and language makes the same bytes.
    state, close, lines = 20_240_101, 10_000, []

    def draw(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % n

    for i in range(1_000):
        # A triangle of 90 bars and one of 370: trends to follow, and turns.
        drift = (12 if i % 90 < 45 else -11) + (5 if i % 370 < 185 else -5)
        o = close
        close = max(5_000, o + drift + draw(41) - 20)
        h, l = max(o, close) + draw(15), min(o, close) - draw(15)
        ts = (datetime(2024, 1, 1, 1) + timedelta(hours=i)).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(f"{ts},{o / 100:.2f},{h / 100:.2f},{l / 100:.2f},{close / 100:.2f},{1_000 + draw(9_000)}")
    write("recipes/data/synthetic_1h.csv", "ts,open,high,low,close,volume", lines)


CASES = {"fx_external_bars": fx_external_bars}


def main():
    global SHOW
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    SHOW = "--fills" in sys.argv
    if words == ["generate"]:
        return generate()
    for case in words[1:] or CASES:
        print(json.dumps({"case": case, **CASES[case](words[0])}))


if __name__ == "__main__":
    main()
