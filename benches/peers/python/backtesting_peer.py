"""The reference rule in backtesting.py: indicators as arrays, one Python call a bar.

Fair to it: averages are computed once by numpy and pandas, trades at the close of the bar, no plots, progress bar off.
What it does not do: one instrument, no order states beyond filled and cancelled, no risk checks, no journal.
"""

import pandas as pd
import backtesting
from backtesting import Backtest, Strategy

from measure import CASH, FEE, main

backtesting.backtesting._tqdm = lambda iterable, **_: iterable


def average(values, span):
    return pd.Series(values).ewm(span=span, adjust=False).mean()


class Cross(Strategy):
    def init(self):
        self.fast = self.I(average, self.data.Close, 10, plot=False)
        self.slow = self.I(average, self.data.Close, 20, plot=False)

    def next(self):
        if len(self.data) < 20:
            return
        up = self.fast[-1] >= self.slow[-1]
        if up and not self.position:
            self.buy(size=1)
        elif not up and self.position:
            self.position.close()


def prepare(_, path):
    frame = pd.read_csv(path)
    names = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}
    frame = frame.rename(columns=names)[list(names.values())]

    def run():
        backtest = Backtest(frame, Cross, cash=CASH, commission=FEE, trade_on_close=True, finalize_trades=False)
        result = backtest.run()
        orders = 2 * len(result["_trades"]) + len(result["_strategy"].trades)
        return {"orders": orders, "equity": float(result["Equity Final [$]"])}

    return len(frame), run


main("backtesting.py", backtesting.__version__, prepare, kinds=("bars",))
