//! The futures recordings through the server and our client, without faults: every frame, and the book at the end.

use std::sync::Arc;

use starling_connect::lane::LaneLimits;
use starling_connect::metrics::Counter;
use starling_connect::socket::{Endpoint, Trust};
use starling_connect::venue::server::Pace;
use starling_connect::watch::SkewRule;
use starling_core::fixed::Qty;

use super::chaos::{Ready, Received, best};
use super::truth::Truth;
use super::{Running, await_that, open, options, recordings, turn};

fn play(venue: &str, symbol: &str, file: &str, [trades, quotes]: [usize; 2]) {
    let Some(folder) = recordings() else { return };
    let _turn = turn();
    let tape = Arc::new(open(venue, &[folder.join(file)]).unwrap());
    let truth = Truth::of(&tape);
    assert_eq!([truth.trades.len(), truth.quotes.len()], [trades, quotes]);
    let running = Running::start(venue, Arc::clone(&tape), options(Pace::Max, "", 0));
    let endpoint = Endpoint {
        stream: format!("ws://127.0.0.1:{}/stream", running.port()),
        rest: format!("http://127.0.0.1:{}", running.port()),
        trust: Trust::default(),
    };
    let ready = Ready::of(venue, symbol, endpoint, SkewRule::Ignore);
    // A lane that holds all of it: nothing is conflated.
    let limits = LaneLimits { ring_max: 150_000, ..LaneLimits::default() };
    let mut lane = ready.door.subscribe(limits).unwrap();
    let client = ready.start();
    // Trades without a quantity are no trades: the venue's marks of its insurance fund.
    let expected: Vec<_> =
        truth.trades.iter().filter(|(_, (_, size))| *size > Qty::ZERO).map(|(id, (p, q))| (*id, *p, *q)).collect();
    let (mut last, mut rising) = (0, 0);
    for quote in &truth.quotes {
        rising += usize::from(quote.0 > last);
        last = last.max(quote.0);
    }
    let mut received = Received::default();
    await_that("all of it has come", || {
        received.extend(std::iter::from_fn(|| lane.pop()));
        let got = [received.trades.len(), received.quotes.len()];
        got == [expected.len(), rising] && received.book_id == truth.last_id
    });
    let metrics = Arc::clone(&client.metrics);
    let (ended, quarantined) = client.stop();
    ended.unwrap();

    assert_eq!(quarantined.len(), truth.trades.len() - expected.len(), "{quarantined:?}");
    assert!(received.trades == expected, "{} trades of {}", received.trades.len(), expected.len());
    assert_eq!(received.quotes.len(), rising);
    assert_eq!((received.lost.len(), received.opened), (0, 0));
    // At this pace more may come before the first snapshot does than is kept for it; once joined, nothing is missed.
    assert_eq!(metrics.get(Counter::BookSnapshots), 1);
    assert_eq!(received.book_id, truth.last_id);
    assert_eq!(received.book.as_ref().map(best), Some(best(&truth.book)));
}

#[test]
fn usdm() {
    play("binance-usdm", "BTCUSDT", "binance_usdm_btcusdt_raw_20240808T235415Z.gz", [21_313, 66_089]);
}

#[test]
fn coinm() {
    play("binance-coinm", "BTCUSD_PERP", "binance_coinm_btcusdperp_raw_20240808T235416Z.gz", [2_286, 19_136]);
}
