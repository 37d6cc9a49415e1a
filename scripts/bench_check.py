#!/usr/bin/env python3
"""Checks results of `starling bench` against their schema, numpy and exact fractions, as an independent judge.

    python3 scripts/bench_check.py SCHEMA RECORD...       one line a record

Validates against the JSON schema (draft 2020-12); computes every statistic anew from the raw samples, the interval of a
median by its exact law, and every price from its table; holds measured figures against their bounds. Needs jsonschema and numpy.
"""
import json
import sys
from fractions import Fraction

import jsonschema
import numpy as np

SHARES = {"p50": 50, "p75": 75, "p90": 90, "p95": 95, "p99": 99, "p99.9": 99.9}


def close(found, right, what):
    assert abs(found - right) <= 1e-9 * max(abs(right), 1e-300), f"{what}: {found}, numpy says {right}"


def interval(raw, found, name):
    """A percentile bootstrap of the median, by the exact law of a resample's middle ranks, to five standard deviations of its
    2,000 draws. Of an even number the median lies between the two middle ones."""
    n = len(raw)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])

    def at_most(k, rank):
        """How likely it is that the rank-th of n draws is among the k smallest: that at least so many draws are."""
        if k == n:
            return 1.0
        j = np.arange(rank, n + 1)
        logs = factorials[n] - factorials[j] - factorials[n - j] + j * np.log(k / n) + (n - j) * np.log1p(-k / n)
        return np.exp(logs).sum()

    def quantile(share, rank):
        low, high = 1, n
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if at_most(middle, rank) >= share else (middle + 1, high)
        return raw[low - 1]

    for end, tail in zip(found, [0.025, 0.975]):
        error = 5 * np.sqrt(0.025 * 0.975 / 2000)
        least, most = quantile(tail - error, (n + 1) // 2), quantile(tail + error, n // 2 + 1)
        assert least <= end <= most, f"{name}: an end of the median's interval is {end}, not within {least} and {most}"


def distribution(told, name):
    raw = np.array(told["raw"])
    assert told["n"] == len(raw) > 0, f"{name}: n"
    for key, right in [("min", raw.min()), ("max", raw.max()), ("mean", raw.mean()), ("median", np.median(raw))]:
        close(told[key], right, f"{name}: {key}")
    close(told["sd"] + 1.0, (raw.std(ddof=1) if len(raw) > 1 else 0.0) + 1.0, f"{name}: sd")
    for percentile in told["percentiles"]:
        share = SHARES[percentile["name"]]
        if percentile["value"] is None:
            assert len(raw) * (100 - share) / 100 < 10, f"{name}: {percentile['name']} is left out"
        else:
            assert len(raw) * (100 - share) / 100 >= 10 - 1e-9, f"{name}: too few samples for {percentile['name']}"
            close(percentile["value"], np.percentile(raw, share), f"{name}: {percentile['name']}")
    interval(np.sort(raw), told["median_ci95"], name)
    away = np.abs(raw - np.median(raw))
    mad = np.median(away)
    scale = mad / 0.6745 if mad > 0 else 1.253314 * away.mean()
    assert told["outliers"] == raw[away > 3.5 * scale].tolist(), f"{name}: outliers"


def judged(told, name):
    """What is held against the bounds, and whether it is within them; None without bounds."""
    raw = np.array(told["raw"])
    more = told["more_is_better"]
    value = {
        "median": lambda: np.median(raw),
        "mean": raw.mean,
        "p95": lambda: np.percentile(raw, 95) if len(raw) * 0.05 >= 10 - 1e-9 else None,
        "p99": lambda: np.percentile(raw, 99) if len(raw) * 0.01 >= 10 - 1e-9 else None,
        "worst": lambda: raw.min() if more else raw.max(),
    }[told.get("judged", "median")]()
    if value is None:
        assert told["measured"] is None, f"{name}: measured"
    else:
        close(told["measured"], value, f"{name}: measured")
    bounds = [told[key] for key in ("requirement", "target") if told[key] is not None]
    meets = (lambda bound: told["measured"] >= bound) if more else (lambda bound: told["measured"] <= bound)
    return all(told["measured"] is not None and meets(bound) for bound in bounds) if bounds else None


def amount(cost):
    """Allocated resources times prices, millionths of a dollar, not rounded."""
    cpu, memory = cost["prices"]["vcpu_second"], cost["prices"]["gib_second"]
    return (Fraction(cost["vcpu_seconds"]) * cpu + Fraction(cost["gib_seconds"]) * memory) / 1000


def price(cost, name):
    """The amount rounded up to a millionth; the seconds are told as floats, hence the slack of one."""
    exact = amount(cost)
    assert 0 <= cost["micro_dollars"] - exact + Fraction(1, 1000) <= 1 + Fraction(2, 1000), f"{name}: {float(exact)}"


def operations(benchmark, name):
    """Samples that are prices of an operation are not rounded. The last is of the run that costs are told of, by the dearest."""
    for told in [benchmark, *benchmark.get("cases", [])]:
        if told["unit"] == "micro-$":
            of = [c for c in benchmark["costs"] if told is benchmark or told["name"] == f"{c['agents']} agents"]
            close(told["raw"][-1], max(float(amount(c) / c["operations"]) for c in of), f"{name}: an operation")


def main():
    with open(sys.argv[1]) as file:
        schema = json.load(file)
    judge = jsonschema.Draft202012Validator
    judge.check_schema(schema)
    for path in sys.argv[2:]:
        with open(path) as file:
            record = json.load(file)
        judge(schema).validate(record)
        costs = samples = 0
        for benchmark in record["benchmarks"]:
            name = f"{benchmark['id']} {benchmark.get('provider', '')}"
            verdicts = [judged(benchmark, name)]
            distribution(benchmark, name)
            samples += benchmark["n"]
            for case in benchmark.get("cases", []):
                distribution(case, f"{name}, {case['name']}")
                verdicts.append(judged(case, name))
                assert case["pass"] == verdicts[-1], f"{name}, {case['name']}: pass"
            checks = [check["holds"] for check in benchmark.get("checks", [])]
            verdicts.append(all(checks) if checks else None)
            verdicts = [verdict for verdict in verdicts if verdict is not None]
            assert benchmark["pass"] == (all(verdicts) if verdicts else None), f"{name}: pass"
            operations(benchmark, name)
            for cost in benchmark.get("costs", []):
                price(cost, name)
                costs += 1
        print(f"{path}: {len(record['benchmarks'])} benchmarks, {samples} samples, {costs} costs")


if __name__ == "__main__":
    main()
