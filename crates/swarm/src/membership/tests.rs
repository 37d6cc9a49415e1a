//! One agent at a time; convergence of many is the simulator's to show.

use super::*;

const ME: AgentId = AgentId(1);

fn at(intervals: u64) -> UnixNanos {
    UnixNanos::new(SECOND * (100 + intervals))
}

fn timing() -> Timing {
    Timing { interval: SECOND, suspect: 2, down: 4, remove: 10 }
}

fn member(n: u32) -> Membership {
    let founding = Founding::new(Shape::Mesh, (1..=n).map(AgentId));
    Membership::found(at(0), ME, timing(), &founding)
}

fn beats(membership: &mut Membership, from: &[u32], time: u64) {
    for &agent in from {
        let (epoch, mine) = (membership.view().epoch(), membership.view().fingerprint());
        membership.heard(at(time), AgentId(agent), epoch);
        membership.on_beat(at(time), AgentId(agent), mine);
    }
}

#[test]
fn silence_is_suspected_then_death_then_removal() {
    let mut one = member(3);
    let mut news = BTreeMap::new();
    for time in 0..=16 {
        beats(&mut one, &[2], time);
        one.on_time(at(time));
        for new in one.take_news() {
            news.insert(time, (new, one.roster().standing(AgentId(3)).unwrap()));
        }
    }
    let expected = [
        (2, (News::Suspected(AgentId(3)), Standing::NEW)),
        (4, (News::View, Standing::NEW.next())),
        (14, (News::View, Standing::GONE)),
    ];
    assert_eq!(news, BTreeMap::from(expected));
    assert_eq!(one.view().members(), [ME, AgentId(2)]);
    assert_eq!(one.view().leader(), Some(ME));
}

#[test]
fn an_agent_objects_to_its_death_and_bows_to_its_removal() {
    let mut one = member(2);
    let mut theirs = one.roster().clone();
    theirs.raise(ME, Standing::NEW.next());
    one.on_roster(at(1), AgentId(2), &theirs).unwrap();
    assert!(one.roster().standing(ME).unwrap().is_alive());
    assert!(one.roster().standing(ME) > theirs.standing(ME));
    theirs.raise(ME, Standing::GONE);
    one.on_roster(at(2), AgentId(2), &theirs).unwrap();
    assert!(one.is_excluded());
    assert_eq!(one.take_news(), [News::View, News::Excluded]);
    assert_eq!(one.next_due(), UnixNanos::MAX);
}

#[test]
fn a_minority_has_no_leader_removes_nobody_and_takes_nobody_in() {
    let mut one = member(5);
    for time in 0..=40 {
        beats(&mut one, &[2], time);
        one.on_time(at(time));
    }
    assert_eq!(one.view().members(), [ME, AgentId(2)]);
    assert_eq!(one.view().leader(), None);
    assert!((3..=5).all(|dead| one.roster().standing(AgentId(dead)).unwrap().is_down()));
    one.take_say();
    one.on_join(at(40), AgentId(9));
    assert!(one.roster().standing(AgentId(9)).is_none() && one.take_say().is_empty());
}

#[test]
fn the_dead_are_greeted_in_turn() {
    let mut one = member(4);
    for time in 0..=5 {
        one.on_time(at(time));
        one.take_say();
    }
    let greeted: Vec<Say> = (6..=9)
        .flat_map(|time| {
            one.on_time(at(time));
            one.take_say()
        })
        .collect();
    assert_eq!(greeted, [4, 2, 3, 4].map(|agent| Say::Roster(AgentId(agent))));
}

#[test]
fn an_agent_that_slept_blames_nobody() {
    let mut one = member(3);
    one.on_time(at(0));
    one.on_time(at(1));
    one.on_time(at(60));
    assert_eq!(one.view().members().len(), 3);
    assert!(one.take_news().is_empty());
}

#[test]
fn a_newcomer_asks_until_it_is_taken_in() {
    let mut one = member(2);
    let mut new = Membership::join(at(0), AgentId(7), timing(), vec![AgentId(5), ME]);
    assert_eq!(new.view().leader(), None);
    new.on_time(at(0));
    new.on_time(at(1));
    assert_eq!(new.take_say(), [Say::Join(ME), Say::Join(AgentId(5))]);
    one.on_join(at(1), AgentId(7));
    assert_eq!(one.take_say(), [Say::Roster(AgentId(7))]);
    new.on_roster(at(1), ME, one.roster()).unwrap();
    assert_eq!(new.view(), one.view());
    assert_eq!(new.view().leader(), Some(ME));
}

#[test]
fn goodbye_is_told_to_all_neighbours() {
    let mut one = member(3);
    one.leave();
    assert_eq!(one.take_say(), [Say::Roster(AgentId(2)), Say::Roster(AgentId(3))]);
    assert_eq!(one.take_news(), [News::Excluded]);
    assert!(one.roster().standing(ME).unwrap().is_gone());
}

#[test]
fn another_epoch_in_any_frame_makes_rosters_travel() {
    let mut one = member(2);
    one.on_time(at(0));
    one.take_say();
    one.heard(at(0), AgentId(2), one.view().epoch() + 1);
    let due = one.next_due();
    assert_eq!(due, at(0).saturating_add(SECOND / 16));
    one.on_time(due);
    assert_eq!(one.take_say(), [Say::Roster(AgentId(2))]);
    assert_eq!(one.next_due(), at(1));
}
