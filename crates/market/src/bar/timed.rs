//! Bars by the clock: time, session day, week, month.
//!
//! Invariant: a tick with `start < ts <= due` is in the bar stamped `due`, whether a timer closes that bar at `due` or
//! the next tick does it later; so a driver without timers gets the same bars, only later. The first boundary of a
//! series lies strictly after its first tick: a first tick on a boundary opens the next bar. (Sessions are the
//! exception: their close is part of them, so a first tick at the close belongs to that session.)

use serde::{Deserialize, Serialize};

use super::aggregator::{EmptyBars, LateTicks};
use super::boundary::Boundaries;
use super::open::{Context, OpenBar, Piece};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Timed {
    boundaries: Boundaries,
    /// Made of bars: their stamp is the end of what they cover, and the one stamped `due` completes the bar.
    composite: bool,
    start: u64,
    /// The boundary that closes the open bar; 0 before the first tick.
    due: u64,
    /// The session in force, both ends included.
    window: (u64, u64),
    last_close: Option<i64>,
    /// Empty bars in a row.
    empty_run: u32,
    /// No timer is wanted until something comes in.
    idle: bool,
    open: OpenBar,
}

impl Timed {
    pub(super) fn new(boundaries: Boundaries, composite: bool) -> Self {
        // An empty window: the first tick looks its session up.
        let window = if boundaries.has_sessions() { (1, 0) } else { (0, u64::MAX) };
        Self {
            boundaries,
            composite,
            start: 0,
            due: 0,
            window,
            last_close: None,
            empty_run: 0,
            idle: true,
            open: OpenBar::default(),
        }
    }

    pub(super) fn open(&self) -> &OpenBar {
        &self.open
    }

    #[inline]
    pub(super) fn take(&mut self, p: &Piece, cx: &mut Context<'_>) {
        if (p.within < self.window.0 || p.at > self.window.1) && self.is_outside(p) {
            cx.counts.outside += 1;
            return;
        }
        if p.at > self.due || self.open.is_empty() {
            self.turn(p, cx);
        }
        if p.event < self.start {
            cx.counts.late += 1;
            if cx.options.late == LateTicks::Drop {
                return;
            }
        }
        if !(p.blank && self.open.is_empty() && self.last_close == Some(p.close)) {
            self.open.add(p);
        }
        if self.composite && p.at == self.due {
            self.close_one(p.known, cx);
        }
    }

    #[cold]
    fn is_outside(&mut self, p: &Piece) -> bool {
        if p.at > self.window.1 || self.window.0 > self.window.1 {
            self.window = self.boundaries.window(p.at);
        }
        p.within < self.window.0 || p.at > self.window.1
    }

    /// Brings the open bar to the one `p` belongs to.
    #[cold]
    fn turn(&mut self, p: &Piece, cx: &mut Context<'_>) {
        if self.due == 0 {
            let ends_included = self.composite || self.boundaries.has_sessions();
            self.enter(if ends_included { p.at.saturating_sub(1) } else { p.at });
        }
        while self.due < p.at {
            if self.idle {
                self.enter(p.at - 1);
            } else {
                self.close_one(p.known, cx);
            }
        }
        self.idle = false;
    }

    fn enter(&mut self, ts: u64) {
        let span = self.boundaries.after(ts);
        (self.start, self.due) = (span.start, span.due);
    }

    /// Closes the open bar; a driver at `known` could do so no later than then.
    fn close_one(&mut self, known: u64, cx: &mut Context<'_>) {
        let ts_recv = self.timer(cx.options.grace_ns).min(known).max(self.due);
        if !self.open.is_empty() {
            cx.emit(&self.open, self.due, ts_recv);
            self.last_close = Some(self.open.close);
            self.open = OpenBar::default();
            self.empty_run = 0;
            self.idle = cx.options.empty == EmptyBars::Skip;
        } else {
            match (cx.options.empty, self.last_close) {
                (EmptyBars::Emit { run_max }, Some(price)) if self.empty_run < run_max => {
                    cx.emit(&OpenBar::flat(price), self.due, ts_recv);
                    cx.counts.empty += 1;
                    self.empty_run += 1;
                }
                _ => self.idle = true,
            }
        }
        self.enter(self.due);
    }

    fn timer(&self, grace: u64) -> u64 {
        self.due.saturating_add(if self.composite { grace } else { 0 })
    }

    pub(super) fn next_close(&self, grace: u64) -> Option<u64> {
        (!self.idle && self.due != 0 && self.due != u64::MAX).then(|| self.timer(grace))
    }

    pub(super) fn close(&mut self, now: u64, cx: &mut Context<'_>) {
        while self.next_close(cx.options.grace_ns).is_some_and(|due| due <= now) {
            self.close_one(now, cx);
        }
    }
}
