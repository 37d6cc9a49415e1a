"""The reference rule in vectorbt: signals as arrays, fills by its compiled loop.

Fair to it: a RangeIndex (a DatetimeIndex costs it more), everything compiled by a run before, no statistics asked for.
What it does not do: it has no events, no order states, no risk checks and no journal; a run is one pass over arrays.
"""

import numpy as np
import pandas as pd
import vectorbt as vbt

from measure import CASH, FEE, main


def prepare(kind, path):
    columns = ["close"] if kind == "bars" else ["bid", "ask"]
    frame = pd.read_csv(path, usecols=columns)
    signal = frame["close"] if kind == "bars" else (frame["bid"] + frame["ask"]) / 2

    def run():
        fast = signal.ewm(span=10, adjust=False).mean()
        slow = signal.ewm(span=20, adjust=False).mean()
        up = (fast >= slow).to_numpy()
        up[:19] = False
        # A quote is bought at the ask and sold at the bid.
        price = signal if kind == "bars" else pd.Series(np.where(up, frame["ask"], frame["bid"]))
        portfolio = vbt.Portfolio.from_signals(
            price, entries=up, exits=~up, size=1.0, fees=FEE, init_cash=CASH, freq="1min"
        )
        return {"orders": int(portfolio.orders.count()), "equity": float(portfolio.final_value())}

    return len(frame), run


main("vectorbt", vbt.__version__, prepare)
