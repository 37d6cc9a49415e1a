"""Write the golden values that `starling_market::unit_root` is tested against.

    python scripts/unit_root_golden.py crates/lab/tests/golden/stats/series.json crates/market/tests/golden/unit_root.json

The series are those of `scripts/stats_golden.py` (two share prices, a random walk, a reverting series, one tethered to
the walk). Needs numpy and statsmodels, which computes every expected number; the inputs are embedded as read, so the
tests need neither the source nor Python.
"""

import json
import sys

import numpy as np
import statsmodels
import statsmodels.api as sm
from statsmodels.tsa.stattools import adfuller, coint

NAMES = ("AAPL", "MSFT", "walk", "reverting", "tethered")


def dickey_fuller(series):
    for name in ("AAPL", "MSFT", "walk", "reverting", "returns"):
        for lag in (None, 0, 1, 5):
            how = {"autolag": "AIC"} if lag is None else {"autolag": None, "maxlag": lag}
            t, p, used, nobs, crit, *_ = adfuller(series[name], regression="c", result_object=False, **how)
            yield [name, lag, t, p, int(used), int(nobs), [crit["1%"], crit["5%"], crit["10%"]]]


def engle_granger(series):
    pairs = (("AAPL", "MSFT"), ("MSFT", "AAPL"), ("walk", "tethered"), ("tethered", "walk"), ("AAPL", "walk"))
    for y, x in pairs:
        for lag in (None, 2):
            n = min(len(series[y]), len(series[x]))  # the first n of both
            a, b = series[y][:n], series[x][:n]
            how = {"autolag": "aic"} if lag is None else {"autolag": None, "maxlag": lag}
            t, p, crit = coint(a, b, **how)
            fit = sm.OLS(a, sm.add_constant(b)).fit()
            yield [y, x, lag, t, p, list(crit), list(fit.params), list(fit.tvalues)]


def main():
    source, target = sys.argv[1:]
    with open(source) as f:
        read = json.load(f)
    series = {name: np.array(read[name]) for name in NAMES}
    series["returns"] = series["AAPL"][1:] / series["AAPL"][:-1] - 1
    golden = {
        "made_with": {"numpy": np.__version__, "statsmodels": statsmodels.__version__},
        "series": {name: values.tolist() for name, values in series.items()},
        "adf": list(dickey_fuller(series)),
        "coint": list(engle_granger(series)),
    }
    with open(target, "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
