//! What agents cost: prices, a ledger of allocated resources, budgets that stop.
//!
//! Invariant: amounts are integers. Usage is counted exactly, in thousandths of a virtual CPU and in MiB by nanoseconds;
//! only its price is rounded, up, once per amount asked for. Time counts from start to stop, however idle; resources are
//! counted even where they are free.
//!
//! It knows no prices of its own: a [`PriceTable`] comes from the configuration, with the date it was read and where.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_core::time::{DAY, HOUR};

use crate::id::AgentId;

/// Days of which the ledger keeps the usage apart; older ones are in the sum only.
pub const DAYS_MAX: usize = 400;
/// Hours of a month: a twelfth of 365 days.
pub const MONTH_HOURS: u64 = 730;

/// An amount of money, millionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct MicroDollars(pub u64);

impl fmt::Display for MicroDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// What a provider asks for. A vCPU's second is 14,000 and a GiB's 4,500 where a dollar's millionths are 14 and 4.5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// Whose prices.
    pub provider: String,
    /// A virtual CPU's second, billionths of a dollar.
    pub vcpu_second: u64,
    /// A GiB's second, billionths of a dollar.
    pub gib_second: u64,
    /// The day they were read, as `2026-11-21`.
    pub date: String,
    /// Where they were read.
    pub source: String,
}

impl PriceTable {
    /// This machine's: nothing.
    #[must_use]
    pub fn local() -> Self {
        Self {
            provider: "local".into(),
            vcpu_second: 0,
            gib_second: 0,
            date: "always".into(),
            source: "own machine".into(),
        }
    }

    /// The price of a usage, rounded up.
    #[must_use]
    pub fn price(&self, usage: Usage) -> MicroDollars {
        // Billionths of a dollar, times 1,000 x 10^9 and times 1,024 x 10^9.
        let cpu = usage.vcpu.saturating_mul(u128::from(self.vcpu_second));
        let memory = usage.memory.saturating_mul(u128::from(self.gib_second));
        // Over one denominator, 128,000 x 10^9, which both divide: 1,000 x 128 and 1,024 x 125.
        let sum = cpu.saturating_mul(128).saturating_add(memory.saturating_mul(125));
        MicroDollars(u64::try_from(sum.div_ceil(128_000 * 1_000_000_000 * 1_000)).unwrap_or(u64::MAX))
    }

    /// The price of resources for a time.
    #[must_use]
    pub fn price_for(&self, resources: Resources, nanos: u64) -> MicroDollars {
        self.price(resources.over(nanos))
    }
}

/// What an agent is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Thousandths of a virtual CPU.
    pub vcpu_milli: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
}

impl Default for Resources {
    /// Two CPUs and half a GiB.
    fn default() -> Self {
        Self { vcpu_milli: 2_000, memory_mib: 512 }
    }
}

impl Resources {
    /// These, for a time.
    #[must_use]
    pub fn over(self, nanos: u64) -> Usage {
        let nanos = u128::from(nanos);
        Usage { vcpu: u128::from(self.vcpu_milli) * nanos, memory: u128::from(self.memory_mib) * nanos }
    }
}

/// Resources times time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Thousandths of a virtual CPU, times nanoseconds.
    pub vcpu: u128,
    /// MiB, times nanoseconds.
    pub memory: u128,
}

impl Usage {
    fn add(&mut self, other: Self) {
        self.vcpu += other.vcpu;
        self.memory += other.memory;
    }
}

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// By the swarm in its life.
    pub per_swarm: Option<MicroDollars>,
    /// By the swarm from midnight to midnight UTC.
    pub per_day: Option<MicroDollars>,
}

/// A budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Spent {
    /// The swarm's.
    #[error("the swarm has cost {spent} of {budget}: raise cost.per_swarm, or end it")]
    Swarm {
        /// So far.
        spent: MicroDollars,
        /// Allowed.
        budget: MicroDollars,
    },
    /// The day's.
    #[error("the swarm has cost {spent} of {budget} today: wait for midnight UTC, or raise cost.per_day")]
    Day {
        /// Since midnight.
        spent: MicroDollars,
        /// Allowed.
        budget: MicroDollars,
    },
}

/// Who had what from when to when.
#[derive(Debug, Clone)]
pub struct Ledger {
    prices: PriceTable,
    budget: Budget,
    running: BTreeMap<AgentId, (Resources, UnixNanos)>,
    /// Usage of those that stopped, by day.
    days: BTreeMap<u64, Usage>,
    total: Usage,
    operations: u64,
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new(prices: PriceTable, budget: Budget) -> Self {
        Self { prices, budget, running: BTreeMap::new(), days: BTreeMap::new(), total: Usage::default(), operations: 0 }
    }

    /// The prices.
    #[must_use]
    pub const fn prices(&self) -> &PriceTable {
        &self.prices
    }

    /// An agent's resources are allocated. If it runs already, what it had ends now.
    pub fn start(&mut self, now: UnixNanos, agent: AgentId, resources: Resources) {
        self.stop(now, agent);
        self.running.insert(agent, (resources, now));
    }

    /// An agent's resources are free again, for good or for a pause. Nothing happens if it does not run.
    pub fn stop(&mut self, now: UnixNanos, agent: AgentId) {
        let Some((resources, since)) = self.running.remove(&agent) else { return };
        self.total.add(resources.over(now.since(since)));
        let mut from = since;
        while from < now {
            let midnight = from.floor_to(DAY).saturating_add(DAY).min(now);
            self.days.entry(from.unix_day()).or_default().add(resources.over(midnight.since(from)));
            from = midnight;
        }
        while self.days.len() > DAYS_MAX {
            self.days.pop_first();
        }
    }

    /// Operations were done.
    pub const fn count(&mut self, operations: u64) {
        self.operations = self.operations.saturating_add(operations);
    }

    /// All that was allocated until now.
    #[must_use]
    pub fn usage(&self, now: UnixNanos) -> Usage {
        let mut usage = self.total;
        self.running.values().for_each(|(resources, since)| usage.add(resources.over(now.since(*since))));
        usage
    }

    /// What was allocated since midnight.
    #[must_use]
    pub fn usage_today(&self, now: UnixNanos) -> Usage {
        let midnight = now.floor_to(DAY);
        let mut usage = self.days.get(&now.unix_day()).copied().unwrap_or_default();
        self.running
            .values()
            .for_each(|(resources, since)| usage.add(resources.over(now.since((*since).max(midnight)))));
        usage
    }

    /// What all that cost.
    #[must_use]
    pub fn spent(&self, now: UnixNanos) -> MicroDollars {
        self.prices.price(self.usage(now))
    }

    /// What today cost.
    #[must_use]
    pub fn spent_today(&self, now: UnixNanos) -> MicroDollars {
        self.prices.price(self.usage_today(now))
    }

    /// Whether the swarm may go on.
    ///
    /// # Errors
    /// A budget is spent.
    pub fn check(&self, now: UnixNanos) -> Result<(), Spent> {
        let (spent, today) = (self.spent(now), self.spent_today(now));
        if let Some(budget) = self.budget.per_swarm.filter(|budget| spent >= *budget) {
            return Err(Spent::Swarm { spent, budget });
        }
        if let Some(budget) = self.budget.per_day.filter(|budget| today >= *budget) {
            return Err(Spent::Day { spent: today, budget });
        }
        Ok(())
    }

    /// How many agents with these resources can run for a time from now without spending a budget. What lies beyond
    /// midnight is the next day's.
    #[must_use]
    pub fn affordable(&self, now: UnixNanos, resources: Resources, nanos: u64) -> u32 {
        let to_midnight = now.floor_to(DAY).saturating_add(DAY).since(now);
        let within = |budget: Option<MicroDollars>, spent: MicroDollars, nanos: u64| {
            let left = budget?.0.saturating_sub(spent.0);
            let each = self.prices.price_for(resources, nanos).0;
            left.checked_div(each)
        };
        let swarm = within(self.budget.per_swarm, self.spent(now), nanos);
        let day = within(self.budget.per_day, self.spent_today(now), nanos.min(to_midnight));
        let next = within(self.budget.per_day, MicroDollars(0), nanos.saturating_sub(to_midnight).min(DAY));
        let fewest = [swarm, day, next].into_iter().flatten().min();
        fewest.map_or(u32::MAX, |agents| u32::try_from(agents).unwrap_or(u32::MAX))
    }

    /// What those that run now cost in an hour.
    #[must_use]
    pub fn per_hour(&self) -> MicroDollars {
        let mut usage = Usage::default();
        self.running.values().for_each(|(resources, _)| usage.add(resources.over(HOUR)));
        self.prices.price(usage)
    }

    /// What they cost in a month of [`MONTH_HOURS`].
    #[must_use]
    pub fn per_month(&self) -> MicroDollars {
        let mut usage = Usage::default();
        self.running.values().for_each(|(resources, _)| usage.add(resources.over(HOUR * MONTH_HOURS)));
        self.prices.price(usage)
    }

    /// What an operation has cost so far, rounded up; none before the first.
    #[must_use]
    pub fn per_operation(&self, now: UnixNanos) -> Option<MicroDollars> {
        (self.operations > 0).then(|| MicroDollars(self.spent(now).0.div_ceil(self.operations)))
    }

    /// Operations that a dollar has bought; none if nothing was spent.
    #[must_use]
    pub fn operations_per_dollar(&self, now: UnixNanos) -> Option<u64> {
        let spent = u128::from(self.spent(now).0);
        let bought = (u128::from(self.operations) * 1_000_000).checked_div(spent)?;
        Some(u64::try_from(bought).unwrap_or(u64::MAX))
    }

    /// Return on what was spent, (profit - spent) / spent in 1/10,000, rounded down; none if nothing was spent.
    /// `profit` in millionths of a dollar, before these costs.
    #[must_use]
    pub fn roi_bp(&self, now: UnixNanos, profit: i64) -> Option<i64> {
        let spent = i128::from(self.spent(now).0);
        if spent == 0 {
            return None;
        }
        let roi = ((i128::from(profit) - spent) * 10_000).div_euclid(spent);
        Some(i64::try_from(roi).unwrap_or(if roi > 0 { i64::MAX } else { i64::MIN }))
    }
}

#[cfg(test)]
mod tests;
