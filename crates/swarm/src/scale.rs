//! How many agents there should be: a controller in a closed loop.
//!
//! ```text
//! pressure = max(waiting tasks / (agents x queue_full), P95 / (2 x target)), at most 4
//! score    = pressure x (1 + 1/4 of the volatility above normal, at most 1/4), smoothed over `smooth`
//! above .80, and below .40 for a cooldown, the swarm goes to agents x score / .60, the middle, rounded up
//! ```
//!
//! The scarcer of the two decides, as a mean would hide a full queue behind quick answers. Volatility raises what the
//! load says and adds nothing of its own: more agents do not calm a market, so a term of its own would drive the swarm to
//! its maximum. For the same reason a latency that more agents did not lower does not call for more of them again.
//!
//! Invariant: between two changes lies [`Settings::cooldown`], but for those that limits and budget force. One agent more
//! or less moves the score by half at most (2 to 3, 3 to 2), less than from one threshold to the other, so a steady load
//! ends in rest. So does a noisy one: what noise may have added is taken away only after the score has been low throughout
//! a cooldown, many times the smoothing, while what is needed is added at once.
//!
//! It does not start or stop agents, and it knows no prices: what is affordable comes from [`crate::cost`].

use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};

/// One in basis points.
const ONE: u64 = 10_000;
/// The pressure above which all pressures are alike.
const PRESSURE_MAX: u64 = 4 * ONE;
/// A latency fallen by less than this share has not fallen.
const FALL_BP: u64 = 500;

/// What the controller aims at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Fewest agents.
    pub min: u32,
    /// Most agents.
    pub max: u32,
    /// The score above which agents are added, 1/10,000.
    pub up_bp: u32,
    /// The score below which agents are taken away, 1/10,000.
    pub down_bp: u32,
    /// From one change to the next, and from a low score to fewer agents, nanoseconds.
    pub cooldown: u64,
    /// Time constant of the smoothing, nanoseconds.
    pub smooth: u64,
    /// Waiting tasks for each agent that are a score of 1.
    pub queue_full: u32,
    /// Half the P95 that is a score of 1, nanoseconds.
    pub p95_target: u64,
}

impl Default for Settings {
    /// 2 to 20 agents, thresholds .80 and .40, a change each five minutes at most, a minute's smoothing, ten waiting
    /// tasks for each agent, 100 ms.
    fn default() -> Self {
        Self {
            min: 2,
            max: 20,
            up_bp: 8_000,
            down_bp: 4_000,
            cooldown: 300 * SECOND,
            smooth: 60 * SECOND,
            queue_full: 10,
            p95_target: 100 * MILLISECOND,
        }
    }
}

/// Why settings make no controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A minimum of none, or above the maximum.
    #[error("between {min} and {max} agents lies no number of them: set 1 <= min <= max")]
    Range {
        /// Fewest.
        min: u32,
        /// Most.
        max: u32,
    },
    /// Thresholds so near that one agent more passes both.
    #[error("down {down_bp} is above half of up {up_bp}: the swarm would grow and shrink in turn")]
    Thresholds {
        /// Up.
        up_bp: u32,
        /// Down.
        down_bp: u32,
    },
    /// A load that is full at zero.
    #[error("a queue of 0 or a latency of 0 cannot be full")]
    Zero,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Tasks that wait.
    pub queue: u64,
    /// 95th percentile of a task's time, nanoseconds.
    pub p95_ns: u64,
    /// Short-term over long-term volatility, 1/10,000; 10,000 is normal.
    pub volatility_bp: u32,
    /// Agents the budget can bear ([`crate::cost::Ledger::affordable`]); [`u32::MAX`] without one.
    pub affordable: u32,
}

/// Why the number changes, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The score is above or below its threshold.
    Score,
    /// The score is between the thresholds.
    Within,
    /// The last change is too recent, or the score has not been low for long enough.
    Cooldown,
    /// There are fewer than the fewest, or more than the most, or not more or fewer to be had.
    Limit,
    /// The budget bears no more.
    Budget,
    /// The last agents that were added for the latency did not lower it.
    Futile,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// How many agents there should be; 0 if the budget does not bear even the fewest.
    pub agents: u32,
    /// Why.
    pub why: Why,
    /// The smoothed score, 1/10,000.
    pub score_bp: u32,
}

/// The controller.
#[derive(Debug, Clone)]
pub struct Autoscaler {
    settings: Settings,
    /// The smoothed score of one agent's share of the load, times 2^16, and when it was.
    score: Option<(u64, UnixNanos)>,
    changed: Option<UnixNanos>,
    /// Since when the score is below its threshold.
    low: Option<UnixNanos>,
    /// The latency for which agents were added last.
    added_for: Option<u64>,
}

impl Autoscaler {
    /// A controller at rest.
    ///
    /// # Errors
    /// Settings that cannot end in rest.
    pub fn new(settings: Settings) -> Result<Self, Invalid> {
        let Settings { min, max, up_bp, down_bp, queue_full, p95_target, .. } = settings;
        if min == 0 || min > max {
            return Err(Invalid::Range { min, max });
        }
        if u64::from(down_bp) * 2 > u64::from(up_bp) {
            return Err(Invalid::Thresholds { up_bp, down_bp });
        }
        if queue_full == 0 || p95_target == 0 {
            return Err(Invalid::Zero);
        }
        Ok(Self { settings, score: None, changed: None, low: None, added_for: None })
    }

    /// The parts of the pressure, 1/10,000: queue and latency.
    fn pressures(&self, agents: u32, load: &Load) -> (u64, u64) {
        let share = |part: u64, whole: u64| {
            let share = u128::from(part) * u128::from(ONE) / u128::from(whole.max(1));
            share.min(u128::from(PRESSURE_MAX)) as u64
        };
        let queue = share(load.queue, u64::from(agents) * u64::from(self.settings.queue_full));
        (queue, share(load.p95_ns, self.settings.p95_target.saturating_mul(2)))
    }

    /// The score of a load, not smoothed, 1/10,000.
    #[must_use]
    pub fn score(&self, agents: u32, load: &Load) -> u32 {
        let (queue, latency) = self.pressures(agents, load);
        let wild = u64::from(load.volatility_bp).saturating_sub(ONE).min(ONE);
        (queue.max(latency) * (4 * ONE + wild) / (4 * ONE)) as u32
    }

    /// How many agents there should be, of `agents` that are or are being started. To be asked regularly.
    pub fn decide(&mut self, now: UnixNanos, agents: u32, load: &Load) -> Decision {
        let Settings { min, max, up_bp, down_bp, cooldown, .. } = self.settings;
        let score_bp = self.smooth(now, self.score(agents.max(1), load));
        self.low = (score_bp < down_bp).then(|| self.low.unwrap_or(now));
        let decision = |agents, why| Decision { agents, why, score_bp };
        let most = max.min(load.affordable);
        if !(min..=most).contains(&agents) {
            // Whatever latency agents were last added for, it is not those agents who answer from now on.
            self.added_for = None;
        }
        if load.affordable < min {
            return decision(0, Why::Budget);
        }
        if agents > most {
            let why = if agents > max { Why::Limit } else { Why::Budget };
            return self.change(now, decision(most, why));
        }
        if agents < min {
            return self.change(now, decision(min, Why::Limit));
        }
        let (queue, latency) = self.pressures(agents, load);
        if score_bp <= up_bp {
            self.added_for = None;
        }
        if (down_bp..=up_bp).contains(&score_bp) {
            return decision(agents, Why::Within);
        }
        let middle = u64::from(up_bp + down_bp) / 2;
        let wanted = (u64::from(agents) * u64::from(score_bp)).div_ceil(middle.max(1)) as u32;
        let up = score_bp > up_bp;
        let target = if up { wanted.max(agents + 1).min(most) } else { wanted.min(agents - 1).max(min) };
        if target == agents {
            return decision(agents, if up && most < max { Why::Budget } else { Why::Limit });
        }
        if [self.changed, self.low].into_iter().flatten().any(|at| now.since(at) < cooldown) {
            return decision(agents, Why::Cooldown);
        }
        if up && latency > queue {
            let fallen = |before: u64| {
                u128::from(load.p95_ns) * u128::from(ONE) <= u128::from(before) * u128::from(ONE - FALL_BP)
            };
            if self.added_for.is_some_and(|before| !fallen(before)) {
                return decision(agents, Why::Futile);
            }
            self.added_for = Some(load.p95_ns);
        }
        self.change(now, decision(target, Why::Score))
    }

    fn change(&mut self, now: UnixNanos, decision: Decision) -> Decision {
        self.changed = Some(now);
        // The score of so many agents is to be measured anew.
        (self.score, self.low) = (None, None);
        decision
    }

    /// An exponential mean over time, first order: the share of the new is `passed / (smooth + passed)`.
    fn smooth(&mut self, now: UnixNanos, score: u32) -> u32 {
        let new = u64::from(score) << 16;
        let mean = match self.score {
            None => new,
            Some((old, at)) => {
                let passed = u128::from(now.since(at));
                let all = passed + u128::from(self.settings.smooth.max(1));
                ((u128::from(old) * (all - passed) + u128::from(new) * passed) / all) as u64
            }
        };
        self.score = Some((mean, now));
        (mean >> 16) as u32
    }
}

#[cfg(test)]
mod tests;
