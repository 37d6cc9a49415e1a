use proptest::prelude::*;
use starling_core::event::BarSeriesId;
use starling_core::fixed::Qty;
use starling_core::time::MINUTE;

use super::*;

const ONE: InstrumentId = InstrumentId(1);

fn bar(number: u64, close: i64) -> Bar {
    let price = Price::from_int(close);
    let at = UnixNanos::new(number * MINUTE);
    Bar {
        instrument: ONE,
        series: BarSeriesId(0),
        ts_event: at,
        ts_recv: at,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Qty::from_int(1),
    }
}

fn signal(side: Option<Side>, target_bp: i16) -> Signal {
    Signal { instrument: ONE, side, confidence_bp: 7_000, target_bp, reason: String::new() }
}

/// Says what it was told to say.
struct Script(std::vec::IntoIter<Option<Signal>>);

impl Brain for Script {
    fn on_bar(&mut self, _: &Bar) -> Option<Signal> {
        self.0.next().flatten()
    }
}

fn agent(says: Vec<Option<Signal>>) -> Agent<Script> {
    let role = Role::Momentum { fast: 5, slow: 20 };
    Agent::new(AgentId(1), role, Script(says.into_iter())).unwrap()
}

#[test]
fn a_signal_is_judged_by_the_next_bar() {
    let (buy, sell) = (Some(Side::Buy), Some(Side::Sell));
    let says = [signal(buy, 5_000), signal(buy, 5_000), signal(sell, -10_000), signal(None, 2_000), signal(buy, 0)];
    let mut agent = agent(says.into_iter().map(Some).collect());
    let weights: Vec<u16> = [100, 110, 99, 99, 100, 101]
        .into_iter()
        .enumerate()
        .map(|(number, close)| {
            agent.on_bar(&bar(number as u64, close));
            agent.record().weight()
        })
        .collect();
    let record = *agent.record();
    assert_eq!((record.decisions, record.moves, record.hits, record.hit_rate()), (5, 3, 2, Some(6_666)));
    // Half of +10 %, half of -10 %, nothing of nothing, a fifth of 1/99.
    assert_eq!(record.pnl_ppm, 2_020);
    // (100 + 20) / (100 + 40); then the 100 fade by 1/92, and 100 are lost.
    assert_eq!(weights[..4], [5_000, 8_571, 4_977, 4_977]);
    assert_eq!(agent.pulse().bars, 6);
    assert_eq!(agent.pulse().last_bar, UnixNanos::new(5 * MINUTE));
}

#[test]
fn no_stroke_of_luck_counts_more_than_another() {
    let mut small = TrackRecord::default();
    let mut large = TrackRecord::default();
    small.judge(Some(Side::Buy), 0, Price::from_int(100), Price::from_int(110));
    large.judge(Some(Side::Buy), 0, Price::from_int(1), Price::from_int(1_000_000));
    assert_eq!(small.weight(), large.weight());
    let mut broken = TrackRecord::default();
    broken.judge(Some(Side::Buy), UNIT as i16, Price::from_int(0), Price::from_int(5));
    broken.judge(Some(Side::Buy), UNIT as i16, Price::from_int(-5), Price::from_int(5));
    assert_eq!((broken.decisions, broken.moves, broken.weight()), (2, 0, 5_000));
}

#[test]
fn what_is_no_signal_is_dropped_and_long_reasons_are_cut() {
    let wild = Signal { confidence_bp: 10_001, ..signal(None, 0) };
    let greedy = signal(Some(Side::Sell), -10_001);
    let wordy = Signal { reason: "é".repeat(200), ..signal(None, 0) };
    let mut agent = agent(vec![Some(wild), Some(greedy), Some(wordy)]);
    assert_eq!([agent.on_bar(&bar(0, 1)), agent.on_bar(&bar(1, 1))], [None, None]);
    assert_eq!(agent.on_bar(&bar(2, 1)).unwrap().reason, "é".repeat(128));
    assert_eq!((agent.pulse().malformed, agent.record().decisions), (2, 0));
}

#[test]
fn roles_know_their_rights_and_check_their_parameters() {
    let roles = [
        Role::Momentum { fast: 5, slow: 20 },
        Role::MeanReversion { window: 20, entry_milli: 2_000 },
        Role::Pairs { partner: ONE, window: 60, entry_milli: 2_000 },
        Role::MarketMaker { spread_bp: 10, position_max_bp: 2_000 },
        Role::Portfolio { rebalance: 20, volatility_bp: 1_000 },
        Role::RiskManager { exposure_max_bp: 10_000, drawdown_max_bp: 1_500 },
        Role::Forecaster { horizon: 1, window: 64 },
        Role::News { half_life: 1 },
        Role::Coordinator,
    ];
    let all = roles.iter().fold(0, |all, role| all | role.capability().0);
    assert_eq!(all.count_ones(), 9, "each its own bit");
    assert!(roles.iter().all(|role| role.check().is_ok()));
    let names = |right: fn(&Role) -> bool| roles.iter().filter(|role| right(role)).map(Role::name).collect::<Vec<_>>();
    assert_eq!(names(Role::has_veto), ["risk_manager"]);
    assert_eq!(names(|role| !role.votes()), ["coordinator"]);
    assert_eq!(Role::Momentum { fast: 20, slow: 20 }.check(), Err(BadRole::Order { fast: 20, slow: 20 }));
    let zero = |role: Role| role.check().unwrap_err().to_string();
    assert_eq!(zero(Role::Momentum { fast: 0, slow: 1 }), "momentum: fast is 0: set at least 1");
    assert_eq!(zero(Role::Forecaster { horizon: 1, window: 0 }), "forecaster: window is 0: set at least 1");
    assert_eq!(zero(Role::News { half_life: 0 }), "news: half_life is 0: set at least 1");
    for role in roles {
        let bytes = postcard::to_allocvec(&role).unwrap();
        assert_eq!(postcard::from_bytes::<Role>(&bytes), Ok(role));
    }
}

proptest! {
    /// Weights mirror: who says the opposite has what is missing to one.
    #[test]
    fn opposites_share_one(closes in proptest::collection::vec(1..100_000i64, 2..200)) {
        let (mut one, mut other) = (TrackRecord::default(), TrackRecord::default());
        for (at, pair) in closes.windows(2).enumerate() {
            let side = if at % 3 == 0 { Side::Buy } else { Side::Sell };
            let (then, now) = (Price::from_int(pair[0]), Price::from_int(pair[1]));
            one.judge(Some(side), 100, then, now);
            other.judge(Some(side.opposite()), -100, then, now);
        }
        let sum = one.weight() + other.weight();
        prop_assert!(sum == UNIT || sum == UNIT - 1, "{sum}");
        prop_assert_eq!(one.hits + other.hits, one.moves);
        prop_assert_eq!(one.pnl_ppm, -other.pnl_ppm);
    }
}
