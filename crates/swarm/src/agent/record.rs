//! How an agent has done, and what its vote weighs for it.
//!
//! Invariant: a weight is between 0 and [`UNIT`] and says what share of its recent moves went its agent's way. It begins
//! at a half, and after silence or balanced luck lies there again; one lucky stroke counts no more than `MOVE_MAX_PPM`.

use serde::{Deserialize, Serialize};
use starling_core::Side;
use starling_core::fixed::Price;

use super::UNIT;

/// A move above this counts as this, 1/1,000,000.
pub(super) const MOVE_MAX_PPM: u64 = 100_000;
/// Moves counted on each side before the first, 1/1,000,000.
pub(super) const PRIOR_PPM: u64 = 20_000;
/// After so many judgements a judgement counts 1/e; 64 halve it.
const FADE: u64 = 92;
/// Fractional bits of the faded sums.
const BITS: u32 = 16;

/// Decisions and their outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrackRecord {
    /// Signals that were judged, holds included.
    pub decisions: u64,
    /// Those with a side, after which the price moved.
    pub moves: u64,
    /// Those of them where it moved that way.
    pub hits: u64,
    /// What the targets would have earned from bar to bar, without costs, 1/1,000,000 of equity, summed.
    pub pnl_ppm: i64,
    /// Faded sums of moves its way and against it, 1/1,000,000 with 16 fractional bits.
    won: u64,
    lost: u64,
}

impl TrackRecord {
    /// The share of moves its way, faded, in basis points; a half at first:
    /// `(won + prior) / (won + lost + 2 prior)`.
    #[must_use]
    pub const fn weight(&self) -> u16 {
        let prior = PRIOR_PPM << BITS;
        let all = (self.won + self.lost + 2 * prior) as u128;
        ((self.won + prior) as u128 * UNIT as u128 / all) as u16
    }

    /// Share of moves that went its way, basis points; none before the first.
    #[must_use]
    pub fn hit_rate(&self) -> Option<u16> {
        (self.hits * u64::from(UNIT)).checked_div(self.moves).map(|rate| rate as u16)
    }

    /// A signal given at one price is judged at another: the way it wanted to stand, and with what share of equity, in
    /// basis points.
    pub fn judge(&mut self, side: Option<Side>, target_bp: i16, then: Price, now: Price) {
        self.decisions += 1;
        let (then, now) = (i128::from(then.units()), i128::from(now.units()));
        if then <= 0 {
            return;
        }
        let moved = (now - then) * 1_000_000 / then;
        let earned = (i128::from(target_bp) * moved / i128::from(UNIT)).clamp(-1_000_000_000, 1_000_000_000);
        self.pnl_ppm = self.pnl_ppm.saturating_add(earned as i64);
        let Some(side) = side.filter(|_| now != then) else { return };
        self.moves += 1;
        self.won -= self.won / FADE;
        self.lost -= self.lost / FADE;
        let size = (moved.unsigned_abs().min(u128::from(MOVE_MAX_PPM)) as u64) << BITS;
        if (now > then) == (side == Side::Buy) {
            self.hits += 1;
            self.won += size;
        } else {
            self.lost += size;
        }
    }
}
