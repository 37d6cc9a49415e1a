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


def walk(o, h, l, c, v, step=D("1e-9")):
    """The four steps of a bar: price, and what can be traded there, in whole steps of the instrument's quantity."""
    v = v or D(1_000_000)
    quarter = (v / 4).quantize(D("1e-9"), ROUND_DOWN)
    return [(p, q // step * step) for p, q in ((o, quarter), (h, quarter), (l, quarter), (c, v - 3 * quarter))]


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
    maker, taker, limit_px = D("0.0001"), D("0.0006"), D(17150)
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
        for at, (px, size) in enumerate(walk(*bar, D("0.001"))):
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
        px, size = walk(*bar, D(1))[3]
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


def several_venues(data):
    """Coins for cash, coins on margin in euros, currencies on margin: three loops in one, ordered by time."""
    events = []  # (ms, place of the table, what, prices)
    for day, r in lean(f"{data}/bars/lean_fxcm_eurusd_1m_2014_2018.tar.gz", "_quote.csv"):
        if day.startswith("2018"):
            ts, bid, ask = midnight(day) + int(r[0]) + MINUTE, list(map(D, r[1:5])), list(map(D, r[6:10]))
            events += [(ts + off, 0, "quote", (bid[k], ask[k])) for k, off in ((0, -300), (1, -200), (2, -100), (3, 0))]
    for place, name, path in ((1, "BTC", "lean_coinbase_btcusd_1m_2016_2018"), (2, "LTC", "lean_coinbase_ltcusd_1m")):
        for day, r in lean(f"{data}/bars/{path}.tar.gz", "_trade.csv"):
            if day.startswith("2018"):
                events.append((midnight(day) + int(r[0]) + MINUTE, place, name, list(map(D, r[1:6]))))
    events.sort(key=lambda e: e[:2])
    counts = {"orders": 0, "fills": 0, "positions": 2}
    coins = {"USD": D(50_000), "BTC": D("0.5")}
    euros, dollars, traded = D(20_000), D(100_000), {"BTC": D(0), "LTC": D(0)}
    held = {"BTC": Netting(digits=2), "LTC": Netting(digits=2)}
    crosses = {"BTC": Cross(30, 90), "LTC": Cross(30, 90), "EUR": Cross()}
    waiting, left, last, tick = {"BTC": [], "LTC": []}, {}, {}, D("0.01")
    rate = None  # EUR/USD as (bid, ask)
    fx, bar, fresh, due, step = None, None, True, None, 5 * MINUTE

    def coin_fill(name, side, qty, px):
        """A fill at the exchange: the fee by tier of what was traded before it, rounded to cents."""
        nonlocal euros
        counts["fills"] += 1
        fee = cents(qty * px * (D("0.0025") if traded[name] < 20_000 else D("0.002")), 2)
        traded[name] += cents(qty * px, 9)
        gain = held[name].fill(side, qty, px)
        if name == "BTC":
            coins["USD"] -= side * cents(qty * px, 2)
            coins["USD"] -= fee
            coins["BTC"] += side * qty
        else:
            to_eur = 1 / (rate[0] if side > 0 else rate[1])
            euros += cents(gain * to_eur, 2) - cents(fee * to_eur, 2)
        show(name, counts["fills"], side, qty, px, fee, coins["USD"], euros)

    def coin_orders(name, px, left):
        for side, qty in waiting[name]:
            for part, price in taken(side, qty, px, left[side], tick):
                coin_fill(name, side, part, price)
            left[side] -= min(left[side], qty)
        waiting[name] = []

    def fx_order(side):
        nonlocal dollars, fx
        counts["orders"] += 1
        counts["fills"] += 1
        px = rate[1] if side > 0 else rate[0]
        gain = D(0)
        if fx is None:
            fx = (side, px)
            counts["positions"] += 1
        else:
            gain = cents(50_000 * (px - fx[1]) * fx[0], 2)
            fx = None
        dollars += gain - D("1.25")
        show("EUR", counts["fills"], side, 50_000, px, gain, dollars)

    def close_bar():
        nonlocal bar, fresh
        want = crosses["EUR"].bar(*bar)
        bar, fresh = [bar[3]] * 4, True  # without a quote the next one repeats the close
        if want and (fx is None or fx[0] != want):
            if fx:
                fx_order(want)
            fx_order(want)

    for ts, _, what, prices in events:
        while due and due < ts:
            close_bar()
            due += step
        if what == "quote":
            rate = prices
            bid = prices[0]
            due = due or (ts // step + 1) * step
            bar = [bid] * 4 if fresh else [bar[0], max(bar[1], bid), min(bar[2], bid), bid]
            fresh = False
            continue
        for at, (px, size) in enumerate(walk(*prices)):
            left[what] = {1: size, -1: size}
            if at == 0:
                coin_orders(what, px, left[what])
        close = prices[3]
        want = crosses[what].bar(*prices[:4])
        if what == "BTC":
            if want == 1 and not held["BTC"].qty:
                waiting["BTC"].append((1, (2_500 / close).quantize(D("1e-8"), ROUND_DOWN)))
                counts["orders"] += 1
            elif want == -1 and held["BTC"].qty:
                waiting["BTC"].append((-1, held["BTC"].qty))
                counts["orders"] += 1
        elif want and want * held["LTC"].qty <= 0:
            if held["LTC"].qty:
                waiting["LTC"].append((want, abs(held["LTC"].qty)))
            waiting["LTC"].append((want, D(20)))
            counts["orders"] += 1 + bool(held["LTC"].qty)
        last[what] = close
    if due and due <= ts:
        close_bar()
    # At the end, in order of the strategies' names.
    for name in ("BTC", "EUR", "LTC"):
        if name == "EUR":
            if fx:
                fx_order(-fx[0])
        elif held[name].qty:
            waiting[name].append((-1 if held[name].qty > 0 else 1, abs(held[name].qty)))
            counts["orders"] += 1
    for name in ("BTC", "LTC"):
        coin_orders(name, last[name], left[name])
    balances = {
        "COINS": {"BTC": f"{coins['BTC']:.8f}", "USD": f"{coins['USD']:.2f}"},
        "COINS-EUR": {"EUR": f"{euros:.2f}"},
        "FX": {"USD": f"{dollars:.2f}"},
    }
    return {"balances": balances, **counts}


def equity_minute_bars(data):
    """SPY, regular session: decisions on trade bars, fills at the quote of the same minute, whole shares, full equity."""
    path, zone = f"{data}/bars/lean_usequity_spy_1m_2013_2023.tar.gz", "America/New_York"

    def load(suffix):
        for day, r in lean(path, suffix):
            at = int(r[0])
            # A bar from its open at 09:30 to its close at 16:00.
            if "20131007" <= day < "20131012" and 34_200_000 <= at < 57_600_000:
                yield midnight(day, zone) + at + MINUTE, [cents(D(x) / 10_000 * D("0.8658"), 4) for x in r[1:]]

    quotes = {ts: (r[3], r[8]) for ts, r in load("_quote.csv")}
    cash, shares, orders, cross = D(100_000), D(0), 0, Cross(20, 60)
    stamps = sorted(quotes)
    at, quote = 0, None

    def order(side, qty):
        nonlocal cash, shares, orders
        orders += 1
        px = quote[1] if side > 0 else quote[0]
        fee = cents(min(max(qty * D("0.005"), 1), qty * px * D("0.005")), 2)
        cash -= side * cents(qty * px, 2) + fee
        shares += side * qty
        show("equity", orders, side, qty, px, fee, cash)

    for ts, r in load("_trade.csv"):
        while at < len(stamps) and stamps[at] <= ts:
            quote, at = quotes[stamps[at]], at + 1
        want = cross.bar(*r[:4])
        if want == 1 and not shares:
            budget = cash - cash * D("0.0025")
            most = (budget / r[3]).to_integral_value(ROUND_DOWN)
            fee = max(most * D("0.005"), 1)
            order(1, ((budget - fee) / r[3]).to_integral_value(ROUND_DOWN))
        elif want == -1 and shares:
            order(-1, shares)
    if at < len(stamps):
        quote = quotes[stamps[-1]]
    if shares:
        order(-1, shares)
    return {"balances": {"ARCX": {"USD": f"{cash:.2f}"}}, "orders": orders, "fills": orders, "positions": 1}


class Wilder:
    """Mean of the first n values, then alpha = 1/n."""

    def __init__(self, n):
        self.n, self.seen, self.state = n, 0, 0.0

    def push(self, x):
        self.seen += 1
        if self.seen > self.n:
            self.state = (1 - 1 / self.n) * self.state + x / self.n
        else:
            self.state += x
            if self.seen == self.n:
                self.state /= self.n
        return self.state if self.seen >= self.n else None


def oscillators(candles, n=14):
    """Per candle (adx, +DI, -DI, cmo, %K of the stochastic RSI), None where not ready: Wilder 1978 as TA-Lib starts it."""
    up, down, gain, loss = 0.0, 0.0, Wilder(n), Wilder(n)
    true_range, adx, rsis, raws, previous, out = 0.0, 0.0, [], [], None, []
    for i, (o, h, l, c) in enumerate(candles):
        row = [None] * 5
        if previous:
            _, ph, pl, pc = previous
            rise, fall = h - ph, pl - l
            keep = 1.0 if i < n else 1 - 1 / n
            up = up * keep + (rise if rise > 0 and rise > fall else 0.0)
            down = down * keep + (fall if fall > 0 and fall > rise else 0.0)
            true_range = true_range * keep + max(h - l, abs(h - pc), abs(l - pc))
            if i >= n:
                plus, minus = 100 * up / true_range, 100 * down / true_range
                row[1:3] = plus, minus
                index = 100 * abs(plus - minus) / (plus + minus)
                if i < 2 * n:
                    adx += index / n
                else:
                    adx = adx * (1 - 1 / n) + index / n
                if i >= 2 * n - 1:
                    row[0] = adx
            g, s = gain.push(max(c - pc, 0.0)), loss.push(max(pc - c, 0.0))
            if g is not None:
                row[3] = 100 * (g - s) / (g + s)
                rsis = (rsis + [100 * g / (g + s)])[-n:]
                if len(rsis) == n:
                    low, high = min(rsis), max(rsis)
                    raws = (raws + [100 * (rsis[-1] - low) / (high - low)])[-3:]
                    if len(raws) == 3:
                        row[4] = sum(raws) / 3
        previous = (o, h, l, c)
        out.append(row)
    return out


def synthetic_rules(_data):
    """Conditions judged at each close; orders meet the next bar at its open."""
    with open(os.path.join(ROOT, "examples/recipes/data/synthetic_1h.csv")) as f:
        bars = [[D(r[k]) for k in ("open", "high", "low", "close", "volume")] for r in csv.DictReader(f)]
    values = oscillators([tuple(map(float, bar[:4])) for bar in bars])
    cash, held, waiting, orders, fills = D(100_000), Netting(digits=2), [], 0, 0
    tick, k_before, k_lines = D("0.01"), None, 0

    def fill(px, size):
        nonlocal cash, fills, waiting
        left = {1: size, -1: size}
        for side, qty in waiting:
            for part, price in taken(side, qty, px, left[side], tick):
                fills += 1
                fee = cents(part * price * D("0.0002"), 2)
                cash += held.fill(side, part, price) - fee
                show("rules", fills, side, part, price, fee, cash)
            left[side] -= min(left[side], qty)
        waiting = []

    for bar, (adx, plus, minus, cmo, k) in zip(bars, values):
        steps = walk(*bar)
        fill(*steps[0])
        trend = adx is not None and adx > 20
        long_in = trend and plus > minus and cmo > 10
        short_in = trend and minus > plus and cmo < -10
        # Of the %D line's window the engine waits for both lines, so %K is ready two bars after its own first value.
        k_lines += k is not None
        now = k if k_lines >= 3 else None
        crossed = now is not None and k_before is not None
        # A condition with a part that is not ready is false as a whole.
        long_out = crossed and ((now < 20 <= k_before) or cmo < -5)
        short_out = crossed and ((now > 80 >= k_before) or cmo > 5)
        k_before = now
        stance = (held.qty > 0) - (held.qty < 0)
        want = stance
        if stance == 1:
            want = -1 if short_in else 0 if long_out else 1
        elif stance == -1:
            want = 1 if long_in else 0 if short_out else -1
        elif (long_in and not long_out) != (short_in and not short_out):
            want = 1 if long_in and not long_out else -1
        if want != stance:
            if stance:
                waiting.append((-stance, abs(held.qty)))
            if want:
                waiting.append((want, D(100)))
            orders += len(waiting)
    px, size = steps[3]
    if not waiting and held.qty:
        waiting.append((-1 if held.qty > 0 else 1, abs(held.qty)))
        orders += 1
    fill(px, size)
    return {"balances": {"LAB": {"USD": f"{cash:.2f}"}}, "orders": orders, "fills": fills, "positions": 1}


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
    for case in (
        fx_external_bars,
        perpetual_linear,
        perpetual_inverse,
        twap_slices,
        several_venues,
        equity_minute_bars,
        synthetic_rules,
    )
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
