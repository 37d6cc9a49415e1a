#!/usr/bin/env python3
"""Reference values for the indicators, from TA-Lib where it has the function and from numpy/pandas where it has not.

Needs `pip install TA-Lib numpy pandas`. Writes crates/market/tests/golden/indicators/*.csv: semicolon-separated, repr
floats, an empty cell where there is no value. A column's name is the feature specification that must reproduce it.

Prices are multiples of 1/64: sums and squares of them are exact in double precision, so TA-Lib's running sums carry no
rounding into the reference. Truly flat bars (open = high = low = close) come with and without volume.

Does not compare anything; the Rust tests do.
"""

import pathlib

import numpy as np
import pandas as pd
import talib

BARS = 300
TICK = 1 / 64
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "crates/market/tests/golden/indicators"


def candles():
    """A random walk with gaps, two flat stretches (one without volume), and a stretch of moving prices without volume."""
    rng = np.random.Generator(np.random.PCG64(20240607))
    rows = []
    close = 6400  # in ticks
    for i in range(BARS):
        gap = {90: 400, 180: -700, 181: 300}.get(i, int(rng.integers(-3, 4)))
        open_ = close + gap
        close = open_ + int(np.rint(rng.normal(0, 40)))
        high = max(open_, close) + int(rng.integers(0, 30))
        low = min(open_, close) - int(rng.integers(0, 30))
        volume = int(rng.integers(1, 5000))
        if 120 <= i < 150 or 220 <= i < 245:
            open_ = high = low = close = rows[-1][3]
        if 130 <= i < 150 or 260 <= i < 266:
            volume = 0
        rows.append((open_, high, low, close, volume))
    table = np.array(rows, dtype=float)
    table[:, :4] *= TICK
    return table.T.copy()


def cutler_rsi(close, n):
    change = pd.Series(close).diff()
    gain = change.clip(lower=0).rolling(n).sum()
    loss = (-change.clip(upper=0)).rolling(n).sum()
    total = gain + loss
    return (100 * gain / total).where(total != 0, 50.0).where(total.notna()).to_numpy()


def cmo_sum(close, n):
    change = pd.Series(close).diff()
    gain = change.clip(lower=0).rolling(n).sum()
    loss = (-change.clip(upper=0)).rolling(n).sum()
    total = gain + loss
    return (100 * (gain - loss) / total).where(total != 0, 0.0).where(total.notna()).to_numpy()


def ema_first(x, n):
    mean = pd.Series(x).ewm(span=n, adjust=False).mean()
    mean.iloc[: n - 1] = np.nan
    return mean.to_numpy()


def macd_first(x, fast, slow, signal):
    def ewm(series, n):
        return series.ewm(span=n, adjust=False).mean()

    line = ewm(pd.Series(x), fast) - ewm(pd.Series(x), slow)
    average = ewm(line, signal)
    lines = [line, average, line - average]
    for series in lines:
        series.iloc[: slow + signal - 2] = np.nan
    return [series.to_numpy() for series in lines]


def windows(function, n, *series):
    """function of every full window, computed afresh."""
    out = np.full(len(series[0]), np.nan)
    for i in range(n - 1, len(out)):
        out[i] = function(*(s[i - n + 1 : i + 1] for s in series))
    return out


def rsi_range(close, n, span):
    """RSI with its rolling least value and range. While the price rests, Wilder's RSI is constant but for rounding; a
    range below 1e-9 points is that noise, and counts as none."""
    rsi = pd.Series(talib.RSI(close, n))
    low = rsi.rolling(span).min()
    spread = rsi.rolling(span).max() - low
    return rsi, low, spread.where(~(spread < 1e-9), 0.0)


def talib_stoch_rsi(close, n, span, smooth_d):
    """TA-Lib's STOCHRSI, except that it would stretch rounding noise to 0..100 where the range is empty."""
    k, d = (pd.Series(line) for line in talib.STOCHRSI(close, n, span, smooth_d))
    noise = rsi_range(close, n, span)[2] == 0
    k = k.where(~noise, 0.0)
    d = d.where(noise.astype(float).rolling(smooth_d).max() == 0, k.rolling(smooth_d).mean()).where(d.notna())
    return k.where(d.notna()).to_numpy(), d.to_numpy()


def smoothed_stoch_rsi(close, n, span, smooth_k, smooth_d):
    rsi, low, spread = rsi_range(close, n, span)
    raw = (100 * (rsi - low) / spread).where(spread != 0, 0.0).where(spread.notna())

    def mean(x, m):
        return pd.Series(np.concatenate([np.full(x.isna().sum(), np.nan), windows(np.mean, m, x.dropna().to_numpy())]))

    k = mean(raw, smooth_k)
    d = mean(k, smooth_d)
    return k.where(d.notna()).to_numpy(), d.to_numpy()


def z_score(x):
    deviation = np.std(x)
    return (x[-1] - np.mean(x)) / deviation if deviation > 0 else 0.0


def r_squared(y):
    if np.ptp(y) == 0:
        return 0.0
    return np.corrcoef(np.arange(len(y)), y)[0, 1] ** 2


def realised_volatility(close, n, annual):
    returns = np.diff(np.log(close))
    deviation = windows(lambda r: 0.0 if np.ptp(r) == 0 else np.std(r, ddof=1), n, returns)
    return np.concatenate([[np.nan], deviation * np.sqrt(annual)])


def write(name, columns):
    length = len(next(iter(columns.values())))
    lines = [";".join(columns)]
    for i in range(length):
        lines.append(";".join("" if np.isnan(c[i]) else repr(float(c[i])) for c in columns.values()))
    path = FOLDER / name
    path.write_text("\n".join(lines) + "\n")
    assert path.stat().st_size < 100_000, path


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    o, h, l, c, v = candles()
    hl2, hlc3, ohlc4 = (h + l) / 2, (h + l + c) / 3, (o + h + l + c) / 4
    write("candles.csv", {"open": o, "high": h, "low": l, "close": c, "volume": v})

    macd = talib.MACD(c, 12, 26, 9)
    short_macd = talib.MACD(c, 3, 10, 16)
    first = macd_first(c, 12, 26, 9)
    write("averages.csv", {
        "SMA(20)": talib.SMA(c, 20), "SMA(1)": c, "SMA(7,source=ohlc4)": talib.SMA(ohlc4, 7),
        "EMA(10)": ema_first(c, 10), "EMA(10,seed=sma)": talib.EMA(c, 10),
        "EMA(5,seed=sma,source=hl2)": talib.EMA(hl2, 5), "WMA(20)": talib.WMA(c, 20), "WMA(3)": talib.WMA(c, 3),
        "TRIX(5)": talib.TRIX(c, 5),
        "MACD(12,26,9)": macd[0], "MACD(12,26,9).signal": macd[1], "MACD(12,26,9).histogram": macd[2],
        "MACD(3,10,16)": short_macd[0], "MACD(3,10,16).signal": short_macd[1],
        "MACD(12,26,9,seed=first)": first[0], "MACD(12,26,9,seed=first).signal": first[1],
        "MACD(12,26,9,seed=first).histogram": first[2],
    })

    fast = talib_stoch_rsi(c, 14, 14, 3)
    smooth = smoothed_stoch_rsi(c, 14, 14, 3, 3)
    write("oscillators.csv", {
        "RSI(14)": talib.RSI(c, 14), "RSI(2)": talib.RSI(c, 2), "RSI(14,method=cutler)": cutler_rsi(c, 14),
        "CMO(14)": talib.CMO(c, 14), "CMO(14,method=sum)": cmo_sum(c, 14),
        "STOCHRSI(14,14,1,3)": fast[0], "STOCHRSI(14,14,1,3).d": fast[1],
        "STOCHRSI(14,14,3,3)": smooth[0], "STOCHRSI(14,14,3,3).d": smooth[1],
        "ROC(10)": talib.ROC(c, 10), "MOM(10)": talib.MOM(c, 10),
        "CCI(20)": talib.CCI(h, l, c, 20), "WILLR(14)": talib.WILLR(h, l, c, 14),
    })

    slow = talib.STOCH(h, l, c, 14, 3, 0, 3, 0)
    quick = talib.STOCHF(h, l, c, 5, 3, 0)
    atr = talib.ATR(h, l, c, 10)
    middle = talib.EMA(c, 20)
    top, bottom = talib.MAX(h, 20), talib.MIN(l, 20)
    # Wilder's average has no TA-Lib name; it is the ATR of bars from 0 to the wanted series, after one empty bar.
    floor = np.zeros(BARS + 1)
    rma = talib.ATR(np.concatenate([[0.0], c]), floor, floor, 14)[1:]
    write("ranges.csv", {
        "TR": talib.TRANGE(h, l, c), "ATR(14)": talib.ATR(h, l, c, 14), "RMA(14)": rma,
        "ADX(14)": talib.ADX(h, l, c, 14), "ADX(14).plus_di": talib.PLUS_DI(h, l, c, 14),
        "ADX(14).minus_di": talib.MINUS_DI(h, l, c, 14), "ADX(2)": talib.ADX(h, l, c, 2),
        "STOCH(14,3,3)": slow[0], "STOCH(14,3,3).d": slow[1], "STOCH(5,1,3)": quick[0], "STOCH(5,1,3).d": quick[1],
        "DONCHIAN(20).upper": top, "DONCHIAN(20).middle": (top + bottom) / 2, "DONCHIAN(20).lower": bottom,
        "KELTNER(20,10,2).upper": middle + 2 * atr, "KELTNER(20,10,2).middle": np.where(np.isnan(atr), np.nan, middle),
        "KELTNER(20,10,2).lower": middle - 2 * atr,
    })

    bands = talib.BBANDS(c, 20, 2.0, 2.0, 0)
    narrow = talib.BBANDS(c, 5, 1.5, 1.5, 0)
    write("dispersion.csv", {
        "BB(20,2).upper": bands[0], "BB(20,2).middle": bands[1], "BB(20,2).lower": bands[2],
        "BB(5,1.5).upper": narrow[0], "STDDEV(20)": talib.STDDEV(c, 20), "ZSCORE(20)": windows(z_score, 20, c),
        "RVOL(20,252)": realised_volatility(c, 20, 252), "MAX(10)": talib.MAX(c, 10), "MIN(10)": talib.MIN(c, 10),
        "MIN(3,source=low)": talib.MIN(l, 3), "LINREG(14)": talib.LINEARREG(c, 14),
        "LINREG(14).slope": talib.LINEARREG_SLOPE(c, 14), "LINREG(14).intercept": talib.LINEARREG_INTERCEPT(c, 14),
        "LINREG(14).r2": windows(r_squared, 14, c),
    })

    with np.errstate(invalid="ignore"):
        rolling_vwap = windows(lambda p, q: np.sum(p * q) / np.sum(q), 10, hlc3, v)
        session_vwap = np.cumsum(hlc3 * v) / np.cumsum(v)
    write("volume.csv", {
        "OBV": talib.OBV(c, v), "MFI(14)": talib.MFI(h, l, c, v, 14), "VWAP": session_vwap, "RVWAP(10)": rolling_vwap,
        "open": o, "high": h, "low": l, "close": c, "volume": v, "hl2": hl2, "hlc3": hlc3, "ohlc4": ohlc4,
    })

    # y = open on x = high: correlated, not collinear.
    def beta(x, y):
        return 0.0 if np.ptp(x) == 0 else np.cov(x, y, ddof=0)[0, 1] / np.var(x)

    slope = windows(beta, 20, h, o)
    alpha = windows(lambda x, y: np.mean(y) - beta(x, y) * np.mean(x), 20, h, o)
    write("pair.csv", {
        "beta": slope, "alpha": alpha, "correlation": talib.CORREL(h, o, 20), "residual": o - alpha - slope * h,
    })


if __name__ == "__main__":
    main()
