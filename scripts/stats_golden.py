"""Write the golden values that the statistics of starling-lab are tested against.

    python scripts/stats_golden.py PANEL.csv.gz crates/lab/tests/golden/stats

PANEL is a gzipped CSV with the columns Ticker,Date,Open,High,Low,Close,Volume,Adj Close that holds
AAPL and MSFT. Needs numpy, scipy, pandas, statsmodels, empyrical-reloaded, scikit-learn, PyPortfolioOpt.
Every expected number is computed by one of those libraries where one has it, otherwise by the formula in
numpy; the inputs are embedded as read, so the tests need neither the panel nor Python.
"""

import json
import sys
import warnings
from pathlib import Path

import empyrical
import numpy as np
import pandas as pd
import scipy
import sklearn
import statsmodels
import statsmodels.api as sm
from pypfopt.risk_models import CovarianceShrinkage
from scipy import special, stats
from sklearn.covariance import ledoit_wolf

warnings.simplefilter("ignore")
PERIODS = 252
RF_ANNUAL = 0.02
RF = (1 + RF_ANNUAL) ** (1 / PERIODS) - 1
ROWS = 500


def plain(value):
    """numpy to what json can write; a NaN or an infinity becomes null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, (np.integer, int)):
        return int(value)
    if isinstance(value, (np.floating, float)):
        return float(value) if np.isfinite(value) else None
    return value


def write(folder, name, value):
    with open(folder / f"{name}.json", "w") as f:
        json.dump(plain(value), f, separators=(",", ":"))
        f.write("\n")


def returns_golden(equity, days):
    simple = equity[1:] / equity[:-1] - 1
    series = pd.Series(equity, index=pd.to_datetime(days, unit="D"))
    month_end = series.resample("ME").last()
    base = pd.concat([pd.Series([equity[0]]), month_end[:-1]]).to_numpy()
    return {
        "simple_sum": simple.sum(),
        "log_sum": np.diff(np.log(equity)).sum(),
        "total": empyrical.cum_returns_final(pd.Series(simple)),
        "cagr": empyrical.annual_return(pd.Series(simple), annualization=PERIODS),
        "volatility": empyrical.annual_volatility(pd.Series(simple), annualization=PERIODS),
        "best": simple.max(),
        "worst": simple.min(),
        "mean": simple.mean(),
        "sd": simple.std(ddof=1),
        "monthly": [
            [t.year, t.month, r] for t, r in zip(month_end.index, month_end.to_numpy() / base - 1)
        ],
    }


def ratio_golden(r, bench):
    s, b = pd.Series(r), pd.Series(bench)
    return {
        "sharpe": empyrical.sharpe_ratio(s, risk_free=RF, annualization=PERIODS),
        "sharpe_zero": empyrical.sharpe_ratio(s, annualization=PERIODS),
        "sortino": empyrical.sortino_ratio(s, required_return=RF, annualization=PERIODS),
        "downside": empyrical.downside_risk(s, required_return=RF, annualization=PERIODS),
        "calmar": empyrical.calmar_ratio(s, annualization=PERIODS),
        "omega": empyrical.omega_ratio(s, required_return=RF_ANNUAL, annualization=PERIODS),
        "information": empyrical.excess_sharpe(s, b) * np.sqrt(PERIODS),
        "skew": stats.skew(r),
        "kurtosis": stats.kurtosis(r),
    }


def drawdown_golden(equity):
    peak = np.maximum.accumulate(equity)
    running = equity / peak - 1
    episodes, start = [], None
    for i, d in enumerate(running):
        if d < 0 and start is None:
            start = i - 1
        if d == 0 and start is not None:
            trough = start + int(np.argmin(running[start:i]))
            episodes.append([start, trough, i, running[trough]])
            start = None
    if start is not None:
        trough = start + int(np.argmin(running[start:]))
        episodes.append([start, trough, None, running[trough]])
    r = pd.Series(equity[1:] / equity[:-1] - 1)
    return {
        "running": running,
        "max": empyrical.max_drawdown(r),
        "longest": max((e[2] if e[2] is not None else len(equity) - 1) - e[0] for e in episodes),
        "episodes": episodes,
    }


def tail_golden(r):
    out = {"historical": {}, "cvar": {}, "parametric": {}, "parametric_cvar": {}, "cornish_fisher": {}}
    mu, sd, s, k = r.mean(), r.std(ddof=1), stats.skew(r), stats.kurtosis(r)
    for alpha in (0.01, 0.05, 0.1):
        key = str(alpha)
        out["historical"][key] = {
            m: -np.quantile(r, alpha, method=m)
            for m in ("linear", "lower", "higher", "inverted_cdf", "weibull", "median_unbiased")
        }
        assert np.isclose(-out["historical"][key]["linear"], empyrical.value_at_risk(r, alpha))
        out["cvar"][key] = -empyrical.conditional_value_at_risk(r, alpha)
        z = stats.norm.ppf(alpha)
        out["parametric"][key] = -stats.norm.ppf(alpha, mu, sd)
        out["parametric_cvar"][key] = -(mu - sd * stats.norm.pdf(z) / alpha)
        cf = z + (z**2 - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s**2 / 36
        out["cornish_fisher"][key] = -(mu + cf * sd)
    out["kupiec"] = []
    for n, x, p in ((252, 12, 0.05), (252, 25, 0.05), (252, 0, 0.01), (1000, 17, 0.01), (10, 10, 0.05)):
        null = stats.binom.logpmf(x, n, p)
        best = stats.binom.logpmf(x, n, x / n)
        lr = -2 * (null - best)
        out["kupiec"].append([n, x, p, lr, stats.chi2.sf(lr, 1)])
    grid = [1e-12, 1e-6, 0.001, 0.01, 0.025, 0.05, 0.3, 0.5, 0.7, 0.975, 0.999, 1 - 1e-9]
    out["normal"] = [[p, stats.norm.ppf(p)] for p in grid]
    out["normal_cdf"] = [[x, stats.norm.cdf(x)] for x in (-8.0, -5.0, -3.0, -1.0, -0.1, 0.0, 0.7, 2.5, 6.0)]
    return out


def factor_golden(r, bench, panel):
    s, b = pd.Series(r), pd.Series(bench)
    fit = sm.OLS(r, sm.add_constant(bench)).fit()
    corr = np.corrcoef(panel)
    broken = corr.copy()
    broken[0, 1] = broken[1, 0] = 0.95
    broken[0, 2] = broken[2, 0] = 0.95
    broken[1, 2] = broken[2, 1] = -0.95
    values, vectors = np.linalg.eigh(broken)
    clipped = (vectors * np.maximum(values, 0)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(clipped))
    identity, identity_delta = ledoit_wolf(panel.T)
    cs = CovarianceShrinkage(pd.DataFrame(panel.T), returns_data=True, frequency=1)
    cs.S = np.cov(panel, ddof=0)  # the paper divides by T; the library by T - 1
    constant = cs.ledoit_wolf("constant_correlation").to_numpy()
    return {
        "alpha": fit.params[0],
        "beta": fit.params[1],
        "alpha_se": fit.bse[0],
        "beta_se": fit.bse[1],
        "r_squared": fit.rsquared,
        "residual_sd": np.sqrt(fit.mse_resid),
        "empyrical_alpha": empyrical.alpha(s, b, annualization=PERIODS),
        "empyrical_beta": empyrical.beta(s, b),
        "pearson": stats.pearsonr(r, bench)[0],
        "covariance": np.cov(panel).ravel(),
        "correlation": corr.ravel(),
        "eigenvalues": np.linalg.eigvalsh(corr),
        "cholesky": np.linalg.cholesky(corr).ravel(),
        "broken": broken.ravel(),
        "broken_eigenvalues": values,
        "repaired": (clipped * np.outer(scale, scale)).ravel(),
        "identity_shrunk": identity.ravel(),
        "identity_delta": identity_delta,
        "constant_shrunk": constant.ravel(),
        "constant_delta": cs.delta,
    }


def random_golden(seed, stream, count):
    """An independent twin of the generator: xoshiro256++ from SplitMix64, ziggurat of 128 layers."""
    word, golden = 2**64 - 1, 0x9E3779B97F4A7C15

    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & word
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & word
        return z ^ (z >> 31)

    def rotate(x, k):
        return ((x << k) | (x >> (64 - k))) & word

    source, s = mix(mix((seed + golden) & word) ^ stream), []
    for _ in range(4):
        source = (source + golden) & word
        s.append(mix(source))

    def bits():
        result = (rotate((s[0] + s[3]) & word, 23) + s[0]) & word
        shifted = (s[1] << 17) & word
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotate(s[3], 45)
        return result

    def uniform():
        return ((bits() >> 12) + 0.5) / 2**52

    def density(x):
        return np.exp(-x * x / 2)

    start, area = 3.442619855899, 9.91256303526217e-3
    edge = [area / density(start), start]
    while len(edge) < 128:
        edge.append(np.sqrt(-2 * np.log(area / edge[-1] + density(edge[-1]))))
    edge.append(0.0)
    out = []
    while len(out) < count:
        b = bits()
        layer = b & 127
        x = ((b >> 11) / 2**52 - 1) * edge[layer]
        if abs(x) < edge[layer + 1]:
            out.append(x)
        elif layer == 0:
            while True:
                far, test = -np.log(uniform()) / start, -np.log(uniform())
                if 2 * test > far * far:
                    break
            out.append(np.copysign(start + far, x))
        else:
            low, high = density(edge[layer]), density(edge[layer + 1])
            if low + uniform() * (high - low) < density(x):
                out.append(x)
    # The first few, and one from far down that holds only if every branch before it was the same.
    return {"seed": seed, "stream": stream, "first": out[:8], "last": out[-1], "count": count}


def bootstrap_medians(samples):
    """The medians that a resample can have, in order, and the probability of one at most that: exact, from binomial tails."""
    x = np.sort(samples)
    n, half = len(x), len(x) // 2
    k = np.arange(1, n + 1)
    if n % 2:
        # At least `half + 1` of n draws fall among the k smallest.
        return x, stats.binom.sf(half, n, k / n)
    # Of an even number, the middle two are the i-th and the j-th, i < j: half of the draws are at most the i-th, and one of
    # them it, the others at least the j-th, and one of them it. What is left of the lower one's tail is i = j.
    lower = (k / n) ** half - ((k - 1) / n) ** half
    upper = ((n + 1 - k) / n) ** half - ((n - k) / n) ** half
    share = np.triu(special.binom(n, half) * np.outer(lower, upper), 1)
    share[np.diag_indices(n)] = np.diff(stats.binom.sf(half - 1, n, k / n), prepend=0.0) - share.sum(axis=1)
    at, share = np.add.outer(x, x)[np.triu_indices(n)] / 2, share[np.triu_indices(n)]
    order = np.argsort(at)
    return at[order], np.cumsum(share[order])


def bootstrap_bounds(samples, level=0.95, draws=2000):
    """Between what the ends of a percentile bootstrap of the median lie: three standard deviations of so many draws."""
    at, below = bootstrap_medians(samples)
    tail = (1 - level) / 2
    error = 3 * np.sqrt(tail * (1 - tail) / draws)
    quantile = lambda share: at[np.searchsorted(below, share)]
    bounds = {"low": [quantile(tail - error), quantile(tail + error)],
              "high": [quantile(1 - tail - error), quantile(1 - tail + error)]}
    if len(samples) < 1000:
        found = stats.bootstrap((samples,), np.median, n_resamples=draws, method="percentile", rng=7).confidence_interval
        assert bounds["low"][0] <= found.low <= bounds["low"][1], f"scipy: {found}, {bounds}"
        assert bounds["high"][0] <= found.high <= bounds["high"][1], f"scipy: {found}, {bounds}"
    return bounds


def pettitt(values):
    n = len(values)
    u = np.array([np.sign(np.subtract.outer(values[:t], values[t:])).sum() for t in range(1, n)])
    at = int(np.argmax(np.abs(u)))
    k = int(abs(u[at]))
    return {"values": values, "at": at + 1, "statistic": k, "p": min(1.0, 2 * np.exp(-6 * k**2 / (n**3 + n**2)))}


def mann_kendall(values):
    n = len(values)
    score = int(sum(np.sign(values[j] - values[i]) for i in range(n) for j in range(i + 1, n)))
    _, counts = np.unique(values, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - (counts * (counts - 1) * (2 * counts + 5)).sum()) / 18
    z = (abs(score) - 1) / np.sqrt(variance) if score else 0.0
    slope = stats.theilslopes(values, np.arange(n)).slope
    tau = stats.kendalltau(np.arange(n), values, variant="c").statistic
    assert np.sign(tau) == np.sign(score)
    return {"values": values, "score": score, "p": 2 * stats.norm.sf(z), "slope": slope}


def outliers(values):
    middle = np.median(values)
    distance = np.abs(values - middle)
    mad = np.median(distance)
    score = 0.6745 * distance / mad if mad > 0 else distance / (1.253314 * distance.mean())
    return {"values": values, "outliers": values[score > 3.5]}


def timing_golden(seed):
    rng = np.random.default_rng(seed)
    flat = np.round(rng.gamma(20, 5, 24), 6)
    rising = flat + np.arange(24) * 2.5
    tied = np.round(rng.normal(10, 1.5, 30))
    jump = np.where(np.arange(24) < 15, flat, flat + 60)
    def two(a, b):
        return {"a": a, "b": b, "p": stats.mannwhitneyu(a, b, alternative="two-sided", method="asymptotic").pvalue}

    samples = np.round(rng.lognormal(3, 0.4, 41), 6)
    return {
        "bootstrap": {
            "odd": {"samples": samples, **bootstrap_bounds(samples)},
            "even": {"samples": samples[:40], **bootstrap_bounds(samples[:40])},
            # The samples are 0, 1, 2 and on.
            "many": {"n": 100_001, **bootstrap_bounds(np.arange(100_001.0))},
        },
        "outliers": {
            "noisy": outliers(np.concatenate([flat, [900.0, 3.0]])),
            "half_equal": outliers(np.array([5.0] * 8 + [14.0, 5.5])),
        },
        "trend": {"rising": mann_kendall(rising), "flat": mann_kendall(flat), "tied": mann_kendall(tied)},
        "change": {"jump": pettitt(jump), "flat": pettitt(flat), "tied": pettitt(tied)},
        "two": {
            "apart": two(flat, np.round(rng.gamma(20, 6, 18), 6)),
            "alike": two(flat, np.round(rng.gamma(20, 5, 20), 6)),
            "tied": two(tied, np.round(rng.normal(10.5, 1.5, 25))),
        },
    }


def main():
    frame = pd.read_csv(sys.argv[1])
    folder = Path(sys.argv[2])
    closes = frame.pivot(index="Date", columns="Ticker", values="Adj Close")[["AAPL", "MSFT"]].dropna()[:ROWS]
    days = (pd.to_datetime(closes.index) - pd.Timestamp("1970-01-01")).days.to_numpy()
    rng = np.random.Generator(np.random.PCG64(20240229))

    walk = np.round(100 + rng.standard_normal(300).cumsum(), 9)
    noise = rng.standard_normal(300)
    reverting = np.zeros(300)
    for i in range(1, 300):
        reverting[i] = 0.8 * reverting[i - 1] + noise[i]
    tethered = np.round(5 + 0.7 * walk + 0.5 * reverting, 9)
    loading = rng.uniform(0.3, 1.2, (8, 1))
    panel = 0.01 * (loading * rng.standard_normal((1, 120)) + rng.standard_normal((8, 120)))
    trades = np.round(rng.normal(4.0, 100.0, 80), 2)
    trades[[7, 31]] = 0.0

    series = {
        "AAPL": closes["AAPL"].to_numpy(),
        "MSFT": closes["MSFT"].to_numpy(),
        "walk": walk,
        "reverting": np.round(reverting, 9),
        "tethered": tethered,
        "panel": np.round(panel, 9),
        "trades": trades,
    }
    write(folder, "series", {
        "made_with": {
            "numpy": np.__version__, "scipy": scipy.__version__, "pandas": pd.__version__,
            "statsmodels": statsmodels.__version__, "empyrical-reloaded": empyrical.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "periods": PERIODS, "rf_annual": RF_ANNUAL, "rf": RF,
        "day": days, **{k: v.ravel() for k, v in series.items()},
    })
    equity, bench = series["AAPL"], series["MSFT"]
    r = equity[1:] / equity[:-1] - 1
    b = bench[1:] / bench[:-1] - 1
    wins, losses = trades[trades > 0], trades[trades < 0]
    write(folder, "returns", returns_golden(equity, days))
    write(folder, "ratio", ratio_golden(r, b))
    write(folder, "drawdown", drawdown_golden(equity))
    write(folder, "tail", tail_golden(r))
    write(folder, "factor", factor_golden(r, b, series["panel"]))
    write(folder, "timing", timing_golden(5))
    write(folder, "random", random_golden(42, 3, 20_000))

    def streak(sign):
        best = run = 0
        for t in np.sign(trades):
            run = run + 1 if t == sign else 0
            best = max(best, run)
        return best

    write(folder, "trade", {
        "hit_rate": len(wins) / len(trades),
        "profit_factor": wins.sum() / -losses.sum(),
        "expectancy": trades.mean(),
        "average_win": wins.mean(),
        "average_loss": losses.mean(),
        "payoff": wins.mean() / -losses.mean(),
        "longest_win": streak(1),
        "longest_loss": streak(-1),
    })


if __name__ == "__main__":
    main()
