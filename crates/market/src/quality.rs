//! Data quality: a streaming check of every event before it is stored or replayed.
//!
//! Invariant: every fault of every event is counted, whatever becomes of the event; memory is bounded per stream (an
//! instrument's quotes, its trades, a series of bars). A dropped or refused event leaves no trace in what later events
//! are compared with. What it deliberately does not do: repair. NaN cannot occur: prices are fixed point.

mod skew;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_core::{Bar, Event, Price, Qty, Quote, Trade, UnixNanos};

pub use skew::Skew;
use skew::SkewMeter;

/// Places kept per fault.
pub const PLACES_MAX: usize = 3;
/// Values behind a median at most, and how often it is renewed.
pub const MEDIAN_BLOCK: usize = 256;
/// Values behind the first median; before it, neither gaps by spacing nor outliers are told.
pub const MEDIAN_FIRST: usize = 32;
/// Outliers in a row that make a new level: the one after them is compared with them, not with what was before.
pub const OUTLIER_RUN_MAX: u8 = 3;

/// What becomes of an event with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// It is kept, and the fault counted.
    AcceptAndCount,
    /// It is left out, and the fault counted.
    DropAndCount,
    /// The import stops.
    Refuse,
}

macro_rules! faults {
    ($($name:ident, $text:literal, $policy:ident, $doc:literal;)*) => {
        /// What can be wrong with an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = $doc] $name,)*
        }

        /// Every fault with its name in configurations and reports, its meaning, and its default policy.
        pub const FAULTS: &[FaultRow] =
            &[$(FaultRow { fault: Fault::$name, name: $text, doc: $doc, default: Policy::$policy },)*];
    };
}

faults! {
    Unsorted, "unsorted", Refuse,
        "The stamp of receipt lies before that of an earlier event, or a bar before an earlier bar of its series.";
    DuplicateBar, "duplicate_bar", Refuse, "A second bar of its series with one stamp.";
    DuplicateTrade, "duplicate_trade", DropAndCount, "The venue's trade number of the trade before it.";
    DuplicateEvent, "duplicate_event", AcceptAndCount, "Equal in every field to the event before it in its stream.";
    EqualStamp, "equal_stamp", AcceptAndCount, "The stamp of the quote or trade before it, with other contents.";
    ReceivedEarly, "received_early", AcceptAndCount, "Received before it happened: a clock is wrong.";
    Crossed, "crossed", Refuse, "The bid is above the ask.";
    Locked, "locked", AcceptAndCount, "The bid equals the ask.";
    NonPositivePrice, "non_positive_price", Refuse,
        "A price of zero or less. (Spreads have such prices, and so had crude oil in April 2020: accept them there.)";
    NegativeSize, "negative_size", Refuse, "A size or volume below zero.";
    Ohlc, "ohlc", Refuse, "The high is below the low, or open or close lies outside of them.";
    ZeroVolume, "zero_volume", AcceptAndCount, "A bar or trade without volume.";
    Gap, "gap", AcceptAndCount, "Too long since the event before it in its stream.";
    Outlier, "outlier", AcceptAndCount, "A return of too many robust standard deviations.";
    SequenceGap, "sequence_gap", AcceptAndCount,
        "The venue's trade number leaves some out, where its numbers usually go up by one.";
    Stale, "stale", AcceptAndCount, "The same prices too many times in a row; told once a run.";
}

/// A row of [`FAULTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultRow {
    /// The fault.
    pub fault: Fault,
    /// Its name.
    pub name: &'static str,
    /// Its meaning.
    pub doc: &'static str,
    /// What becomes of the event unless configured otherwise.
    pub default: Policy,
}

impl Fault {
    /// Its row in [`FAULTS`].
    #[must_use]
    pub fn row(self) -> &'static FaultRow {
        &FAULTS[self as usize]
    }
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What is looked for, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Policies other than those of [`FAULTS`].
    pub policies: BTreeMap<Fault, Policy>,
    /// A gap between bars: more than this share of their median spacing, in percent.
    pub gap_bar_percent: u32,
    /// A gap between quotes or trades: more than this share of their median spacing, in percent.
    pub gap_tick_percent: u32,
    /// A gap in any stream, whatever its spacing; nanoseconds.
    pub gap_ns_max: Option<u64>,
    /// An outlier: a return (to the price before, in its stream) of more than so many robust standard deviations, that
    /// is 1.4826 times the median size of the returns that are not zero (the normal-consistent MAD, Rousseeuw and
    /// Croux 1993, about zero).
    pub outlier_sigmas: f64,
    /// Equal prices in a row that are stale.
    pub stale_run: u32,
}

impl Default for Settings {
    /// One missing bar is a gap; ticks may pause a thousand times their median spacing; 20 standard deviations; 60
    /// equal prices.
    fn default() -> Self {
        Self {
            policies: BTreeMap::new(),
            gap_bar_percent: 150,
            gap_tick_percent: 100_000,
            gap_ns_max: None,
            outlier_sigmas: 20.0,
            stale_run: 60,
        }
    }
}

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Keep it.
    Accept,
    /// Leave it out.
    Drop,
    /// Stop: the first fault of the table whose policy is to refuse.
    Refuse(Fault),
}

/// Where a fault was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Number of the event, counted from 0.
    pub sequence: u64,
    /// Its stamp of receipt.
    pub ts: UnixNanos,
}

/// How often a fault was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCount {
    /// The fault.
    pub fault: Fault,
    /// What becomes of its events.
    pub policy: Policy,
    /// Events with it.
    pub count: u64,
    /// The first of them, [`PLACES_MAX`] at most.
    pub first: Vec<Place>,
}

/// What a checker found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Events checked.
    pub events: u64,
    /// Of these, left out.
    pub dropped: u64,
    /// Of these, refused.
    pub refused: u64,
    /// The faults found, in the order of [`FAULTS`].
    pub faults: Vec<FaultCount>,
    /// How long events took from their origin to here; none if no event of the market was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew: Option<Skew>,
}

impl Report {
    /// How often a fault was found.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u64 {
        self.faults.iter().find(|f| f.fault == fault).map_or(0, |f| f.count)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    count: u64,
    first: [Option<Place>; PLACES_MAX],
}

/// Checks events one by one.
#[derive(Debug, Clone)]
pub struct Checker {
    settings: Settings,
    policies: [Policy; FAULTS.len()],
    tallies: [Tally; FAULTS.len()],
    events: u64,
    dropped: u64,
    refused: u64,
    newest: UnixNanos,
    skew: SkewMeter,
    quotes: Vec<Option<Box<Stream<Quote>>>>,
    trades: Vec<Option<Box<Stream<Trade>>>>,
    bars: Vec<Option<Box<Stream<Bar>>>>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Checker {
    /// With the given settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut policies = [Policy::AcceptAndCount; FAULTS.len()];
        for (policy, row) in policies.iter_mut().zip(FAULTS) {
            *policy = settings.policies.get(&row.fault).copied().unwrap_or(row.default);
        }
        Self {
            settings,
            policies,
            tallies: [Tally::default(); FAULTS.len()],
            events: 0,
            dropped: 0,
            refused: 0,
            newest: UnixNanos::EPOCH,
            skew: SkewMeter::new(),
            quotes: Vec::new(),
            trades: Vec::new(),
            bars: Vec::new(),
        }
    }

    /// Checks the next event. A fault is looked for in its own stream: quotes and trades by instrument, bars by series;
    /// the order of receipt over all.
    pub fn check(&mut self, event: &Event) -> Verdict {
        let ts = event.ts();
        let mut faults = if ts < self.newest { Fault::Unsorted.bit() } else { 0 };
        let settings = &self.settings;
        let verdict = match event {
            Event::Bar(bar) => {
                self.skew.add(bar.ts_event, bar.ts_recv);
                let stream = stream(&mut self.bars, bar.series.index());
                faults |= stream.faults(bar, settings);
                let verdict = verdict(faults, &self.policies);
                stream.keep(bar, verdict, faults);
                verdict
            }
            Event::Quote(quote) => {
                self.skew.add(quote.ts_event, quote.ts_recv);
                let stream = stream(&mut self.quotes, quote.instrument.index());
                faults |= stream.faults(quote, settings);
                let verdict = verdict(faults, &self.policies);
                stream.keep(quote, verdict, faults);
                verdict
            }
            Event::Trade(trade) => {
                self.skew.add(trade.ts_event, trade.ts_recv);
                let stream = stream(&mut self.trades, trade.instrument.index());
                faults |= stream.faults(trade, settings);
                let verdict = verdict(faults, &self.policies);
                stream.keep(trade, verdict, faults);
                verdict
            }
            _ => verdict(faults, &self.policies),
        };
        if faults != 0 {
            self.tally(faults, ts);
        }
        match verdict {
            Verdict::Accept => self.newest = self.newest.max(ts),
            Verdict::Drop => self.dropped += 1,
            Verdict::Refuse(_) => self.refused += 1,
        }
        self.events += 1;
        verdict
    }

    #[cold]
    fn tally(&mut self, faults: u32, ts: UnixNanos) {
        for row in FAULTS.iter().filter(|row| faults & row.fault.bit() != 0) {
            let tally = &mut self.tallies[row.fault as usize];
            if let Some(free) = tally.first.iter_mut().find(|place| place.is_none()) {
                *free = Some(Place { sequence: self.events, ts });
            }
            tally.count += 1;
        }
    }

    /// What was found so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let found = |row: &FaultRow| {
            let tally = &self.tallies[row.fault as usize];
            (tally.count > 0).then(|| FaultCount {
                fault: row.fault,
                policy: self.policies[row.fault as usize],
                count: tally.count,
                first: tally.first.iter().flatten().copied().collect(),
            })
        };
        Report {
            events: self.events,
            dropped: self.dropped,
            refused: self.refused,
            faults: FAULTS.iter().filter_map(found).collect(),
            skew: self.skew.skew(),
        }
    }
}

/// The strictest policy of the faults wins.
#[inline]
fn verdict(faults: u32, policies: &[Policy; FAULTS.len()]) -> Verdict {
    if faults == 0 { Verdict::Accept } else { strictest(faults, policies) }
}

#[cold]
fn strictest(faults: u32, policies: &[Policy; FAULTS.len()]) -> Verdict {
    let found = || FAULTS.iter().filter(|row| faults & row.fault.bit() != 0);
    if let Some(row) = found().find(|row| policies[row.fault as usize] == Policy::Refuse) {
        return Verdict::Refuse(row.fault);
    }
    if found().any(|row| policies[row.fault as usize] == Policy::DropAndCount) {
        Verdict::Drop
    } else {
        Verdict::Accept
    }
}

#[inline]
fn stream<T>(streams: &mut Vec<Option<Box<Stream<T>>>>, at: usize) -> &mut Stream<T> {
    if at >= streams.len() {
        // Ids are places in tables frozen per run, so they are dense.
        streams.resize_with(at + 1, || None);
    }
    streams[at].get_or_insert_with(|| Box::new(Stream::new()))
}

/// An event of a stream, as the checks see it.
trait Sample: Copy + PartialEq {
    /// True where one stamp may come once only.
    const REGULAR: bool;
    fn ts_event(&self) -> UnixNanos;
    fn ts_recv(&self) -> UnixNanos;
    /// The price that returns are taken of.
    fn price(&self) -> Price;
    /// The venue's number, where it gives one.
    fn number(&self) -> Option<u64> {
        None
    }
    /// True if no price moved since `last`.
    fn repeats(&self, last: &Self) -> bool;
    /// Faults of the event alone.
    fn own_faults(&self) -> u32;
    /// Faults against the one before it, if both have one stamp.
    fn twin_faults(&self, last: &Self) -> u32;
}

#[inline]
fn mark(fault: Fault, present: bool) -> u32 {
    if present { fault.bit() } else { 0 }
}

impl Sample for Quote {
    const REGULAR: bool = false;
    fn ts_event(&self) -> UnixNanos {
        self.ts_event
    }
    fn ts_recv(&self) -> UnixNanos {
        self.ts_recv
    }
    fn price(&self) -> Price {
        self.bid
    }
    fn repeats(&self, last: &Self) -> bool {
        self.bid == last.bid && self.ask == last.ask
    }
    #[inline]
    fn own_faults(&self) -> u32 {
        mark(Fault::Crossed, self.bid > self.ask)
            | mark(Fault::Locked, self.bid == self.ask)
            | mark(Fault::NonPositivePrice, self.bid <= Price::ZERO || self.ask <= Price::ZERO)
            | mark(Fault::NegativeSize, self.bid_size < Qty::ZERO || self.ask_size < Qty::ZERO)
    }
    fn twin_faults(&self, last: &Self) -> u32 {
        if self == last { Fault::DuplicateEvent.bit() } else { Fault::EqualStamp.bit() }
    }
}

impl Sample for Trade {
    const REGULAR: bool = false;
    fn ts_event(&self) -> UnixNanos {
        self.ts_event
    }
    fn ts_recv(&self) -> UnixNanos {
        self.ts_recv
    }
    fn price(&self) -> Price {
        self.price
    }
    fn number(&self) -> Option<u64> {
        (self.trade_id != 0).then_some(self.trade_id)
    }
    fn repeats(&self, last: &Self) -> bool {
        self.price == last.price
    }
    #[inline]
    fn own_faults(&self) -> u32 {
        mark(Fault::NonPositivePrice, self.price <= Price::ZERO)
            | mark(Fault::NegativeSize, self.size < Qty::ZERO)
            | mark(Fault::ZeroVolume, self.size.is_zero())
    }
    fn twin_faults(&self, last: &Self) -> u32 {
        match self == last {
            _ if self.trade_id != 0 && self.trade_id == last.trade_id => Fault::DuplicateTrade.bit(),
            true => Fault::DuplicateEvent.bit(),
            false => Fault::EqualStamp.bit(),
        }
    }
}

impl Sample for Bar {
    const REGULAR: bool = true;
    fn ts_event(&self) -> UnixNanos {
        self.ts_event
    }
    fn ts_recv(&self) -> UnixNanos {
        self.ts_recv
    }
    fn price(&self) -> Price {
        self.close
    }
    fn repeats(&self, last: &Self) -> bool {
        self.close == last.close && self.high == last.high && self.low == last.low && self.open == last.open
    }
    #[inline]
    fn own_faults(&self) -> u32 {
        let inside =
            self.low <= self.open && self.low <= self.close && self.open <= self.high && self.close <= self.high;
        mark(Fault::Ohlc, !inside)
            | mark(Fault::NonPositivePrice, self.low <= Price::ZERO)
            | mark(Fault::NegativeSize, self.volume < Qty::ZERO)
            | mark(Fault::ZeroVolume, self.volume.is_zero())
    }
    fn twin_faults(&self, _: &Self) -> u32 {
        Fault::DuplicateBar.bit()
    }
}

/// What later events of a stream are compared with.
#[derive(Debug, Clone)]
struct Stream<T> {
    last: Option<T>,
    spacing: BlockMedian,
    /// Sizes of returns, as the bits of non-negative floats, which sort as the floats do.
    returns: BlockMedian,
    run: u32,
    outliers: u8,
    /// Steps between the venue's numbers, and how many of them were one.
    steps: u64,
    steps_of_one: u64,
    /// Found by `faults` for the event at hand, for `keep`.
    now: Now,
}

#[derive(Debug, Clone, Copy, Default)]
struct Now {
    spacing: u64,
    change: f64,
    run: u32,
    /// From the venue's number before to this one; 0 where it does not rise, or there is none.
    step: u64,
}

impl<T: Sample> Stream<T> {
    fn faults(&mut self, event: &T, settings: &Settings) -> u32 {
        let mut faults = event.own_faults() | mark(Fault::ReceivedEarly, event.ts_recv() < event.ts_event());
        let Some(last) = &self.last else {
            self.now = Now { run: 1, ..Now::default() };
            return faults;
        };
        if event.ts_event() == last.ts_event() {
            faults |= event.twin_faults(last);
        } else if T::REGULAR && event.ts_event() < last.ts_event() {
            faults |= Fault::Unsorted.bit();
        }
        let spacing = event.ts_event().since(last.ts_event());
        let percent = if T::REGULAR { settings.gap_bar_percent } else { settings.gap_tick_percent };
        let usual = self.spacing.median.map(|median| u128::from(median) * u128::from(percent));
        faults |= mark(
            Fault::Gap,
            settings.gap_ns_max.is_some_and(|max| spacing > max)
                || usual.is_some_and(|usual| u128::from(spacing) * 100 > usual),
        );
        let (before, price) = (last.price().units() as f64, event.price().units() as f64);
        let change = if before == 0.0 { 0.0 } else { ((price - before) / before).abs() };
        let scale = self.returns.median.map(|bits| 1.4826 * f64::from_bits(bits) * settings.outlier_sigmas);
        faults |= mark(Fault::Outlier, scale.is_some_and(|most| change > most) && self.outliers < OUTLIER_RUN_MAX);
        let run = if event.repeats(last) { self.run.saturating_add(1) } else { 1 };
        faults |= mark(Fault::Stale, run == settings.stale_run && run > 1);
        let numbers = last.number().zip(event.number());
        let step = numbers.map_or(0, |(last, now)| now.saturating_sub(last));
        // Numbers that mostly go up by one are counted; others are names.
        let counted = self.steps >= MEDIAN_FIRST as u64 && self.steps_of_one * 10 >= self.steps * 9;
        faults |= mark(Fault::SequenceGap, counted && step > 1);
        self.now = Now { spacing, change, run, step };
        faults
    }

    fn keep(&mut self, event: &T, verdict: Verdict, faults: u32) {
        let outlier = faults & Fault::Outlier.bit() != 0;
        self.outliers = if outlier { self.outliers + 1 } else { 0 };
        if verdict != Verdict::Accept {
            return;
        }
        self.run = self.now.run;
        self.last = Some(*event);
        if self.now.step > 0 {
            self.steps += 1;
            self.steps_of_one += u64::from(self.now.step == 1);
        }
        if self.now.spacing > 0 {
            self.spacing.add(self.now.spacing);
        }
        if self.now.change > 0.0 && !outlier {
            self.returns.add(self.now.change.to_bits());
        }
    }
}

impl<T> Stream<T> {
    fn new() -> Self {
        Self {
            last: None,
            spacing: BlockMedian::new(),
            returns: BlockMedian::new(),
            run: 0,
            outliers: 0,
            steps: 0,
            steps_of_one: 0,
            now: Now::default(),
        }
    }
}

/// The median of the last full block; blocks grow from [`MEDIAN_FIRST`] to [`MEDIAN_BLOCK`] values. One selection a
/// block keeps the cost of a value at that of storing it; a threshold needs no median of the moment.
#[derive(Debug, Clone)]
struct BlockMedian {
    median: Option<u64>,
    block: [u64; MEDIAN_BLOCK],
    filled: usize,
    full: usize,
}

impl BlockMedian {
    fn new() -> Self {
        Self { median: None, block: [0; MEDIAN_BLOCK], filled: 0, full: MEDIAN_FIRST }
    }

    #[inline]
    fn add(&mut self, value: u64) {
        self.block[self.filled] = value;
        self.filled += 1;
        if self.filled == self.full {
            self.renew();
        }
    }

    #[cold]
    fn renew(&mut self) {
        let (_, median, _) = self.block[..self.full].select_nth_unstable(self.full / 2);
        self.median = Some(*median);
        self.filled = 0;
        self.full = (self.full * 2).min(MEDIAN_BLOCK);
    }
}

#[cfg(test)]
mod tests;
