"""The reference rule in hftbacktest: a strategy compiled by numba over the best bid and ask.

Fair to it: compiled by a run before, the book in a vector (15 times faster here than in a map), no recorder, no latency,
fills at the touch. Every quote is four depth events: both sides are cleared and set. What it does not do: several
strategies at once, bars, risk checks, a journal.
"""

import hftbacktest
import numpy as np
import pandas as pd
from hftbacktest import (
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LOCAL_EVENT,
    MARKET,
    SELL_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
    event_dtype,
)
from numba import njit

from measure import CASH, FEE, main


@njit
def trade(hbt):
    fast = slow = 0.0
    count = orders = 0
    long = False
    while hbt.wait_next_feed(False, 10**18) == 2:
        depth = hbt.depth(0)
        if not (depth.best_bid > 0 and depth.best_ask > depth.best_bid):
            continue
        mid = (depth.best_bid + depth.best_ask) / 2
        if count == 0:
            fast = slow = mid
        else:
            fast += (mid - fast) * 2 / 11
            slow += (mid - slow) * 2 / 21
        count += 1
        up = count >= 20 and fast >= slow
        if up != long:
            long = up
            orders += 1
            if up:
                hbt.submit_buy_order(0, orders, depth.best_ask, 1.0, GTC, MARKET, False)
            else:
                hbt.submit_sell_order(0, orders, depth.best_bid, 1.0, GTC, MARKET, False)
            hbt.clear_inactive_orders(0)
    return orders


def events_of(frame):
    """A quote clears both sides and sets them anew: four events at one stamp, the last of which completes it."""
    n = len(frame)
    data = np.zeros(4 * n, dtype=event_dtype)
    stamps = frame["ts_ns"].to_numpy()
    both = EXCH_EVENT | LOCAL_EVENT
    kinds = [
        (DEPTH_CLEAR_EVENT | BUY_EVENT | both, "bid", None),
        (DEPTH_CLEAR_EVENT | SELL_EVENT | both, "ask", None),
        (DEPTH_EVENT | BUY_EVENT | both, "bid", "bid_size"),
        (DEPTH_EVENT | SELL_EVENT | both, "ask", "ask_size"),
    ]
    for at, (kind, price, size) in enumerate(kinds):
        rows = data[at::4]
        rows["ev"], rows["exch_ts"], rows["local_ts"] = kind, stamps, stamps
        rows["px"] = frame[price]
        rows["qty"] = 0 if size is None else frame[size]
    return data


def prepare(_, path):
    frame = pd.read_csv(path)
    data = events_of(frame)

    def run():
        asset = (
            BacktestAsset()
            .data([data])
            .linear_asset(1.0)
            .constant_order_latency(0, 0)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(FEE, FEE)
            .tick_size(0.01)
            .lot_size(0.001)
            .roi_lb(frame["bid"].min() - 1)
            .roi_ub(frame["ask"].max() + 1)
        )
        hbt = ROIVectorMarketDepthBacktest([asset])
        orders = trade(hbt)
        state = hbt.state_values(0)
        equity = CASH + state.balance + state.position * (hbt.depth(0).best_bid + hbt.depth(0).best_ask) / 2 - state.fee
        hbt.close()
        return {"orders": int(orders), "equity": round(float(equity), 6)}

    return len(frame), run


main("hftbacktest", getattr(hftbacktest, "__version__", "unknown"), prepare, kinds=("quotes",))
