//! Mirrors of a strategy in the same run and of a list.

use starling_core::Qty;
use starling_core::Side::{Buy, Sell};
use starling_core::time::MINUTE;

use super::rig::{Run, Sent, Setting, orders, stamp};
use super::{CROSSING, EMA_CROSS, config, run};

fn mirror(leader: &str, options: &str) -> String {
    format!("kind = 'mirror'\ninstrument = 'X.SIM'\nleader = {leader}\n{options}")
}

/// What the mirror sent, of a run beside the EMA cross whose positions are 5 from minute 3, -5 from 5, 5 from 7.
fn mirrored(name: &str, options: &str) -> Vec<(u64, starling_core::Side, i64)> {
    let text = mirror("{ strategy = 'leader' }", &format!("bars = '1m last external'\n{options}"));
    let build = |text: &str| config(text).build().unwrap();
    let mut run = Run::of(&Setting::new(&["X"]), vec![("leader", build(EMA_CROSS)), (name, build(&text))]);
    run.closes("X", &CROSSING);
    let own = run.engine.world().strategy_by_name(name).unwrap();
    let mut sent = run.sent();
    sent.retain(|sent| matches!(sent, Sent::Order { id, .. } if id.strategy() == own));
    orders(&sent)
}

#[test]
fn a_mirror_holds_the_leaders_position_times_its_factor() {
    // A leader is asked before a mirror whose name comes later, so its fill is seen at the same bar.
    let one_order = "execution = { flip = 'one_order' }";
    assert_eq!(mirrored("mirror", one_order), [(3, Buy, 5), (5, Sell, 10), (7, Buy, 10)]);
    assert_eq!(mirrored("a mirror", one_order), [(4, Buy, 5), (6, Sell, 10), (8, Buy, 10)]);
    assert_eq!(mirrored("mirror", &format!("factor = '-0.5'\n{one_order}")), [(3, Sell, 2), (5, Buy, 4), (7, Sell, 4)]);
    let capped = format!("factor = 3\nmax_position = 11\n{one_order}");
    assert_eq!(mirrored("mirror", &capped), [(3, Buy, 11), (5, Sell, 22), (7, Buy, 22)]);
}

#[test]
fn a_mirror_in_the_account_it_follows_does_not_follow_itself() {
    let text = mirror("{ account = 'SIM' }", "bars = '1m last external'\nexecution = { flip = 'one_order' }");
    let build = |text: &str| config(text).build().unwrap();
    let mut run = Run::of(&Setting::new(&["X"]), vec![("leader", build(EMA_CROSS)), ("mirror", build(&text))]);
    run.closes("X", &CROSSING);
    assert_eq!(run.position("X"), Qty::from_int(10), "5 of the leader, 5 of the mirror");
}

#[test]
fn a_growth_seen_too_late_is_not_copied() {
    // Seen a minute after it happened, by a mirror that gives up after 59 seconds.
    assert_eq!(mirrored("a mirror", "max_delay = '59s'"), []);
    assert_eq!(mirrored("a mirror", "max_delay = '1m'\nexecution = { flip = 'one_order' }").len(), 3);
}

#[test]
fn a_list_is_followed_when_its_delay_has_passed() {
    let list = format!(
        "{{ fills = [{{ ts = {}, side = 'buy', qty = 10 }}, {{ ts = {}, side = 'sell', qty = 4 }}, \
         {{ ts = {}, side = 'sell', qty = 6 }}] }}",
        2 * MINUTE,
        3 * MINUTE,
        5 * MINUTE
    );
    for (options, expected) in [
        ("", [(2, Buy, 10), (3, Sell, 4), (5, Sell, 6)]),
        ("delay = '2m'\nfactor = 2", [(4, Buy, 20), (5, Sell, 8), (7, Sell, 12)]),
    ] {
        let mut run = run(&Setting::new(&["X"]), &mirror(&list, options));
        for n in 1..=8 {
            run.quote("X", stamp(n), 10_000, 10_001);
        }
        assert_eq!(run.position("X"), Qty::ZERO);
        assert_eq!(orders(&run.sent()), expected, "{options}");
    }
}

#[test]
fn a_mirror_needs_a_leader_other_than_itself() {
    for (leader, expected) in [
        ("{ strategy = 'nobody' }", "no strategy `nobody`"),
        ("{ account = 'none' }", "no account `none`"),
        ("{ strategy = 'test' }", "cannot follow itself"),
    ] {
        let error = Run::fault(&Setting::new(&["X"]), config(&mirror(leader, "")).build().unwrap());
        assert!(error.contains(expected), "{error}");
    }
}
