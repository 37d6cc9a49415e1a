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
        if self.count == 0:
            self.value = x
        self.value = self.alpha * x + (1 - self.alpha) * self.value
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


class Netting:
    """One position of one strategy: exact open cost, profit of what closes, a position turned through zero."""

    def __init__(self, inverse=None, digits=8):
        self.qty, self.cost, self.inverse, self.digits = D(0), D(0), inverse, digits

    def value(self, qty, px):
        """Linear: quote currency. Inverse: base currency, contracts of `inverse` quote units, at 18 decimals."""
        if self.inverse is None:
            return qty * px
        return (qty * self.inverse / px).quantize(D("1e-18"))

    def fill(self, side, qty, px):
        """Profit of the part that closes, rounded once."""
        signed, gain = side * qty, D(0)
        if self.qty * signed < 0:
            closed = self.qty if abs(signed) >= abs(self.qty) else -signed
            share = self.cost if closed == self.qty else (self.cost * closed / self.qty).quantize(D("1e-18"))
            gain = self.value(closed, px) - share
            gain = -gain if self.inverse else gain
            self.cost -= share
            self.qty -= closed
            signed += closed
        self.cost += self.value(signed, px)
        self.qty += signed
        return cents(gain, self.digits)


def walk(o, h, l, c, v):
    """The four steps of a bar: price, and what can be traded there."""
    v = v or D(1_000_000)
    quarter = (v / 4).quantize(D("1e-9"), ROUND_DOWN)
    return [(o, quarter), (h, quarter), (l, quarter), (c, v - 3 * quarter)]


def taken(side, qty, px, left, tick):
    """An aggressive order: what is left at the touch, the rest one tick worse."""
    first = min(qty, left)
    return [(q, p) for q, p in ((first, px), (qty - first, px + side * tick)) if q]


def funding_of(name):
    with open(os.path.join(ROOT, "examples/recipes", name)) as f:
        return {ms(r["ts"]): D(r["rate"]) for r in csv.DictReader(f)}


def perpetual_linear(data):
    """Orders meet the next bar at its open; a resting limit order; funding after the bar of its stamp."""
    bars = [(midnight(day) + int(r[0]) + MINUTE, *map(D, r[1:6]))
            for day, r in lean(f"{data}/bars/lean_bybit_btcusdt_1m_2022.tar.gz", "_trade.csv")]
    funding, tick = funding_of("data/funding.csv"), D("0.01")
    maker, taker, limit_px = D("0.0001"), D("0.0006"), D(17190)
    cash, cross, held, dip = D(10_000), Cross(), Netting(), Netting()
    orders = fills = 0
    waiting, resting = [], None  # (position, side, qty) in order of arrival; what is left of the limit order

    def fill(position, side, qty, px, rate):
        nonlocal cash, fills
        fills += 1
        fee = cents(qty * px * rate, 8)
        cash += position.fill(side, qty, px) - fee
        show("linear", fills, side, qty, px, fee, cash)

    for n, (ts, *bar) in enumerate(bars, 1):
        for at, (px, size) in enumerate(walk(*bar)):
            left = {1: size, -1: size}
            if resting and px < limit_px:
                part = min(resting, left[1])
                left[1] -= part
                resting -= part
                if part:
                    fill(dip, 1, part, limit_px, maker)
            if at == 0:
                for position, side, qty in waiting:
                    if side == "limit":
                        resting = qty if px > limit_px else None  # post only: refused where it would take
                        continue
                    for part, price in taken(side, qty, px, left[side], tick):
                        fill(position, side, part, price, taker)
                    left[side] -= min(left[side], qty)
                waiting = []
        want = cross.bar(*bar[:4])
        if want and want * held.qty <= 0:
            if held.qty:
                waiting.append((held, want, abs(held.qty)))
            waiting.append((held, want, D("0.5")))
            orders += 1 + bool(held.qty)
        if n == 60:
            waiting.append((dip, "limit", D("0.25")))
            orders += 1
        for position in (held, dip):
            if ts in funding and position.qty:
                cash -= cents(position.qty * bar[3] * funding[ts], 8)
                show("linear funding", ts, 1, position.qty, bar[3], cash)
    assert not waiting, "the last bar decides nothing"
    for position in (held, dip):
        if position.qty:
            orders += 1
            side = -1 if position.qty > 0 else 1
            qty = abs(position.qty)
            for part, price in taken(side, qty, px, left[side], tick):
                fill(position, side, part, price, taker)
            left[side] -= min(left[side], qty)
    return {"balances": {"BYBIT": {"USDT": f"{cash:.8f}"}}, "orders": orders, "fills": fills, "positions": 2}


def perpetual_inverse(data):
    """Contracts of 100 USD settled in BTC; one order through zero, at the close that decided."""
    cash, cross, held, rate = D(2), Cross(), Netting(inverse=D(100)), D("0.0005")
    funding, orders, fills, tick = funding_of("data/funding.csv"), 0, 0, D("0.1")

    def order(side, qty, px, size):
        nonlocal cash, orders, fills
        orders += 1
        for part, price in taken(side, qty, px, size, tick):
            fills += 1
            fee = cents(part * 100 * rate / price, 8)
            cash += held.fill(side, part, price) - fee
            show("inverse", fills, side, part, price, fee, cash)

    for day, r in lean(f"{data}/bars/lean_binancecoinm_btcusd_1m_2022.tar.gz", "_trade_perp.csv"):
        ts, bar = midnight(day) + int(r[0]) + MINUTE, list(map(D, r[1:6]))
        px, size = walk(*bar)[3]
        want = cross.bar(*bar[:4])
        if want and want * held.qty <= 0:
            order(want, abs(held.qty) + 200, px, size)
        if ts in funding and held.qty:
            value = (held.qty * 100 / px).quantize(D("1e-18"))
            cash -= cents(value * funding[ts], 8)
            show("inverse funding", ts, 1, held.qty, px, cash)
    if held.qty:
        order(-1 if held.qty > 0 else 1, abs(held.qty), px, size)
    return {"balances": {"BINANCE": {"BTC": f"{cash:.8f}"}}, "orders": orders, "fills": fills, "positions": 1}


def twap_slices(data):
    """Minute bars of trade prints on a timer; entries in four slices ten seconds apart, exits whole."""
    prints = [(int(r["local_timestamp"]), D(r["price"]), D(r["amount"]))
              for r in text_rows(f"{data}/trades/tardis_binancefutures_btcusdt_trades_20200222.csv.gz")]
    step, gap, tick, rate = 60_000_000, 10_000_000, D("0.01"), D("0.0004")
    cash, cross, held, orders, fills = D(1_000_000), Cross(), Netting(), 0, 0
    slices = []  # (due, side, qty)
    px = size = None

    def order(side, qty):
        nonlocal cash, orders, fills
        orders += 1
        for part, price in taken(side, qty, px, size, tick):
            fills += 1
            fee = cents(part * price * rate, 8)
            cash += held.fill(side, part, price) - fee
            show("twap", fills, side, part, price, fee, cash)

    def decide(now, bar):
        want = cross.bar(*bar)
        if want and want * held.qty <= 0:
            assert not slices, "no decision falls into the forty seconds"
            if held.qty:
                order(want, abs(held.qty))
            order(want, D("0.312"))
            slices.extend((now + n * gap, want, D("0.314") if n == 3 else D("0.312")) for n in (1, 2, 3))

    bar, due = None, (prints[0][0] // step + 1) * step
    for ts, price, amount in prints + [(prints[-1][0] + 1, None, None)]:
        # What is due before this print: bars close before slices go out.
        while min(due, slices[0][0] if slices else due) < ts:
            if not slices or due <= slices[0][0]:
                now, due = due, due + step
                decide(now, bar)
                bar = [bar[3]] * 4
                fresh = True
            else:
                _, side, qty = slices.pop(0)
                order(side, qty)
        if price is None:
            break
        px, size = price, amount
        if bar is None or fresh:
            bar = [px] * 4
        bar = [bar[0], max(bar[1], px), min(bar[2], px), px]
        fresh = False
    if held.qty:
        order(-1 if held.qty > 0 else 1, abs(held.qty))
    return {"balances": {"BINANCE": {"USDT": f"{cash:.8f}"}}, "orders": orders, "fills": fills, "positions": 1}


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


CASES = {
    case.__name__: case
    for case in (fx_external_bars, perpetual_linear, perpetual_inverse, twap_slices)
}


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
