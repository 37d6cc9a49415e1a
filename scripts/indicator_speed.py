#!/usr/bin/env python3
"""Times seven indicators of starling-market and of TA-Lib, best of 5, and prints both with ratios (below 1: we are faster).

Needs `pip install TA-Lib numpy`. Twice: over 1,000,000 values, and over 4,000 values 250 times, which stay in cache. Both
write every output value, but TA-Lib's wrapper allocates its outputs within the measured call, and a bar is 40 bytes here
against three separate columns there. Does not pin the processor: run it on an idle machine, more than once.
"""

import pathlib
import subprocess
import time

import numpy as np
import talib

VALUES = 1_000_000
SHORT = 4_000
RUNS = 5
ROOT = pathlib.Path(__file__).resolve().parent.parent


def best(function, values, calls):
    times = []
    for _ in range(RUNS):
        start = time.perf_counter_ns()
        for _ in range(calls):
            function()
        times.append((time.perf_counter_ns() - start) / (values * calls))
    return min(times)


def talib_times(values, calls):
    rng = np.random.Generator(np.random.PCG64(1))
    c = 100 + np.cumsum(rng.normal(0, 0.01, values))
    o = np.concatenate([[c[0]], c[:-1]])
    h = np.maximum(o, c) + rng.uniform(0, 0.2, values)
    l = np.minimum(o, c) - rng.uniform(0, 0.2, values)
    functions = {
        "SMA(20)": lambda: talib.SMA(c, 20),
        "EMA(20)": lambda: talib.EMA(c, 20),
        "RSI(14)": lambda: talib.RSI(c, 14),
        "MACD(12,26,9)": lambda: talib.MACD(c, 12, 26, 9),
        "BB(20,2)": lambda: talib.BBANDS(c, 20, 2.0, 2.0, 0),
        "ATR(14)": lambda: talib.ATR(h, l, c, 14),
        "STOCH(14,3,3)": lambda: talib.STOCH(h, l, c, 14, 3, 0, 3, 0),
    }
    return {name: best(function, values, calls) for name, function in functions.items()}


def main():
    command = ["cargo", "run", "--quiet", "--release", "--package", "starling-market", "--example", "indicator_speed"]
    subprocess.run([*command[:1], "build", *command[2:]], cwd=ROOT, check=True)
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in output.splitlines()]
    long, short = talib_times(VALUES, 1), talib_times(SHORT, VALUES // SHORT)
    print(f"TA-Lib {talib.__ta_version__.decode()}, wrapper {talib.__version__}, ns per value")
    print(f"{'':28} {'1M: ours':>9} {'TA-Lib':>7} {'ratio':>6} {'4k: ours':>9} {'TA-Lib':>7} {'ratio':>6}")
    for name, ours_long, ours_short in rows:
        cells = []
        for ours, theirs in ((float(ours_long), long.get(name)), (float(ours_short), short.get(name))):
            cells.append(f"{ours:9.2f} {theirs:7.2f} {ours / theirs:6.2f}" if theirs else f"{ours:9.2f} {'':7} {'':6}")
        print(f"{name:28} {' '.join(cells)}".rstrip())


if __name__ == "__main__":
    main()
