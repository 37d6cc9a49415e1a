use std::fs;
use std::path::PathBuf;

use starling_market::frames::{LEVEL_DEFAULT, Session};

use super::super::super::frames::import_captures;
use super::*;

/// 2024-08-08T00:00:00Z, in seconds.
const DAY_ONE: u64 = 1_723_075_200;

struct Recording(PathBuf);

impl Recording {
    /// Frames that were received one second after the other, by one connection.
    fn new(name: &str, lines: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("starling-normalise-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        let stamped = (DAY_ONE..).zip(lines).map(|(second, line)| format!("{second}000000000 {line}\n"));
        fs::write(folder.join("capture"), stamped.collect::<String>()).unwrap();
        let session = Session { venue: "binance-spot".into(), ..Session::default() };
        let mut go_on = |_, _| ControlFlow::Continue(());
        let to = folder.join("it.frames");
        import_captures(&[folder.join("capture")], &to, session, LEVEL_DEFAULT, &mut go_on).unwrap();
        Self(folder)
    }

    fn decoded_by(&self, feed: &str) -> Result<(StoreImport, Normalised), DataError> {
        let store = Store::new(self.0.join("store"));
        let feed = Feed::named(feed).unwrap();
        let mut go_on = |_, _| ControlFlow::Continue(());
        let how = Normalising { feed, venue: "BINANCE", existing: Existing::Refuse };
        import_frames(&self.0.join("it.frames"), how, &store, &mut go_on)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

const DEPTH: &str = r#"{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}"#;
const TRADE: &str =
    r#"{"e":"trade","E":1,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1723075199000,"m":true,"M":true}"#;
const TICKER: &str = r#"{"u":400900217,"s":"ETHUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}"#;
const BAR: &str = r#"{"e":"kline","E":1,"s":"BNBBTC","k":{"t":1723075200000,"T":1723075259999,"s":"BNBBTC","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0015","v":"1000","n":100,"x":true,"q":"1","V":"500","Q":"0.5","B":"0"}}"#;

#[test]
fn every_update_goes_to_its_instrument_and_kind() {
    let growing = BAR.replace("\"x\":true", "\"x\":false");
    let recording =
        Recording::new("sorted", &[DEPTH, TRADE, DEPTH, TICKER, DEPTH, &growing, BAR, "garbage", r#"{"e":"trade"}"#]);
    let (stored, frames) = recording.decoded_by("binance-spot").unwrap();
    // A book that names no instrument is that of the only one spoken of so far, and nobody's where there is none or
    // more than one.
    assert_eq!((frames.frames, frames.refused, frames.unnamed), (9, 2, 2));
    let (place, why) = frames.first_refused.unwrap();
    assert_eq!((place.frame, place.ts.get()), (7, (DAY_ONE + 7) * SECOND));
    assert!(why.starts_with("byte 0: expected a value"), "{why}");
    let paths = |stored: &StoreImport| {
        let root = recording.0.join("store");
        let mut paths: Vec<_> = stored
            .written
            .iter()
            .map(|w| (w.path.strip_prefix(&root).unwrap().display().to_string(), w.rows))
            .collect();
        paths.sort();
        paths
    };
    let day = "2024-08-08.parquet";
    assert_eq!(
        paths(&stored),
        [
            (format!("bars-1m/BNBBTC.BINANCE/{day}"), 1),
            (format!("deltas/BNBBTC.BINANCE/{day}"), 3),
            (format!("quotes/ETHUSDT.BINANCE/{day}"), 1),
            (format!("trades/BNBBTC.BINANCE/{day}"), 1),
        ]
    );
    assert_eq!(stored.rows, 6);
}

#[test]
fn a_feed_that_decodes_nothing_is_named() {
    let recording = Recording::new("wrong", &[TRADE, TICKER]);
    let error = recording.decoded_by("coinbase").unwrap_err().to_string();
    assert!(error.contains("coinbase") && error.contains("name the feed it was recorded from"), "{error}");
    assert!(!recording.0.join("store").exists(), "nothing is left behind");
}

#[test]
fn lengths_are_in_the_largest_unit_that_divides_them() {
    for (nanos, text) in [(60 * SECOND, "1m"), (90 * SECOND, "90s"), (3 * DAY, "3d"), (4 * HOUR, "4h"), (7, "7ns")] {
        assert_eq!(length(nanos), text);
    }
}
