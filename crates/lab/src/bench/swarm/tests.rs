//! What the conductor computes apart, against numbers worked out by hand.

use starling_swarm::consensus::ballot::{Action, Choice};
use starling_swarm::consensus::council::Mode;
use starling_swarm::topology::Shape;

use super::words::{Charter, Conduct};
use super::*;

/// Worked out by hand: 2.50 of 4.10 for buying is 61 %; silent, the last counts 1.00 against it: 2.50 of 4.55 is 55 %. In
/// the Byzantine mode four of six must want the same, and three do.
#[test]
fn what_is_expected_of_the_proposals() {
    let charter = |mode| Charter {
        agents: 6,
        shape: Shape::Mesh,
        keys: Vec::new(),
        config: String::new(),
        events: Vec::new(),
        mode,
        patience: 0,
        tasks: None,
        mortal: false,
    };
    let act = |action, confidence| Conduct::Honest(Choice::Act { action, confidence });
    let mut votes = vec![
        act(Action::Buy, 8_500),
        act(Action::Hold, 6_000),
        act(Action::Buy, 9_000),
        act(Action::Sell, 4_500),
        act(Action::Buy, 7_500),
        act(Action::Hold, 5_500),
    ];
    let weighted = charter(Mode::Weighted);
    assert_eq!(trading::expected(&weighted, &votes).unwrap(), "buy by 3");
    assert_eq!(trading::expected(&charter(Mode::Byzantine), &votes).unwrap(), "no trade");
    votes[5] = Conduct::Silent;
    assert_eq!(trading::expected(&weighted, &votes).unwrap(), "buy by 3");
    votes[4] = Conduct::Silent;
    assert_eq!(trading::expected(&weighted, &votes).unwrap(), "no trade");
}

#[test]
fn the_eighteen_are_numbered_and_in_their_categories() {
    assert!(DEFINITIONS.iter().zip(1..).all(|(definition, number)| definition.number == number));
    let mut categories: Vec<&str> = DEFINITIONS.iter().map(|definition| definition.category).collect();
    categories.dedup();
    assert_eq!(categories, CATEGORIES);
    assert_eq!(DEFINITIONS[12].requirement("in-process"), Some(50.0));
    assert_eq!(DEFINITIONS[12].requirement("process"), Some(200.0));
}
