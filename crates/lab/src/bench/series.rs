//! Seeded market data for benchmarks: the law of the peers' workloads, and the price series of the suites.
//!
//! Invariant: the same arguments give the same events. The million bars and quotes follow the same law as those that
//! every rival is measured on (geometric Brownian bars of a minute, a random walk of the bid in ticks); they are not the
//! same bytes, which come from numpy's generator.

use starling_core::time::MINUTE;
use starling_core::{Bar, BarSeriesId, Event, InstrumentId, Price, Qty, Quote, UnixNanos};

use crate::stats::random::Xoshiro;

/// Stamp of the first event, a whole minute.
const START: u64 = 1_600_000_000_000_000_000 / MINUTE * MINUTE;
/// Price at the start and at the end, in ticks of 0.01.
const LEVEL: i64 = 5_000_000;
/// Units of a tick of 0.01.
const TICK: i64 = 10_000_000;
/// Units of a lot of 0.001.
const LOT: i64 = 1_000_000;

fn price(ticks: i64) -> Price {
    Price::from_units(ticks * TICK)
}

fn lots(count: i64) -> Qty {
    Qty::from_units(count * LOT)
}

/// Takes the drift out: the path ends where it began.
fn bridge(path: &mut [f64]) {
    let last = path.last().copied().unwrap_or_default();
    let steps = path.len().saturating_sub(1).max(1) as f64;
    for (i, x) in path.iter_mut().enumerate() {
        *x -= last * i as f64 / steps;
    }
}

fn bar(i: usize, [open, high, low, close]: [i64; 4], volume: i64) -> Event {
    let ts = UnixNanos::new(START + i as u64 * MINUTE);
    Event::Bar(Bar {
        instrument: InstrumentId(0),
        series: BarSeriesId(0),
        ts_event: ts,
        ts_recv: ts,
        open: price(open),
        high: price(high),
        low: price(low),
        close: price(close),
        volume: lots(volume),
    })
}

/// Bars of a minute: closes of a geometric Brownian motion (0.06 % a bar) brought back to its start, opens at the close
/// before, extremes beyond both by a half-normal 0.03 %, on a grid of 0.01. Instrument 0, series 0.
#[must_use]
pub fn bars(n: usize, seed: u64) -> Vec<Event> {
    let mut random = Xoshiro::new(seed);
    let mut path: Vec<f64> = (0..n)
        .scan(0.0, |sum, _| {
            *sum += 0.0006 * random.normal();
            Some(*sum)
        })
        .collect();
    bridge(&mut path);
    let mut before = LEVEL;
    let mut bars = Vec::with_capacity(n);
    for (i, x) in path.iter().enumerate() {
        let close = (LEVEL as f64 * x.exp()).round() as i64;
        let open = std::mem::replace(&mut before, close);
        let mut beyond = || random.normal().abs() * 0.0003;
        let high = (open.max(close) as f64 * (1.0 + beyond())).round() as i64;
        let low = (open.min(close) as f64 * (1.0 - beyond())).round() as i64;
        bars.push(bar(i, [open, high, low, close], (100_000.0 + 900_000.0 * random.uniform()).round() as i64));
    }
    bars
}

fn quote(ts: u64, bid: i64, ask: i64, sizes: [i64; 2]) -> Event {
    let ts = UnixNanos::new(ts);
    Event::Quote(Quote {
        instrument: InstrumentId(0),
        ts_event: ts,
        ts_recv: ts,
        bid: price(bid),
        ask: price(ask),
        bid_size: lots(sizes[0]),
        ask_size: lots(sizes[1]),
    })
}

/// Quotes 1 to 199 ms apart: the bid walks by normal steps of 60 ticks and comes back to its start, the spread is 1 to 3
/// ticks, sizes are 1.1 to 11. Instrument 0.
#[must_use]
pub fn quotes(n: usize, seed: u64) -> Vec<Event> {
    let mut random = Xoshiro::new(seed);
    let mut path: Vec<f64> = (0..n)
        .scan(0.0, |sum, _| {
            *sum += (random.normal() * 60.0).round();
            Some(*sum)
        })
        .collect();
    bridge(&mut path);
    let mut ts = START;
    let below = |random: &mut Xoshiro, low: i64, high: i64| low + (random.uniform() * (high - low) as f64) as i64;
    let mut quotes = Vec::with_capacity(n);
    for x in path {
        let bid = LEVEL + x.round() as i64;
        ts += below(&mut random, 1, 200) as u64 * 1_000_000;
        let sizes = [below(&mut random, 1_100, 11_000), below(&mut random, 1_100, 11_000)];
        quotes.push(quote(ts, bid, bid + below(&mut random, 1, 4), sizes));
    }
    quotes
}

/// Bars on which a fast average never crosses a slow one: the price falls by 4 ticks a bar, give or take one.
#[must_use]
pub fn idle_bars(n: usize, seed: u64) -> Vec<Event> {
    let mut random = Xoshiro::new(seed);
    let top = LEVEL + 4 * n as i64;
    let closes = (0..n as i64).map(|i| top - 4 * i - (random.bits() % 2) as i64).collect::<Vec<_>>();
    let open = |i: usize| if i == 0 { top } else { closes[i - 1] };
    (0..n)
        .map(|i| {
            let (open, close) = (open(i), closes[i]);
            bar(i, [open, open.max(close) + 2, open.min(close) - 2, close], 1_000)
        })
        .collect()
}

/// Quotes on which a fast average never crosses a slow one.
#[must_use]
pub fn idle_quotes(n: usize, seed: u64) -> Vec<Event> {
    let mut random = Xoshiro::new(seed);
    let top = LEVEL + 4 * n as i64;
    let mut ts = START;
    (0..n as i64)
        .map(|i| {
            ts += (1 + random.bits() % 199) * 1_000_000;
            let bid = top - 4 * i - (random.bits() % 2) as i64;
            quote(ts, bid, bid + 1, [5_000, 5_000])
        })
        .collect()
}

/// Which way a price series of the strategy suites goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trend {
    Up,
    Down,
    Sideways,
}

impl Trend {
    pub(super) const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Sideways];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Sideways => "sideways",
        }
    }

    /// Up or down by 0.5 a bar, or `0.1 ((7i mod 10) - 5)` around 100. The falling series ends at 100, so that its
    /// prices stay above zero.
    pub(super) fn prices(self, n: usize) -> Vec<f64> {
        let of = |i: usize| match self {
            Self::Up => 100.0 + 0.5 * i as f64,
            Self::Down => 100.0 + 0.5 * (n - 1 - i) as f64,
            Self::Sideways => 100.0 + 0.1 * ((7 * i % 10) as f64 - 5.0),
        };
        (0..n).map(of).collect()
    }
}

/// The price series of the feature suites: `100 + 0.1 i + 0.1 ((7i mod 10) - 5)`.
pub(super) fn feature_prices(n: usize) -> Vec<f64> {
    (0..n).map(|i| 100.0 + 0.1 * i as f64 + 0.1 * ((7 * i % 10) as f64 - 5.0)).collect()
}

/// Flat bars of a minute at these prices, rounded to 0.01, on from bar number `first`.
pub(super) fn bars_at(prices: &[f64], first: usize) -> Vec<Event> {
    let ticks = |x: f64| (x * 100.0).round() as i64;
    prices.iter().enumerate().map(|(i, x)| bar(first + i, [ticks(*x); 4], 1_000)).collect()
}

/// Normal daily returns of 1 % around 0.05 %.
pub(super) fn returns(n: usize, seed: u64) -> Vec<f64> {
    let mut random = Xoshiro::new(seed);
    (0..n).map(|_| 0.0005 + 0.01 * random.normal()).collect()
}

/// The closes of bars, or the midpoints of quotes.
pub(super) fn signal(events: &[Event]) -> Vec<f64> {
    let of = |event: &Event| match event {
        Event::Bar(bar) => bar.close.to_f64(),
        Event::Quote(quote) => (quote.bid.to_f64() + quote.ask.to_f64()) * 0.5,
        _ => f64::NAN,
    };
    events.iter().map(of).collect()
}

/// Changes of position of the reference rule, in plain floats: long from index `slow - 1` on while
/// `EMA(fast) >= EMA(slow)`, averages started from the first value.
pub(super) fn ema_cross_orders(signal: &[f64], fast: usize, slow: usize) -> u64 {
    let mut averages = [signal[0]; 2];
    let weights = [fast, slow].map(|n| 2.0 / (n as f64 + 1.0));
    let (mut orders, mut long) = (0, false);
    for (i, x) in signal.iter().enumerate() {
        for (average, weight) in averages.iter_mut().zip(weights) {
            *average = weight * x + (1.0 - weight) * *average;
        }
        let wanted = i + 1 >= slow && averages[0] >= averages[1];
        orders += u64::from(wanted != long);
        long = wanted;
    }
    orders
}
