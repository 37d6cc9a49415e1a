use proptest::prelude::*;

use super::*;

const T0: UnixNanos = UnixNanos::new(1_000_000_000_000_000_000);

fn load(queue: u64, p95_ms: u64) -> Load {
    Load { queue, p95_ns: p95_ms * MILLISECOND, volatility_bp: 10_000, affordable: u32::MAX }
}

fn scaler() -> Autoscaler {
    Autoscaler::new(Settings::default()).unwrap()
}

fn at(seconds: u64) -> UnixNanos {
    T0.saturating_add(seconds * SECOND)
}

#[test]
fn the_score_is_its_formula() {
    let scaler = scaler();
    // 30 tasks for 5 agents of 10 each; 50 ms of 200.
    assert_eq!(scaler.score(5, &load(30, 50)), 6_000);
    assert_eq!(scaler.score(5, &load(5, 150)), 7_500);
    let wild = |bp| Load { volatility_bp: bp, ..load(30, 50) };
    assert_eq!([5_000, 14_000, 20_000, 90_000].map(|bp| scaler.score(5, &wild(bp))), [6_000, 6_600, 7_500, 7_500]);
    assert_eq!(scaler.score(1, &load(u64::MAX, u64::MAX / MILLISECOND)), 40_000);
}

#[test]
fn it_goes_up_and_down_by_the_thresholds_and_waits_between() {
    let mut scaler = scaler();
    let mut decide = |seconds, agents, queue| {
        let Decision { agents, why, .. } = scaler.decide(at(seconds), agents, &load(queue, 10));
        (agents, why)
    };
    assert_eq!(decide(0, 4, 32), (4, Why::Within), ".80 is not above .80");
    assert_eq!(decide(3_600, 4, 28), (4, Why::Within));
    assert_eq!(decide(3_610, 4, 36), (4, Why::Within), "smoothed: about .73");
    assert_eq!(decide(7_200, 4, 36), (6, Why::Score), "4 x .89 / .60");
    assert_eq!(decide(7_210, 6, 90), (6, Why::Cooldown));
    assert_eq!(decide(7_499, 6, 90), (6, Why::Cooldown));
    assert_eq!(decide(7_501, 6, 90), (15, Why::Score));
    assert_eq!(decide(7_900, 15, 30), (15, Why::Cooldown), "low, but only just");
    assert_eq!(decide(8_199, 15, 30), (15, Why::Cooldown));
    assert_eq!(decide(8_200, 15, 30), (5, Why::Score));
    assert_eq!(decide(8_300, 5, 20), (5, Why::Within));
    assert_eq!(decide(12_000, 5, 0), (5, Why::Cooldown));
    assert_eq!(decide(12_200, 5, 40), (5, Why::Within), "smoothed: about .62");
    assert_eq!(decide(12_400, 5, 0), (5, Why::Cooldown));
    assert_eq!(decide(12_699, 5, 0), (5, Why::Cooldown), "low for longer, but not throughout");
    assert_eq!(decide(12_700, 5, 0), (2, Why::Score));
    assert_eq!(decide(13_000, 2, 0), (2, Why::Limit));
    assert_eq!(decide(14_000, 2, 10_000), (13, Why::Score), "2 x 3.77 / .60");
    assert_eq!(decide(15_000, 13, 10_000), (20, Why::Score));
    assert_eq!(decide(16_000, 20, 10_000), (20, Why::Limit));
}

#[test]
fn limits_and_budget_do_not_wait() {
    let mut scaler = scaler();
    let with = |affordable| Load { affordable, ..load(100, 10) };
    let mut decide = |seconds, agents, affordable| {
        let Decision { agents, why, .. } = scaler.decide(at(seconds), agents, &with(affordable));
        (agents, why)
    };
    assert_eq!(decide(0, 1, 100), (2, Why::Limit), "one was lost");
    assert_eq!(decide(1, 25, 100), (20, Why::Limit));
    assert_eq!(decide(2, 20, 7), (7, Why::Budget));
    assert_eq!(decide(1_000, 7, 7), (7, Why::Budget));
    assert_eq!(decide(2_000, 7, 1), (0, Why::Budget), "not even the fewest");
}

#[test]
fn latency_that_agents_do_not_lower_calls_for_no_more() {
    let mut scaler = scaler();
    let mut decide = |seconds, agents, p95| {
        let Decision { agents, why, .. } = scaler.decide(at(seconds), agents, &load(0, p95));
        (agents, why)
    };
    assert_eq!(decide(0, 4, 300), (10, Why::Score));
    assert_eq!(decide(400, 10, 295), (10, Why::Futile));
    assert_eq!(decide(10_000, 10, 310), (10, Why::Futile));
    assert_eq!(decide(20_000, 10, 280), (20, Why::Score), "it fell by a fifteenth after all");
    assert_eq!(decide(30_000, 20, 100), (20, Why::Within));
    assert_eq!(decide(40_000, 20, 10), (20, Why::Cooldown));
    assert_eq!(decide(40_300, 20, 10), (2, Why::Score));
    assert_eq!(decide(50_000, 2, 300), (5, Why::Score), "after calm the latency calls anew");
}

#[test]
fn latency_calls_again_after_the_budget_took_the_agents_away() {
    let mut scaler = scaler();
    let mut decide = |seconds, agents, affordable| {
        let load = Load { affordable, ..load(0, 300) };
        let Decision { agents, why, .. } = scaler.decide(at(seconds), agents, &load);
        (agents, why)
    };
    assert_eq!(decide(0, 4, u32::MAX), (10, Why::Score));
    assert_eq!(decide(10, 10, 4), (4, Why::Budget));
    assert_eq!(decide(1_000, 4, u32::MAX), (10, Why::Score));
    assert_eq!(decide(1_010, 10, 1), (0, Why::Budget));
    assert_eq!(decide(2_000, 2, u32::MAX), (5, Why::Score));
    assert_eq!(decide(2_010, 1, u32::MAX), (2, Why::Limit));
    assert_eq!(decide(3_000, 2, u32::MAX), (5, Why::Score));
}

#[test]
fn settings_that_would_swing_are_refused() {
    let settings = Settings::default();
    let refused = |settings| Autoscaler::new(settings).err();
    assert_eq!(refused(Settings { min: 0, ..settings }), Some(Invalid::Range { min: 0, max: 20 }));
    assert_eq!(refused(Settings { min: 21, ..settings }), Some(Invalid::Range { min: 21, max: 20 }));
    let near = Invalid::Thresholds { up_bp: 8_000, down_bp: 4_001 };
    assert_eq!(refused(Settings { down_bp: 4_001, ..settings }), Some(near));
    assert_eq!(refused(Settings { queue_full: 0, ..settings }), Some(Invalid::Zero));
}

/// Changes of the number of agents in a closed loop: a queue that grows with demand and shrinks with agents.
fn changes(demand: u64, noise: u64, seed: u64, hours: u64) -> Vec<(u64, i64)> {
    let mut scaler = scaler();
    let (mut agents, mut chance, mut changes) = (2, seed, Vec::new());
    for second in (0..hours * 3_600).step_by(5) {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let percent = 100 - noise + (chance >> 33) % (2 * noise + 1);
        // At 100 %, `demand` tasks wait, whatever the agents: each then has its share of them.
        let decision = scaler.decide(at(second), agents, &load(demand * percent / 100, 10));
        if decision.agents != agents {
            changes.push((second, i64::from(decision.agents) - i64::from(agents)));
            agents = decision.agents;
        }
    }
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Half a day of steady demand under noise of up to 40 %: it rests after a few steps in one direction.
    #[test]
    fn noise_does_not_make_it_flap(demand in 0..300u64, noise in 0..40u64, seed: u64) {
        let changes = changes(demand, noise, seed, 12);
        prop_assert!(changes.len() <= 6, "{changes:?}");
        let turns = changes.windows(2).filter(|pair| (pair[0].1 > 0) != (pair[1].1 > 0)).count();
        prop_assert!(turns <= 1, "{changes:?}");
        prop_assert!(changes.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 300), "{changes:?}");
        // Demand at the very edge of a threshold may step over it late, once, and then lies in the middle.
        prop_assert!(changes.iter().filter(|(at, _)| *at > 6 * 3_600).count() <= 1, "{changes:?}");
    }

    /// Whatever is measured: at most a change per cooldown, and never outside of the limits.
    #[test]
    fn any_load_keeps_the_limits(
        loads in proptest::collection::vec((0..400u64, 0..600u64, 0..40_000u32, 0..200u64), 1..200),
    ) {
        let mut scaler = scaler();
        let (mut agents, mut now, mut last) = (5, 0, None);
        for (queue, p95, volatility_bp, wait) in loads {
            now += wait;
            let decision = scaler.decide(at(now), agents, &Load { volatility_bp, ..load(queue, p95) });
            prop_assert!((2..=20).contains(&decision.agents));
            if decision.agents != agents {
                prop_assert_eq!(decision.why, Why::Score);
                let up = decision.agents > agents;
                let beyond = if up { decision.score_bp > 8_000 } else { decision.score_bp < 4_000 };
                prop_assert!(beyond, "{:?}", decision);
                prop_assert!(last.is_none_or(|last| now - last >= 300));
                last = Some(now);
                agents = decision.agents;
            }
        }
    }
}
