use proptest::prelude::*;
use starling_core::time::{MINUTE, SECOND};

use super::*;

/// Midnight UTC of a day in 2026.
const T0: UnixNanos = UnixNanos::new(20_600 * DAY);

fn e2b() -> PriceTable {
    PriceTable {
        provider: "e2b".into(),
        vcpu_second: 14_000,
        gib_second: 4_500,
        date: "2026-11-21".into(),
        source: "SEMANTICS.md, Cost".into(),
    }
}

fn after(nanos: u64) -> UnixNanos {
    T0.saturating_add(nanos)
}

#[test]
fn the_default_sandbox_costs_a_tenth_of_a_dollar_an_hour() {
    // The requirement's number: 2 x 0.000014 + 0.5 x 0.0000045 dollars a second are 0.1089 an hour.
    assert_eq!(e2b().price_for(Resources::default(), HOUR), MicroDollars(108_900));
    assert_eq!(e2b().price_for(Resources::default(), HOUR).to_string(), "$0.108900");
    assert_eq!(e2b().price_for(Resources::default(), SECOND), MicroDollars(31), "30.25, rounded up");
    assert_eq!(e2b().price_for(Resources { vcpu_milli: 250, memory_mib: 128 }, 1_000 * SECOND), MicroDollars(4_063));
    assert_eq!(PriceTable::local().price_for(Resources::default(), HOUR), MicroDollars(0));
    let dearest = PriceTable { vcpu_second: u64::MAX, ..e2b() };
    let most = Resources { vcpu_milli: u32::MAX, memory_mib: u32::MAX };
    assert_eq!(dearest.price_for(most, u64::MAX), MicroDollars(u64::MAX));
}

#[test]
fn only_time_between_start_and_stop_counts_and_days_are_apart() {
    let mut ledger = Ledger::new(e2b(), Budget::default());
    ledger.start(after(22 * HOUR), AgentId(1), Resources::default());
    ledger.start(after(23 * HOUR), AgentId(2), Resources::default());
    assert_eq!(ledger.per_hour(), MicroDollars(217_800));
    assert_eq!(ledger.per_month(), MicroDollars(217_800 * 730));
    ledger.stop(after(25 * HOUR), AgentId(1));
    ledger.stop(after(25 * HOUR), AgentId(1));
    assert_eq!(ledger.spent(after(25 * HOUR)), MicroDollars(5 * 108_900));
    assert_eq!(ledger.spent_today(after(25 * HOUR)), MicroDollars(2 * 108_900));
    assert_eq!(ledger.spent_today(after(24 * HOUR - 1)).0.div_ceil(100), 3 * 1_089);
    // Paused for an hour, and again.
    ledger.stop(after(25 * HOUR), AgentId(2));
    ledger.start(after(26 * HOUR), AgentId(2), Resources::default());
    assert_eq!(ledger.spent(after(26 * HOUR + 30 * MINUTE)), MicroDollars(5 * 108_900 + 54_450));
    ledger.count(100);
    let now = after(27 * HOUR);
    assert_eq!(ledger.per_operation(now), Some(MicroDollars(6_534)));
    assert_eq!(ledger.operations_per_dollar(now), Some(153));
    assert_eq!(ledger.roi_bp(now, 1_306_800), Some(10_000), "double what was spent");
    assert_eq!(ledger.roi_bp(now, -1), Some(-10_001));
    let free = Ledger::new(PriceTable::local(), Budget::default());
    let none = (free.per_operation(now), free.operations_per_dollar(now), free.roi_bp(now, 1));
    assert_eq!(none, (None, None, None));
}

#[test]
fn free_resources_are_counted_all_the_same() {
    let mut ledger = Ledger::new(PriceTable::local(), Budget { per_swarm: Some(MicroDollars(1)), per_day: None });
    ledger.start(T0, AgentId(1), Resources::default());
    let now = after(HOUR);
    assert_eq!(ledger.usage(now), Usage { vcpu: 2_000 * u128::from(HOUR), memory: 512 * u128::from(HOUR) });
    assert_eq!((ledger.spent(now), ledger.check(now)), (MicroDollars(0), Ok(())));
    assert_eq!(ledger.affordable(now, Resources::default(), HOUR), u32::MAX);
}

#[test]
fn budgets_stop_at_their_last_cent() {
    let budget = Budget { per_swarm: Some(MicroDollars(326_700)), per_day: Some(MicroDollars(217_800)) };
    let mut ledger = Ledger::new(e2b(), budget);
    ledger.start(after(23 * HOUR), AgentId(1), Resources::default());
    ledger.start(after(23 * HOUR), AgentId(2), Resources::default());
    assert_eq!(ledger.check(after(24 * HOUR - SECOND)), Ok(()));
    // A nanosecond before midnight all but a fraction is spent, and fractions are rounded up.
    let today = Spent::Day { spent: MicroDollars(217_800), budget: MicroDollars(217_800) };
    assert_eq!(ledger.check(after(24 * HOUR - 1)), Err(today));
    assert_eq!(ledger.check(after(24 * HOUR)), Ok(()), "a new day");
    let swarm = Spent::Swarm { spent: MicroDollars(326_700), budget: MicroDollars(326_700) };
    assert_eq!(ledger.check(after(24 * HOUR + 30 * MINUTE)), Err(swarm));
    let afford = |hours: u64| ledger.affordable(after(24 * HOUR), Resources::default(), hours * HOUR);
    assert_eq!([afford(1), afford(2)], [1, 0], "108,900 are left");
}

#[test]
fn what_is_affordable_tomorrow_is_tomorrows() {
    let ledger = Ledger::new(e2b(), Budget { per_swarm: None, per_day: Some(MicroDollars(1_089_000)) });
    let afford = |start, hours| ledger.affordable(after(start * HOUR), Resources::default(), hours * HOUR);
    assert_eq!([afford(0, 1), afford(0, 10), afford(0, 24)], [10, 1, 0]);
    assert_eq!([afford(23, 1), afford(23, 2), afford(22, 4)], [10, 10, 5]);
}

#[test]
fn old_days_go() {
    let mut ledger = Ledger::new(e2b(), Budget::default());
    ledger.start(T0, AgentId(1), Resources::default());
    let now = after(500 * DAY);
    ledger.stop(now, AgentId(1));
    assert_eq!(ledger.days.len(), DAYS_MAX);
    assert_eq!(ledger.spent(now), MicroDollars(108_900 * 24 * 500));
}

proptest! {
    /// However a time is cut into starts and stops, it costs the same, and the days make up the whole.
    #[test]
    fn cuts_cost_nothing(cuts in proptest::collection::vec(0..4 * DAY, 1..20), vcpu_milli: u16, memory_mib: u16) {
        let resources = Resources { vcpu_milli: vcpu_milli.into(), memory_mib: memory_mib.into() };
        let mut cuts: Vec<u64> = cuts;
        cuts.sort_unstable();
        let (first, last) = (cuts[0], cuts[cuts.len() - 1]);
        let mut ledger = Ledger::new(e2b(), Budget::default());
        cuts.iter().for_each(|cut| ledger.start(after(*cut), AgentId(1), resources));
        ledger.stop(after(last), AgentId(1));
        prop_assert_eq!(ledger.usage(after(last)), resources.over(last - first));
        prop_assert_eq!(ledger.spent(after(last)), e2b().price_for(resources, last - first));
        let mut days = Usage::default();
        ledger.days.values().for_each(|day| days.add(*day));
        prop_assert_eq!(days, ledger.usage(after(last)));
    }
}
