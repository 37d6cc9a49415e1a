"""The reference rule in nautilus_trader: its event-driven engine with a strategy in Python and its indicators in Rust.

Fair to it: logging is bypassed, no analysis after the run, data is wrangled and sorted before the clock starts.
What it does as we do: order states, a risk engine, a cache, a portfolio. What it does not: no journal of the run.
"""

from decimal import Decimal

import nautilus_trader
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from measure import CASH, FEE, main

SIM = Venue("SIM")
PAIR = InstrumentId(Symbol("BTC/USDT"), SIM)
BARS = BarType.from_str("BTC/USDT.SIM-1-MINUTE-LAST-EXTERNAL")


def pair():
    return CurrencyPair(
        instrument_id=PAIR,
        raw_symbol=PAIR.symbol,
        base_currency=BTC,
        quote_currency=USDT,
        price_precision=2,
        size_precision=3,
        price_increment=Price.from_str("0.01"),
        size_increment=Quantity.from_str("0.001"),
        lot_size=None,
        max_quantity=None,
        min_quantity=None,
        max_notional=None,
        min_notional=None,
        max_price=None,
        min_price=None,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=Decimal(str(FEE)),
        taker_fee=Decimal(str(FEE)),
        ts_event=0,
        ts_init=0,
    )


class Cross(Strategy):
    def __init__(self, quotes):
        super().__init__(StrategyConfig())
        self.quotes = quotes
        self.fast, self.slow = ExponentialMovingAverage(10), ExponentialMovingAverage(20)
        self.count, self.long, self.orders = 0, False, 0
        self.unit = Quantity.from_str("1.000")

    def on_start(self):
        self.subscribe_quote_ticks(PAIR) if self.quotes else self.subscribe_bars(BARS)

    def on_bar(self, bar):
        self.see(bar.close.as_double())

    def on_quote_tick(self, quote):
        self.see((quote.bid_price.as_double() + quote.ask_price.as_double()) / 2)

    def see(self, price):
        self.fast.update_raw(price)
        self.slow.update_raw(price)
        self.count += 1
        up = self.count >= 20 and self.fast.value >= self.slow.value
        if up != self.long:
            self.long = up
            self.orders += 1
            side = OrderSide.BUY if up else OrderSide.SELL
            self.submit_order(self.order_factory.market(PAIR, side, self.unit))


def prepare(kind, path):
    frame = pd.read_csv(path)
    if kind == "bars":
        columns = [frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume", "ts_ns")]
        data = [
            Bar(BARS, Price(o, 2), Price(h, 2), Price(l, 2), Price(c, 2), Quantity(v, 3), int(ts), int(ts))
            for o, h, l, c, v, ts in zip(*columns)
        ]
    else:
        columns = [frame[name].to_numpy() for name in ("bid", "ask", "bid_size", "ask_size", "ts_ns")]
        data = [
            QuoteTick(PAIR, Price(b, 2), Price(a, 2), Quantity(bs, 3), Quantity(a_s, 3), int(ts), int(ts))
            for b, a, bs, a_s, ts in zip(*columns)
        ]

    def run():
        engine = BacktestEngine(
            BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
        )
        engine.add_venue(
            SIM, OmsType.NETTING, AccountType.MARGIN, base_currency=None, starting_balances=[Money(CASH, USDT)]
        )
        engine.add_instrument(pair())
        strategy = Cross(kind == "quotes")
        engine.add_strategy(strategy)
        engine.add_data(data, sort=False)
        engine.run()
        balance = float(engine.portfolio.account(SIM).balance_total(USDT).as_double())
        answer = {"orders": strategy.orders, "balance": balance}
        engine.dispose()
        return answer

    return len(frame), run


main("nautilus_trader", nautilus_trader.__version__, prepare)
