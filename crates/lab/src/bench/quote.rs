//! Quote processing: spread, mid and the best price across venues, as the market-data suite defines it.
//!
//! A hundred instruments trade at three venues each. A quote updates its venue's touch; then the market across venues, its
//! spread and its mid are read. The answer, a sum of spreads and mids, is made again by looking at all venues' last quotes.

use std::hint::black_box;

use starling_core::{Price, Qty, UnixNanos};
use starling_market::book::{Consolidated, Touch};
use starling_market::wire::Level;

use super::{Prepared, Workload};
use crate::stats::random::Xoshiro;

const SYMBOLS: usize = 100;
const VENUES: usize = 3;
const TICK: i64 = 10_000_000;

/// A quote: of which instrument, at which venue, bid and ask in ticks.
struct Said {
    symbol: usize,
    venue: usize,
    bid: i64,
    ask: i64,
}

pub(super) fn workloads() -> Vec<Workload> {
    let of = |count: usize| {
        let parameters = format!("{count} over {SYMBOLS} symbols");
        Workload::new("market_data_throughput", "quote processing", parameters, (count as u64, "quotes"), move || {
            let said = said(count);
            let expected = across(&said) as f64;
            Ok(Prepared { work: Box::new(move || Ok(process(&said) as f64)), expected: Some(expected) })
        })
        .held_to(Some(1e4), None, None)
    };
    [100, 1_000, 10_000].map(of).into()
}

fn said(count: usize) -> Vec<Said> {
    let mut random = Xoshiro::new(44);
    let one = |at: usize| {
        let (symbol, venue) = (at % SYMBOLS, at / SYMBOLS % VENUES);
        let bid = 10_000 + 100 * symbol as i64 + (random.bits() % 16) as i64;
        Said { symbol, venue, bid, ask: bid + 1 + (random.bits() % 3) as i64 }
    };
    (0..count).map(one).collect()
}

fn process(said: &[Said]) -> i64 {
    let mut markets = vec![Consolidated::new(VENUES); SYMBOLS];
    let level = |ticks: i64| Some(Level { price: Price::from_units(ticks * TICK), size: Qty::ONE });
    let mut sum = 0;
    for (at, quote) in said.iter().enumerate() {
        let Said { symbol, venue, bid, ask } = *black_box(quote);
        let ts = UnixNanos::new(at as u64);
        let market = &mut markets[symbol];
        market.update(venue, Touch { bid: level(bid), ask: level(ask), ts });
        let best = market.best(ts, u64::MAX);
        if let (Some(bid), Some(ask)) = (best.bid, best.ask) {
            let (bid, ask) = (bid.level.price.units(), ask.level.price.units());
            // Twice the mid, so that it stays an integer.
            sum += (ask - bid + bid + ask) / TICK;
        }
    }
    sum
}

/// The same by the definition: the highest bid and the lowest ask of what each venue said last.
fn across(said: &[Said]) -> i64 {
    let mut last = vec![[None; VENUES]; SYMBOLS];
    let mut sum = 0;
    for quote in said {
        last[quote.symbol][quote.venue] = Some((quote.bid, quote.ask));
        let heard = || last[quote.symbol].iter().flatten();
        let bid = heard().map(|q| q.0).max().unwrap_or_default();
        let ask = heard().map(|q| q.1).min().unwrap_or_default();
        sum += (ask - bid) + (bid + ask);
    }
    sum
}
