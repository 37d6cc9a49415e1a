#!/usr/bin/env python3
"""Writes the golden bars that crates/market/tests/bars.rs compares with.

    python3 scripts/bars_golden.py

Time bars come from pandas `resample(closed="right", label="right")`; bars by amount, Renko bricks and session days from
plain loops over Python integers, written from the definitions (Lopez de Prado 2018, ch. 2) and not from the Rust code.
The ticks are a seeded random walk with gaps, equal stamps, and stamps exactly on boundaries.
Needs pandas (made with 3.1.1).
"""
import os
import random
import sys

import pandas as pd

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "crates", "market", "tests", "data")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_709_114_400_000  # 2024-02-28 10:00 UTC, a Wednesday before a leap day and a month's end


def ticks():
    """(ms, bid, ask, bid size, ask size, aggressor, trade price), prices in cents, sizes in tenths."""
    rng = random.Random(20240228)
    ms, bid, rows = START + 1_234, 10_000, []
    for n in range(1500):
        bid += rng.choice([-3, -2, -1, -1, 0, 0, 0, 1, 1, 2, 3])
        ask = bid + rng.choice([1, 1, 2, 3])
        aggressor = rng.choice(["B", "S", ""])
        price = {"B": ask, "S": bid, "": rng.choice([bid, ask])}[aggressor]
        rows.append((ms, bid, ask, rng.randint(1, 90), rng.randint(1, 90), aggressor, price))
        step = rng.choice([0, 1, 250, 4_000, 20_000, 45_000, 90_000])
        if n % 120 == 119:
            step = rng.choice([7 * HOUR, 19 * HOUR, 40 * HOUR])
        ms += step
        if n % 10 == 0:
            ms = -(-ms // MINUTE) * MINUTE  # exactly on a boundary, not later than a minute
    return rows


def flat_fill(bars, first_due):
    """Empty intervals carry the last close; nothing before the first tick."""
    bars = bars[bars.index >= first_due]
    close = bars["close"].ffill()
    for name in ("open", "high", "low", "close"):
        bars[name] = bars[name].fillna(close)
    return bars


def resampled(rows, price, size, rule, offset=None):
    frame = pd.DataFrame({"p": [price(r) for r in rows], "v": [size(r) for r in rows]},
                         index=pd.to_datetime([r[0] for r in rows], unit="ms"))
    grouped = frame.resample(rule, closed="right", label="right", origin="epoch", offset=offset)
    bars = grouped["p"].ohlc()
    bars["volume"] = grouped["v"].sum()
    bars = flat_fill(bars, bars["open"].first_valid_index())
    stamps = bars.index.as_unit("ms").asi8
    return [(int(t), int(o), int(h), int(l), int(c), int(v))
            for t, (o, h, l, c, v) in zip(stamps, bars.itertuples(index=False))]


def bar(chunk, stamp):
    prices = [p for _, p, _ in chunk]
    return (stamp, prices[0], max(prices), min(prices), prices[-1], sum(v for _, _, v in chunk))


def by_amount(rows, kind, measure, threshold):
    out, chunk, buy, sell, sign, last = [], [], 0, 0, 0, None
    for ms, _, _, size, _, aggressor, price in rows:
        if aggressor:
            sign = 1 if aggressor == "B" else -1
        elif last is not None and price != last:
            sign = 1 if price > last else -1
        last = price
        chunk.append((ms, price, size))
        amount = {"tick": 1, "volume": size, "value": size * price}[measure]
        if kind == "sum":
            buy += amount
            total = buy
        else:
            buy += amount if sign > 0 else 0
            sell += amount if sign < 0 else 0
            total = abs(buy - sell) if kind == "imbalance" else max(buy, sell)
        if total >= threshold:
            out.append(bar(chunk, ms))
            chunk, buy, sell = [], 0, 0
    return out


def renko(rows, brick):
    out, top, bottom, volume = [], None, None, 0
    for ms, _, _, size, _, _, price in rows:
        volume += size
        if top is None:
            top = bottom = price
        while price >= top + brick:
            bottom, top = top, top + brick
            out.append((ms, bottom, top, bottom, top, volume))
            volume = 0
        while price <= bottom - brick:
            top, bottom = bottom, bottom - brick
            out.append((ms, top, top, bottom, bottom, volume))
            volume = 0
    return out


def session_days(rows, open_ms, close_ms, closed_weekdays, holidays, early):
    """One bar per session; both ends of the session belong to it; sessions without a tick carry the last close."""
    first = rows[0][0] // DAY
    out, close = [], None
    for day in range(first, rows[-1][0] // DAY + 1):
        date = pd.Timestamp(day * DAY, unit="ms")
        if date.weekday() in closed_weekdays or str(date.date()) in holidays:
            continue
        end = day * DAY + early.get(str(date.date()), close_ms)
        chunk = [(r[0], r[6], r[3]) for r in rows if day * DAY + open_ms <= r[0] <= end]
        if end > rows[-1][0]:
            break
        if chunk:
            out.append(bar(chunk, end))
            close = chunk[-1][1]
        elif close is not None:
            out.append((end, close, close, close, close, 0))
    return out


def month_bars(rows):
    """Month ends with midnight UTC included, from the trades."""
    out, chunk, due = [], [], None
    for ms, _, _, size, _, _, price in rows:
        if due is None or ms > due:
            if chunk:
                out.append(bar(chunk, due))
            chunk = []
            due = int((pd.Timestamp(ms - 1, unit="ms").normalize() + pd.offsets.MonthBegin(1)).timestamp() * 1000)
        chunk.append((ms, price, size))
    return out


def write(name, header, rows):
    with open(os.path.join(OUT, name), "w", encoding="ascii") as f:
        f.write(header + "\n")
        f.writelines(",".join(map(str, r)) + "\n" for r in rows)


rows = ticks()
write("bars_ticks.csv", "ms,bid_cents,ask_cents,bid_size_tenths,ask_size_tenths,aggressor,trade_cents", rows)
bid, bid_size = lambda r: r[1], lambda r: r[3]
# The mid and its size in halves, to stay with integers.
mid, mid_size = lambda r: r[1] + r[2], lambda r: r[3] + r[4]
trade = lambda r: r[6]
golden = {
    "30m bid internal": resampled(rows, bid, bid_size, "30min"),
    "1h ask internal": resampled(rows, lambda r: r[2], lambda r: r[4], "1h"),
    "4h mid internal": resampled(rows, mid, mid_size, "4h"),
    "1h+20m bid internal": resampled(rows, bid, bid_size, "1h", offset="20min"),
    "1d+22h last internal": resampled(rows, trade, bid_size, "24h", offset="22h"),
    "1w last internal": resampled(rows, trade, bid_size, "7D", offset="4D"),
    "1mo last internal": month_bars(rows),
    "1d@short last internal": session_days(rows, 9 * HOUR, 17 * HOUR, (5, 6), ("2024-03-06",), {"2024-03-01": 13 * HOUR}),
    "37t last internal": by_amount(rows, "sum", "tick", 37),
    "250v last internal": by_amount(rows, "sum", "volume", 2500),
    "30000val last internal": by_amount(rows, "sum", "value", 30_000_000),
    "8ti last internal": by_amount(rows, "imbalance", "tick", 8),
    "60vi last internal": by_amount(rows, "imbalance", "volume", 600),
    "6000vali last internal": by_amount(rows, "imbalance", "value", 6_000_000),
    "20tr last internal": by_amount(rows, "runs", "tick", 20),
    "100vr last internal": by_amount(rows, "runs", "volume", 1000),
    "10000valr last internal": by_amount(rows, "runs", "value", 10_000_000),
    "0.05renko last internal": renko(rows, 5),
}
write("bars_golden.csv", "series,ms,open,high,low,close,volume",
      [(name, *b) for name, bars in golden.items() for b in bars])
for name, bars in golden.items():
    print(f"{name}: {len(bars)} bars", file=sys.stderr)
