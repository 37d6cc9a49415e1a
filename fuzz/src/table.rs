//! CSV as users read it: a `[[data]]` table over any text. The first byte says which table and how it takes faults.
//!
//! What comes out is ordered by the stamp of receipt; each row is handed over, or counted where the report says it went;
//! and a table that wants all hours of the day, whose rows take the careful path, reads as the one that does not ask.

use std::sync::OnceLock;

use starling_core::{BarSeriesId, Event, InstrumentId, Price};
use starling_lab::data::{DataSpec, FeedAs, Policy, Resolve, SourceReport, open_text};

/// A name (dates may stand in it) and a table.
const TABLES: [(&str, &str); 12] = [
    ("bars.csv", r#"{"kind": "bars", "series": "1m last external"}"#),
    ("quotes.csv", r#"{"kind": "quotes"}"#),
    ("trades.csv", r#"{"kind": "trades"}"#),
    ("pairs.csv", r#"{"kind": "quote_bars"}"#),
    ("funding.csv", r#"{"kind": "funding"}"#),
    (
        "opens.csv",
        r#"{"kind": "bars", "as": "quotes", "stamp": "open", "interval": "1m", "timezone": "America/New_York",
            "price_digits": 0}"#,
    ),
    (
        "20131007_quote.csv",
        r#"{"kind": "quotes", "header": false, "one_sided": "merge", "date_from": "file_name", "price_scale": 10000,
            "timezone": "America/New_York", "columns": {"ts": 0, "bid": 1, "bid_size": 2, "ask": 3, "ask_size": 4}}"#,
    ),
    (
        "20131007_trade.csv",
        r#"{"kind": "trades", "header": false, "date_from": "file_name", "price_factor": "0.0001", "size_digits": 0,
            "size_scale": 3, "round_to_tick": true, "columns": {"ts": 0, "price": 1, "size": 2, "trade_id": 3}}"#,
    ),
    (
        "pattern.csv",
        r#"{"kind": "bars", "as": "quotes", "ts_format": "%m/%d/%Y %H:%M", "timezone": "Europe/Berlin",
            "session_close": "17:30", "interval": "1d", "stamp": "open"}"#,
    ),
    (
        "adjusted.csv",
        r#"{"kind": "bars", "series": "1d last external", "session_close": "16:00", "timezone": "America/New_York",
            "columns": {"adjusted_close": "Adj Close"}, "price_digits": 2}"#,
    ),
    ("seconds.csv", r#"{"kind": "trades", "ts_unit": "s", "price_digits": 0, "skip": 1, "limit": 3}"#),
    (
        "range.csv",
        r#"{"kind": "quotes", "from": "2013-01-01 22:00", "to": "2020-02-22", "where": {"symbol": "BTCUSDT"}}"#,
    ),
];

struct Names;

impl Resolve for Names {
    fn instrument(&mut self, _: &str) -> Result<InstrumentId, String> {
        Ok(InstrumentId::default())
    }
    fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
        Ok(BarSeriesId::default())
    }
    fn tick(&mut self, _: InstrumentId) -> Price {
        Price::from_units(250_000_000)
    }
}

fn table(number: usize, policy: Policy) -> &'static (String, DataSpec) {
    static SPECS: OnceLock<Vec<(String, DataSpec)>> = OnceLock::new();
    const POLICIES: [Policy; 3] = [Policy::Refuse, Policy::Drop, Policy::Accept];
    let specs = SPECS.get_or_init(|| {
        let parse = |(name, json): &(&str, &str)| {
            let mut fields: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(json).expect("a table of the list is JSON");
            fields.insert("path".into(), (*name).into());
            fields.insert("instrument".into(), "X.SIM".into());
            let spec = serde_json::from_value(fields.into()).expect("a table of the list is a table");
            ((*name).to_owned(), spec)
        };
        let of =
            |policy| TABLES.iter().map(parse).map(move |(name, spec): (_, DataSpec)| (name, spec.with_policy(policy)));
        POLICIES.into_iter().flat_map(of).collect()
    });
    let policy = POLICIES.iter().position(|p| *p == policy).expect("one of the three");
    &specs[policy * TABLES.len() + number]
}

/// What a reading gave: the events, how it ended, and what it says of the text if it came to its end.
type Reading = (Vec<Event>, Result<(), String>, Vec<SourceReport>);

fn read(name: &str, spec: &DataSpec, text: &[u8]) -> Reading {
    let mut feed = open_text(spec, name, text, &mut Names).expect("a table of the list is sound");
    let mut events = Vec::new();
    loop {
        let before = events.len();
        match feed.read(&mut events) {
            Ok(()) if events.len() == before => return (events, Ok(()), feed.sources()),
            Ok(()) => {}
            Err(fault) => return (events, Err(fault.to_string()), feed.sources()),
        }
    }
}

pub fn judge(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let policy = [Policy::Refuse, Policy::Drop, Policy::Accept][usize::from(choice >> 4) % 3];
    let (name, spec) = table(usize::from(choice & 15) % TABLES.len(), policy);
    let (events, end, reports) = read(name, spec, text);
    assert!(events.is_sorted_by_key(Event::ts), "events are ordered by receipt");

    let all_day = DataSpec { hours: Some(["00:00".into(), "24:00".into()]), ..spec.clone() };
    let (careful, careful_end, careful_reports) = read(name, &all_day, text);
    assert_eq!((&events, &end, &reports), (&careful, &careful_end, &careful_reports));

    if end.is_ok() {
        let [report] = &reports[..] else { panic!("one text has one report: {reports:?}") };
        assert_eq!(report.bytes, text.len() as u64);
        let counts = &report.counts;
        let gone = counts.filtered + counts.outside + counts.unpaired + counts.one_sided + counts.dropped.total();
        let handed = counts.rows.checked_sub(gone);
        // Of a bar made into quotes each quote is handed over or dropped.
        if spec.feeds() == FeedAs::Bars && handed != Some(events.len() as u64) {
            panic!("{} events of {counts:?}", events.len());
        }
    }
}
