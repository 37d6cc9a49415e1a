//! Decisions of agents become positions, and lie in the journal as they came.

use starling_core::Side;
use starling_core::event::Decision;
use starling_core::journal::{Kind, Reader};

use super::rig::{Run, Setting, orders, stamp};
use super::{config, run};

const TWO: &str = "kind = 'follow'\nbars = '1m last external'\nmin_confidence = '0.5'\nsize = { fixed = 100 }\n\
    weights = [{ instrument = 'A.SIM', weight = '0.5' }, { instrument = 'B.SIM' }]\n";

fn three() -> Setting {
    Setting::new(&["A", "B", "C"])
}

#[test]
fn a_decision_is_carried_out_once() {
    let mut run = run(&three(), TWO);
    for symbol in ["A", "B", "C"] {
        run.bar(symbol, stamp(1), [1_000; 4]);
    }
    run.decision("A", stamp(2), Some(Side::Buy), 6_600);
    run.decision("B", stamp(2), Some(Side::Sell), 10_000);
    run.decision("C", stamp(2), Some(Side::Buy), 10_000);
    // Said again, and said less surely than it must be: nothing comes of either.
    run.decision("A", stamp(3), Some(Side::Buy), 9_000);
    run.decision("A", stamp(4), Some(Side::Sell), 4_999);
    run.decision("B", stamp(5), None, 5_000);
    run.decision("A", stamp(6), Some(Side::Sell), 5_000);
    let positions = ["A", "B", "C"].map(|symbol| run.position(symbol).to_string());
    assert_eq!(positions, ["-50", "0", "0"]);
    let sent = orders(&run.sent());
    use Side::{Buy, Sell};
    assert_eq!(sent, [(2, Buy, 50), (2, Sell, 100), (5, Buy, 100), (6, Sell, 50), (6, Sell, 50)]);
}

#[test]
fn confidence_scales_what_is_held_if_it_is_told_to() {
    let text = format!("{TWO}scale_by_confidence = true\nexecution = {{ rebalance_band = '0.1' }}\n");
    let mut run = run(&three(), &text);
    run.bar("B", stamp(1), [1_000; 4]);
    for (minute, bps, held) in [(2, 8_000, "80"), (3, 8_500, "80"), (4, 10_000, "100"), (5, 5_000, "50")] {
        run.decision("B", stamp(minute), Some(Side::Buy), bps);
        assert_eq!(run.position("B").to_string(), held, "{bps}");
    }
}

#[test]
fn decisions_lie_in_the_journal_by_value() {
    let mut run: Run<_> = run(&three(), TWO);
    run.bar("A", stamp(1), [1_000; 4]);
    run.decision("A", stamp(2), Some(Side::Buy), 6_600);
    let journal = run.engine.finish().unwrap().sink;
    let kept: Vec<Decision> = Reader::new(&journal[..])
        .unwrap()
        .map(Result::unwrap)
        .filter(|record| record.kind == Kind::Decision)
        .map(|record| postcard::from_bytes(record.payload).unwrap())
        .collect();
    let [decision] = kept[..] else { panic!("{kept:?}") };
    assert_eq!((decision.side, decision.confidence_bps, decision.ts_recv), (Some(Side::Buy), 6_600, stamp(2)));
    assert_eq!((decision.maker, decision.evidence), (7, [9; 16]));
}

#[test]
fn a_decision_for_another_run_is_refused() {
    let mut run = run(&three(), TWO);
    let other = Decision {
        strategy: starling_core::StrategyId(3),
        instrument: run.id("A"),
        side: None,
        confidence_bps: 1,
        cost_micro_usd: 0,
        id: 41,
        ts_event: stamp(1),
        ts_recv: stamp(1),
        maker: 0,
        evidence: [0; 16],
    };
    let error = run.engine.on_event(&starling_core::Event::Decision(other)).unwrap_err();
    assert!(error.to_string().starts_with("decision 41 is for"), "{error}");
}

#[test]
fn weights_are_positive_and_confidence_a_share() {
    let text = TWO.replace("'0.5' }, {", "'-0.5' }, {").replace("min_confidence = '0.5'", "min_confidence = '1.5'");
    let found: Vec<String> = config(&text).validate().into_iter().map(|fault| fault.parameter).collect();
    assert_eq!(found, ["weights[0].weight", "min_confidence"]);
}
