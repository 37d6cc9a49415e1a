#!/usr/bin/env python3
"""Times seven indicators of starling-market and of TA-Lib on 1,000,000 values, best of 5, and prints both with ratios.

Needs `pip install TA-Lib numpy`. Both write every output value; TA-Lib's wrapper allocates its outputs within the
measured call, which its user cannot avoid, so a second TA-Lib column calls it on a series short enough to stay in cache
(4,000 values) and is the fairer one. Does not pin the processor: run it on an idle machine.
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
    ours = {name: float(time) for name, time in (line.split() for line in output.splitlines())}
    long, short = talib_times(VALUES, 1), talib_times(SHORT, VALUES // SHORT)
    print(f"{'ns per value':28} {'starling':>9} {'TA-Lib 1M':>10} {'TA-Lib 4k':>10} {'ratio 1M':>9} {'ratio 4k':>9}")
    for name, time_ in ours.items():
        if name in long:
            print(f"{name:28} {time_:9.2f} {long[name]:10.2f} {short[name]:10.2f} "
                  f"{time_ / long[name]:9.2f} {time_ / short[name]:9.2f}")
        else:
            print(f"{name:28} {time_:9.2f}")


if __name__ == "__main__":
    main()
